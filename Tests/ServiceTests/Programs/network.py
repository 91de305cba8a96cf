"""Where sandboxes get and where they don't, in a world of the test's own (see netlab.py)."""

import threading

from netlab import *

EVERYWHERE = [("tcp", SITE, 80), ("tcp", SITE, 7777), ("udp", SITE, 7777), ("udp", SITE_B, 53), ("ping", SITE)]
EVERYWHERE6 = [("tcp", SITE6, 80), ("udp", SITE6, 7777), ("ping", SITE6)]


def open_reaches_the_internet():
    build()
    service = Service()
    id = service.create()
    service.reaches(id, *EVERYWHERE, *EVERYWHERE6)
    same = service.try_all(id, [("tcp", SITE, 80), ("tcp", SITE6, 80)])
    assert same == ["hello " + HOST4, "hello " + HOST6], f"not by the host's address: {same}"
    shown = service.expect(200, "GET", f"/v1/sandboxes/{id}")
    assert shown["block_network"] is False and "cidr_allowlist" not in shown, shown


def blocked_has_loopback_alone():
    build()
    service = Service()
    blocked = service.create(block_network=True)
    results = service.try_all(blocked, EVERYWHERE + EVERYWHERE6 + [("udp", "224.0.0.1", 53), ("udp", HOST4, 7777)])
    assert set(results) <= {"Network is unreachable", "Cannot assign requested address"}, results
    assert service.run(blocked, "ls", "/sys/class/net")["stdout"].split() == ["lo"]
    assert service.expect(200, "GET", f"/v1/sandboxes/{blocked}")["block_network"] is True
    run = service.expect(200, "POST", "/v1/run", {"argv": ["ls", "/sys/class/net"], "block_network": True})
    assert run["stdout"].split() == ["lo"], run
    run = service.expect(200, "POST", "/v1/run", {"argv": ["ls", "/sys/class/net"]})
    assert run["stdout"].split() == ["eth0", "lo"], run


def the_floor_holds():
    """What is closed to everybody: the host and its services, other sandboxes, private and metadata addresses."""
    build()
    service = Service()
    id, other = service.create(), service.create()
    address = [
        line.split()[-1].split("/")[0] for line in
        service.run(other, "cat", "/proc/net/fib_trie")["stdout"].splitlines() if "100." in line][-1]
    service.start_exec(other, "python3", "-c", netlab_server(7777))
    port = int(service.url.rsplit(":")[-1])
    service.refused(
        id, ("tcp", HOST4, 7777), ("udp", HOST4, 7777), ("ping", HOST4), ("tcp", HOST_OTHER, 7777),
        ("tcp", HOST6, 7777), ("tcp", HOST4, port), ("tcp", "198.51.100.2", 22),
        ("tcp", METADATA, 80), ("udp", METADATA, 53), ("ping", METADATA), ("tcp", METADATA6, 80),
        ("tcp", "100.100.100.200", 80), ("tcp", "168.63.129.16", 80), ("tcp", PRIVATE, 80), ("tcp", PRIVATE_B, 80),
        ("tcp", PRIVATE6, 80), ("tcp", "100.70.0.9", 80), ("tcp", address, 7777), ("ping", address),
        ("tcp", "169.254.53.53", 7777), ("tcp", "169.254.53.53", 5380), ("udp", "169.254.53.53", 7777))
    # However an address is spelt, it is the packet that is judged.
    service.refused(
        id, ("tcp", "::ffff:10.9.0.5", 80), ("tcp", "::ffff:169.254.169.254", 80), ("tcp", "64:ff9b::cb00:710a", 80),
        ("tcp", "2002:cb00:710a::1", 80), ("tcp", "0xa9fea9fe", 80), ("tcp", "0251.0376.0251.0376", 80),
        ("tcp", "2852039166", 80), ("tcp", "10.9.5", 80))
    service.never_reaches(
        id, ("tcp", "0.0.0.0", 7777), ("tcp", "127.0.0.1", 7777), ("udp", "255.255.255.255", 53),
        ("udp", "224.0.0.251", 5353), ("udp", "ff02::1", 53), ("raw", SITE), ("packet", SITE),
        ("tcp", "240.0.0.1", 80), ("tcp", "fe80::1", 80))
    service.reaches(id, ("tcp", SITE, 80), ("ping", "169.254.53.53"))
    # Another's events tell of everything.
    told = service.create()
    service.refused(
        told, ("tcp", METADATA, 80), ("tcp", PRIVATE, 80), ("tcp", HOST_OTHER, 7777), ("udp", address, 7777),
        ("tcp", "64:ff9b::cb00:710a", 80))
    service.denial(told, "tcp", METADATA + ":80", "metadata")
    service.denial(told, "tcp", PRIVATE + ":80", "private")
    service.denial(told, "tcp", HOST_OTHER + ":7777", "host")
    service.denial(told, "udp", address + ":7777", "sandbox")
    service.denial(told, "tcp", "[64:ff9b::cb00:710a]:80", "translated")


def own_address(service, id):
    return [
        line.split()[-1].split("/")[0] for line in service.run(id, "cat", "/proc/net/fib_trie")["stdout"].splitlines()
        if "100." in line][-1]


# As a kernel bug would: raw packets out of a sandbox's namespace, with whatever source.
FORGE = """
import socket, struct, sys
target, *sources = sys.argv[1:]
for source in sources:
    v6 = ":" in source
    family = socket.AF_INET6 if v6 else socket.AF_INET
    raw = socket.socket(family, socket.SOCK_RAW, 255)
    here, there = (socket.inet_pton(family, a) for a in (source, "2001:db8:2::10" if v6 else target))
    udp = struct.pack("!HHHH", 999, 7777, 9, 0) + b"x"
    head = struct.pack("!IHBB", 6 << 28, len(udp), 17, 64) if v6 else struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0)
    raw.sendto(head + here + there + udp, ("2001:db8:2::10" if v6 else target, 0))
"""


def forged_sources_go_nowhere():
    """Nobody inside can forge; what would be forged all the same the floor drops, and tells of whose it was."""
    build()
    service = Service()
    id, neighbour = service.create(), service.create()
    address = own_address(service, neighbour)
    inside = (
        "import socket\n"
        "for source in (%r, '198.18.7.7', %r):\n"
        "  s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.setsockopt(0, 15, 1)\n"
        "  try: s.bind((source, 999)); s.sendto(b'x', (%r, 7777)); print('sent')\n"
        "  except OSError as e: print(e.strerror)\n"
        "for option in (19,):\n"
        "  try: socket.socket().setsockopt(0, option, 1); print('transparent')\n"
        "  except OSError as e: print(e.strerror)\n") % (address, HOST4, SITE)
    said = service.run(id, "python3", "-c", inside)["stdout"].splitlines()
    assert not {"sent", "transparent"} & set(said) and len(said) == 4, said
    assert service.denied("spoofed") == 0
    pid = service.process_in(id)
    sources = [address, "198.18.7.7", HOST4, SITE_B, "127.0.0.1", "169.254.53.53", "2001:db8:2::99", HOST6]
    sh("nsenter", "-t", pid, "-n", sys.executable, "-c", FORGE, SITE, *sources)
    # The kernel itself drops a loopback's source before any rule.
    until = time.monotonic() + 10
    while service.denied("spoofed") < len(sources) - 1:
        assert time.monotonic() < until, service.denied("spoofed")
        time.sleep(0.05)
    service.denial(id, "udp", SITE + ":7777", "spoofed")
    assert not service.events(neighbour, "network_denied"), service.events(neighbour, "network_denied")
    # Its own source is its own.
    sh("nsenter", "-t", pid, "-n", sys.executable, "-c", FORGE, SITE, own_address(service, id))
    assert service.denied("spoofed") <= len(sources)
    service.reaches(neighbour, ("udp", SITE, 7777))


def nothing_inside_changes_the_network():
    """Root inside has no right to addresses, routes, interfaces, rules or connections of its namespace."""
    build()
    service = Service()
    open_one, listed = service.create(), service.create(cidr_allowlist=[SITE])
    for id in (open_one, listed):
        for command in (
                "ip route del default", "ip -6 route del default", "ip route add 10.9.0.0/16 dev eth0",
                "ip route replace default via 100.64.0.1 onlink dev eth0", "ip addr flush dev eth0",
                "ip addr add 198.18.7.7/32 dev eth0", "ip link set eth0 down", "ip link set eth0 address 02:00:00:00:00:01",
                "ip link del eth0", "ip link set lo down", "ip link add tun7 type dummy", "ip rule add prio 1 table 7",
                "ip neigh add 169.254.53.53 lladdr 02:00:00:00:00:01 dev eth0", "nft flush ruleset",
                "nft add table inet mine", "nft delete table inet policy", "sysctl -w net.ipv4.ip_forward=1"):
            answer = service.run(id, "sh", "-c", command)
            refused = any(text in answer["stderr"] for text in ("not permitted", "ermission denied", "Read-only", "not supported"))
            assert answer["result"].get("exit_code") != 0 and refused, (command, answer)
        service.reaches(id, ("tcp", SITE, 80), ("udp", SITE, 7777))
    service.refused(listed, ("tcp", SITE_B, 80))


def floods_fill_no_table():
    """A sandbox that begins flow after flow gets its share of the kernel's memory of them, and others theirs."""
    build()
    most = 200
    service = Service("--network-max-connections", str(most), "--network-connections-per-second", "100000")
    id, other = service.create(), service.create()
    flood = (
        "import socket\n"
        "for n in range(3000):\n"
        "  s = socket.socket(socket.AF_INET6 if n %% 3 == 0 else socket.AF_INET, socket.SOCK_DGRAM)\n"
        "  try: s.sendto(b'x', (%r if n %% 3 == 0 else %r, 7777))\n"
        "  except OSError: pass\n"
        "  s.close()\n") % (SITE6, SITE)
    assert service.run(id, "python3", "-c", flood)["result"]["exit_code"] == 0
    for place in ([], ["nsenter", service.router()]):
        text = sh(*place, "cat", "/proc/net/nf_conntrack")
        # Both families count together; a few more are those of this test.
        count = sum("dport=7777" in line for line in text.splitlines())
        assert most // 2 <= count <= most + 20, (place, count)
    service.denial(id, "connections")
    service.reaches(other, ("tcp", SITE, 80), ("udp", SITE, 7777), ("udp", SITE6, 7777))
    assert urllib.request.urlopen(service.url + "/readyz").status == 200


def crowds_leave_room():
    """All sandboxes together have their share of the kernel's memory of connections: beyond it new ones wait, and what is
    open goes on."""
    build()
    service = Service("--network-max-connections-in-all", "300", "--network-max-connections", "250",
                      "--network-connections-per-second", "500")
    first, second = service.create(), service.create()
    hold = (
        "import socket, sys, time\n"
        "kept = []\n"
        "for n in range(220):\n"
        "  time.sleep(0.01)\n"
        "  s = socket.socket(); s.settimeout(5)\n"
        "  try: s.connect((%r, 7777)); s.recv(100); kept.append(s)\n"
        "  except OSError: pass\n"
        "print(len(kept), flush=True)\n"
        "sys.stdin.readline()\n"
        "kept[0].sendall(b'still'); print(kept[0].recv(5).decode(), flush=True)\n") % SITE

    def stdout(id, exec):
        return service.call("GET", f"/v1/sandboxes/{id}/execs/{exec}/stdout")[1] or b""

    def held(id):
        exec = service.start_exec(id, "python3", "-c", hold)
        for _ in range(1000):
            if stdout(id, exec).endswith(b"\n"):
                return exec, int(stdout(id, exec))
            time.sleep(0.05)
        raise AssertionError("no answer")

    one, count = held(first)
    assert count == 220, count
    other, more = held(second)
    # What was left, and as many as could begin before it was noticed.
    assert 40 < more < 200, more
    service.denial(second, "crowded")
    service.denied("crowded")
    assert "as many as they may together" in service.log, service.log
    # The host's own connections, and those that are open.
    assert urllib.request.urlopen(service.url + "/readyz").status == 200
    service.expect(200, "POST", f"/v1/sandboxes/{first}/execs/{one}/stdin?eof=true")
    for _ in range(200):
        if b"still" in stdout(first, one):
            break
        time.sleep(0.05)
    assert b"still" in stdout(first, one), stdout(first, one)
    # They are closed now: after the kernel has forgotten them others may begin.
    service.terminate(first)
    service.terminate(second)
    third = service.create()
    for _ in range(600):
        if service.try_all(third, [("tcp", SITE, 80)])[0].startswith("hello"):
            return
        time.sleep(0.2)
    raise AssertionError("the gate stays closed\n" + service.log)


def netlab_server(port):
    import netlab

    return f"import sys; sys.argv = ['', '{port}']\n" + netlab.SERVER


def lists_allow_what_they_say():
    build()
    service = Service()
    id = service.create(cidr_allowlist=[SITE, SITE6 + "/128", "203.0.112.0/24"])
    service.reaches(id, ("tcp", SITE, 80), ("udp", SITE, 7777), ("ping", SITE), ("tcp", SITE6, 80), ("ping", SITE6))
    service.reaches(id, ("tcp", "::ffff:" + SITE, 80))
    service.refused(
        id, ("tcp", SITE_B, 80), ("udp", SITE_B, 7777), ("ping", SITE_B), ("tcp", "8.8.8.8", 80),
        ("tcp", "2001:db8:2::11", 80), ("tcp", METADATA, 80), ("tcp", "169.254.53.53", 80))
    service.denial(id, "tcp", SITE_B + ":80", "policy")
    service.denial(id, "udp", SITE_B + ":7777", "policy")
    service.denial(id, "icmp", SITE_B, "policy")
    # Marks that processes put on packets open nothing.
    mark = (
        "import socket\n"
        "for tos in (0, 0xfc, 0xec):\n"
        "  s = socket.socket(); s.settimeout(2); s.setsockopt(0, 1, tos)\n"
        "  try: s.connect(('%s', 80)); print('reached')\n"
        "  except OSError as e: print('no')\n") % SITE_B
    assert service.run(id, "python3", "-c", mark)["stdout"] == "no\nno\nno\n"
    nothing = service.create(cidr_allowlist=[])
    service.refused(nothing, ("tcp", SITE, 80), ("udp", SITE, 53), ("ping", SITE), ("tcp", SITE6, 80))
    service.refused(nothing, ("tcp", "169.254.53.53", 53))
    for body, field in (
            ({"cidr_allowlist": [SITE], "block_network": True}, "block_network"),
            ({"cidr_allowlist": ["203.0.113.10/24"]}, "cidr_allowlist[0]"),
            ({"cidr_allowlist": [SITE, METADATA]}, "cidr_allowlist[1]")):
        assert service.expect(400, "POST", "/v1/sandboxes", body)["field"] == field
    # A list may name what the configuration keeps closed: it is closed all the same.
    private = service.create(cidr_allowlist=["10.0.0.0/8", "0.0.0.0/0"])
    service.refused(private, ("tcp", PRIVATE, 80), ("tcp", METADATA, 80), ("tcp", HOST4, 7777))
    service.reaches(private, ("tcp", SITE, 80))


def private_ranges_by_configuration():
    build()
    service = Service("--network-private-ranges", "10.9.0.0/24,fd12:3456::/64")
    id = service.create()
    service.reaches(id, ("tcp", PRIVATE, 80), ("tcp", PRIVATE6, 80), ("tcp", SITE, 80))
    service.refused(id, ("tcp", PRIVATE_B, 80), ("tcp", "10.8.0.1", 80), ("tcp", METADATA6, 80), ("tcp", HOST4, 7777))


STREAM = """
import socket, sys, time
s = socket.create_connection((%r, 7777)); s.recv(100)
s.settimeout(1)
print("connected", flush=True)
while True:
    try:
        s.send(b"x"); answer = s.recv(10)
        if not answer: raise OSError("closed")
    except OSError as error:
        print("cut", type(error).__name__, flush=True); break
    time.sleep(0.05)
"""


def the_command_line_shows_and_replaces_policies():
    build()
    service = Service()

    def cordon(*arguments, status=0):
        command = [PRODUCTS + "/cordon", *arguments[:1], "--credentials", service.directory + "/data/credentials.json", *arguments[1:]]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == status, (arguments, done)
        return done.stdout.strip()

    id = cordon("create", "--allow-cidr", SITE, "--allow-cidr", "2001:db8:2::/64")
    assert cordon("network", id).split() == [SITE + "/32", "2001:db8:2::/64"], cordon("network", id)
    service.reaches(id, ("tcp", SITE, 80))
    service.refused(id, ("tcp", SITE_B, 80))
    assert cordon("network", "--open-network", id) == "open"
    service.reaches(id, ("tcp", SITE_B, 80))
    assert cordon("network", "--allow-nothing-else", id) == "nothing"
    service.refused(id, ("tcp", SITE, 80))
    assert cordon("network", "--allow-domain", "*.example.com", "--allow-domain", "one.test", id).split() == ["*.example.com", "one.test"]
    shown = json.loads(cordon("network", "--json", "--allow-cidr", SITE_B, "--allow-nothing-else", id))
    assert (shown["cidr_allowlist"], shown["domain_allowlist"]) == ([SITE_B + "/32"], []), shown
    assert cordon("network", "--block-network", id) == "blocked"
    service.never_reaches(id, ("tcp", SITE, 80), ("tcp", SITE_B, 80))
    cordon("network", "--block-network", "--open-network", id, status=64)
    assert cordon("network", cordon("create", "--block-network")) == "blocked"


def policies_change_in_mid_flow():
    build()
    service = Service()
    id = service.create()
    path = f"/v1/sandboxes/{id}/execs/"
    exec = service.start_exec(id, "python3", "-c", STREAM % SITE)

    def stdout():
        return service.expect(200, "GET", path + exec + "/stdout") or b""

    def soon(word):
        for _ in range(200):
            if word in stdout():
                return
            time.sleep(0.05)
        raise AssertionError(f"no {word}: {stdout()}")

    soon(b"connected")
    shown = service.network(id, cidr_allowlist=[SITE_B])
    assert shown["cidr_allowlist"] == [SITE_B + "/32"], shown
    soon(b"cut")
    service.reaches(id, ("tcp", SITE_B, 80))
    service.refused(id, ("tcp", SITE, 80))
    exec = service.start_exec(id, "python3", "-c", STREAM % SITE_B)
    soon(b"connected")
    service.network(id, block_network=True)
    soon(b"cut")
    results = service.try_all(id, [("tcp", SITE, 80), ("tcp", SITE_B, 80), ("tcp", SITE6, 80)])
    assert set(results) == {"Network is unreachable"}, results
    service.network(id)
    service.reaches(id, ("tcp", SITE, 80), ("tcp", SITE6, 80), ("udp", SITE_B, 7777))
    # One that had no network gets one, with a list from its first packet on.
    late = service.create(block_network=True)
    service.network(late, cidr_allowlist=[SITE])
    service.reaches(late, ("tcp", SITE, 80))
    service.refused(late, ("tcp", SITE_B, 80))
    kinds = [e["kind"] for e in service.expect(200, "GET", f"/v1/sandboxes/{late}/events")["events"]]
    assert "network_changed" in kinds, kinds
    service.terminate(late)
    assert service.call("PUT", f"/v1/sandboxes/{late}/network", {})[0] == 409


def kills_change_nothing():
    build()
    service = Service()
    open_one, listed = service.create(), service.create(cidr_allowlist=[SITE])
    service.kill_launcher()
    service.reaches(open_one, ("tcp", SITE, 80), ("tcp", SITE6, 80))
    service.refused(listed, ("tcp", SITE_B, 80))
    service.kill()
    service.start()
    assert service.expect(200, "GET", f"/v1/sandboxes/{listed}")["cidr_allowlist"] == [SITE + "/32"]
    service.reaches(listed, ("tcp", SITE, 80))
    service.denial(listed, "tcp", SITE_B + ":80", "policy") if service.refused(listed, ("tcp", SITE_B, 80)) else None
    service.denial(listed, SITE_B, "policy")
    service.network(listed, cidr_allowlist=[SITE_B])
    service.reaches(listed, ("tcp", SITE_B, 80))
    # The launcher is killed while sandboxes are attached, again and again: nothing is left of any.
    stop = threading.Event()

    def churn():
        while not stop.is_set():
            status, answer = service.call("POST", "/v1/sandboxes", {})
            if status == 201:
                service.call("DELETE", "/v1/sandboxes/" + answer["id"])

    threads = [threading.Thread(target=churn) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(6):
        time.sleep(0.4)
        service.kill_launcher()
    stop.set()
    for thread in threads:
        thread.join()
    service.reaches(open_one, ("tcp", SITE, 80))
    service.reaches(service.create(), ("tcp", SITE, 80), ("tcp", SITE6, 80))


def links():
    return sorted(line.split(": ")[1].split("@")[0] for line in sh("ip", "-o", "link").splitlines())


def host_state():
    """Everything of the host's that a service must leave as it was."""
    settings = {}
    for root, _, files in os.walk("/proc/sys/net"):
        for name in files:
            # What the kernel itself counts or chooses.
            if name in ("nf_conntrack_count", "route_localnet") or "cordon-" in root:
                continue
            try:
                with open(os.path.join(root, name)) as file:
                    settings[os.path.join(root, name)] = file.read()
            except OSError:
                pass
    return {
        "settings": settings, "links": links(), "addresses": sh("ip", "-br", "addr"),
        "routes": sh("ip", "route", "show", "table", "all"), "v6": sh("ip", "-6", "route", "show", "table", "all"),
        "rules": sh("nft", "list", "ruleset"),
    }


def the_host_is_left_as_it_was():
    build()
    sh("nft", "add", "table", "inet", "theirs")
    before = host_state()
    service = Service()
    service.reaches(service.create(), ("tcp", SITE, 80))
    during = host_state()
    changed = {
        name for name in before["settings"] if before["settings"][name] != during["settings"].get(name)}
    allowed = {
        "/proc/sys/net/ipv4/conf/wan0/forwarding", "/proc/sys/net/ipv6/conf/wan0/force_forwarding"}
    assert changed <= allowed, changed
    assert "table inet theirs" in during["rules"]
    # Forwarding is for sandboxes alone: the host is nobody else's router.
    third = Node()
    sh("ip", "link", "add", "lan1", "type", "veth", "peer", "name", "up0", "netns", str(third.keeper.pid))
    sh("ip", "addr", "add", "198.18.9.1/24", "dev", "lan1")
    sh("ip", "link", "set", "lan1", "up")
    third.run("ip", "addr", "add", "198.18.9.2/24", "dev", "up0")
    third.run("ip", "link", "set", "up0", "up")
    third.run("ip", "route", "add", "default", "via", "198.18.9.1")
    reach = "import socket; s = socket.socket(); s.settimeout(1.5); s.connect(('203.0.113.10', 80)); print('reached')"
    through = subprocess.run(
        ["nsenter", "-t", str(third.keeper.pid), "-n", sys.executable, "-c", reach], capture_output=True)
    assert through.returncode != 0, "somebody else is routed"
    sh("ip", "link", "del", "lan1")
    service.down()
    after = host_state()
    for part in before:
        assert before[part] == after[part], (part, before[part], after[part]) if part != "settings" else [
            (name, before[part][name], after[part].get(name)) for name in before[part]
            if before[part][name] != after[part].get(name)]


def two_instances_side_by_side():
    build()
    one, two = Service(), Service()
    first, second = one.create(), two.create()
    one.reaches(first, ("tcp", SITE, 80))
    two.reaches(second, ("tcp", SITE, 80))
    one.down()
    two.reaches(second, ("tcp", SITE, 80), ("tcp", SITE6, 80))
    assert sysctl("net/ipv4/conf/wan0/forwarding") == "1"
    two.down()
    assert sysctl("net/ipv4/conf/wan0/forwarding") == "0"
    assert links() == ["lo", "wan0"], links()


def bounds_hold():
    build()
    service = Service("--network-max-connections", "20", "--network-connections-per-second", "1000")
    id = service.create()
    many = (
        "import socket\n"
        "kept, failed = [], 0\n"
        "for n in range(40):\n"
        "  s = socket.socket(); s.settimeout(1)\n"
        "  try: s.connect(('%s', 7777)); kept.append(s)\n"
        "  except OSError: failed += 1\n"
        "print(len(kept), failed)\n") % SITE
    kept, failed = map(int, service.run(id, "python3", "-c", many)["stdout"].split())
    assert kept <= 20 and failed >= 20, (kept, failed)
    service.denial(id, "connections")
    # Another's bounds are its own.
    service.reaches(service.create(), ("tcp", SITE, 80))


def slots_cycle(count="1000"):
    build()
    service = Service()
    for _ in range(20):
        service.terminate(service.create())
    time.sleep(3)

    def links():
        return len(sh("nsenter", service.router(), "ip", "-o", "link").splitlines())

    def memory():
        with open(f"/proc/{service.launcher()}/status") as file:
            return int([line for line in file if line.startswith("RssAnon")][0].split()[1])

    before = memory()
    for _ in range(int(count) // 20):
        ids = [service.create() for _ in range(20)]
        for id in ids:
            service.terminate(id)
    for _ in range(200):
        if links() <= 2 + 0:
            break
        time.sleep(0.1)
    assert links() == 2, f"{links()} links are left"
    assert memory() - before < 8000, (before, memory())
    id = service.create()
    service.reaches(id, ("tcp", SITE, 80))


def without_ipv6_or_a_network():
    """By configuration: sandboxes run all the same."""
    build()
    service = Service("--network-ipv6", "off")
    id = service.create()
    service.reaches(id, ("tcp", SITE, 80))
    results = service.try_all(id, [("tcp", SITE6, 80)])
    assert results == ["Network is unreachable"], results
    without = Service("--network=false")
    blocked = without.create()
    assert without.expect(200, "GET", f"/v1/sandboxes/{blocked}")["block_network"] is True
    status, answer = without.call("POST", "/v1/sandboxes", {"block_network": False})
    assert status == 409 and "block_network" in answer["detail"], answer


def a_host_without_rights_says_so():
    """No block of addresses to be had: the reason stands in the log and in refusals, and blocked sandboxes run. No right
    to networks at all: not even they can, and the start says so and leaves nothing."""
    build()

    def refused(service, *words):
        for spec in ({}, {"cidr_allowlist": [SITE]}):
            status, answer = service.call("POST", "/v1/sandboxes", spec)
            assert status == 409 and "ask for block_network" in answer["detail"], answer
            assert all(word in answer["detail"] for word in words), answer
        assert "sandboxes get no network" in service.log, service.log
        id = service.create(block_network=True)
        assert service.run(id, "echo", "runs")["stdout"] == "runs\n"
        status, answer = service.call("PUT", f"/v1/sandboxes/{id}/network", {"block_network": False})
        assert status == 409 and "ask for block_network" in answer["detail"], answer

    sh("ip", "route", "add", "100.64.0.0/10", "via", "198.51.100.1")
    refused(Service(), "network_pool")
    sh("ip", "route", "del", "100.64.0.0/10")
    sh("mount", "-o", "remount,ro", "/run/cordon/networks")
    refused(Service(), "Read-only file system")
    sh("mount", "-o", "remount,rw", "/run/cordon/networks")
    assert links() == ["lo", "wan0"] and "cordon" not in sh("nft", "list", "ruleset"), links()

    with tempfile.TemporaryDirectory(prefix="cordon-net-", dir="/tmp") as directory:
        os.chmod(directory, 0o711)
        where = ["--data-dir", directory + "/data", "--run-dir", directory + "/run"]
        without = ["setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin"]
        started = subprocess.run(
            [*without, PRODUCTS + "/cordond", *where, "--listen", "127.0.0.1:0"], capture_output=True, text=True, timeout=60)
        assert started.returncode != 0 and "no sandbox can run here" in started.stderr, started
        assert "Operation not permitted" in started.stderr, started
        subprocess.run([PRODUCTS + "/cordond", "down", *where], timeout=60, check=True)
        commands = [open(f"/proc/{pid}/cmdline").read() for pid in filter(str.isdigit, os.listdir("/proc")) if
                    os.path.exists(f"/proc/{pid}/cmdline")]
        assert not any(directory in command for command in commands), "a keeper is left"


if __name__ == "__main__":
    run_check(globals())
