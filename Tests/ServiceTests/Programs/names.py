"""Names for sandboxes, in a world of the test's own (see netlab.py): who resolves what, and where it leads."""

import os
import tempfile

from netlab import *

ZONE = {
    # Two sites of one content network, on one address, and one elsewhere.
    "site.example": [SITE], "neighbour.example": [SITE], "elsewhere.example": [SITE_B], "both.example": [SITE, SITE6],
    "six.example": [SITE6], "alias.example": ["site.example"], "dns.example": [SITE_B],
    "rebound.example": [PRIVATE], "metadata.example": [METADATA], "host.example": [HOST4], "hostb.example": [HOST_OTHER],
    # It leads elsewhere with each answer: to the private range, and to the metadata service.
    "turning.example": [[SITE], [PRIVATE], [METADATA], [SITE_B]],
    "turning.site.example": [[SITE], [PRIVATE], [METADATA], [SITE_B]],
    "router.example": ["169.254.53.53"], "loop.example": ["127.0.0.1"], "*.wild.example": [SITE],
}
LIST = ["site.example", "elsewhere.example", "both.example", "six.example", "alias.example", "rebound.example",
        "metadata.example", "host.example", "hostb.example", "router.example", "loop.example", "*.wild.example"]


def world(resolver="198.51.100.1"):
    """The world, with names in it, and a host that resolves them by `resolver`."""
    rest = build(ports=(7777,))
    folder = tempfile.mkdtemp(prefix="cordon-names-")
    atexit.register(shutil.rmtree, folder)
    sh("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
       "/CN=site.example", "-keyout", folder + "/key", "-out", folder + "/certificate")
    with open(folder + "/both", "w") as both:
        both.write(open(folder + "/key").read() + open(folder + "/certificate").read())
    with open(folder + "/resolv.conf", "w") as file:
        file.write(f"nameserver {resolver}\n")
    sh("mount", "--bind", folder + "/resolv.conf", "/etc/resolv.conf")
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "names_world.py")
    server = subprocess.Popen(
        ["nsenter", "-t", str(rest.keeper.pid), "-n", sys.executable, "-B", program, json.dumps(ZONE), folder + "/both",
         folder],
        stdout=subprocess.PIPE)
    atexit.register(server.kill)
    assert server.stdout.readline() == b"ready\n"
    rest.folder = folder
    return rest


def curl(service, id, url, *arguments):
    """What curl inside says: its output, or its error."""
    answer = service.run(id, "curl", "-sSk", "--max-time", "10", *arguments, url)
    return (answer["stdout"] or answer["stderr"]).strip()


def resolves(service, id, name):
    """What the C library inside makes of a name."""
    code = "import socket, sys; print(sorted({a[4][0] for a in socket.getaddrinfo(sys.argv[1], 80)}))"
    answer = service.run(id, "python3", "-c", code, name)
    return answer["stdout"].strip() or answer["stderr"].strip().splitlines()[-1]


def expect(got, *words):
    assert all(word in got for word in words), f"{got!r} has not {words}"


def open_sandboxes_resolve():
    """Every name, by the C library and by dig, over UDP and TCP; but no address that is closed."""
    world()
    service = Service()
    id = service.create()
    expect(resolves(service, id, "site.example"), SITE)
    expect(resolves(service, id, "both.example"), SITE, SITE6)
    expect(resolves(service, id, "alias.example"), SITE)
    expect(resolves(service, id, "nothere.example"), "Name or service not known")
    for arguments in ((), ("+tcp",)):
        expect(service.run(id, "dig", "+short", "neighbour.example", *arguments)["stdout"], SITE)
    for scheme in ("http", "https"):
        expect(curl(service, id, f"{scheme}://site.example/"), "hello", SITE, HOST4)
    # Other resolvers too: this sandbox is open.
    expect(service.run(id, "dig", "+short", "@8.8.8.8", "site.example")["stdout"], SITE)
    for name, rule in (("rebound", "private"), ("metadata", "metadata"), ("host", "host"), ("hostb", "host"), ("loop", "loopback")):
        expect(service.run(id, "dig", f"{name}.example")["stdout"], "REFUSED", "EDE: 15 (Blocked)", rule)
        service.denial(id, "dns", f"{name}.example", rule)
    # A list of ranges judges addresses alone.
    listed = service.create(cidr_allowlist=[SITE])
    expect(curl(service, listed, "https://neighbour.example/"), "hello", SITE)
    expect(resolves(service, listed, "elsewhere.example"), SITE_B)
    assert "hello" not in curl(service, listed, "https://elsewhere.example/")
    nothing = service.create(cidr_allowlist=[])
    assert SITE not in resolves(service, nothing, "site.example")


def a_loopback_stub_is_asked():
    """The host's resolver may be one that sandboxes could never reach."""
    world(resolver="127.0.0.53")
    stub = subprocess.Popen([sys.executable, "-c", """
import socket
ours = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); ours.bind(("127.0.0.53", 53)); print("ready", flush=True)
while True:
    query, client = ours.recvfrom(4096)
    theirs = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); theirs.settimeout(2)
    theirs.sendto(query, ("198.51.100.1", 53)); ours.sendto(theirs.recv(4096), client); theirs.close()
"""], stdout=subprocess.PIPE)
    atexit.register(stub.kill)
    assert stub.stdout.readline() == b"ready\n"
    service = Service()
    id = service.create()
    expect(resolves(service, id, "site.example"), SITE)
    # The host moves to another resolver.
    with open("/etc/resolv.conf", "w") as file:
        file.write("nameserver 198.51.100.1\n")
    stub.kill()
    for _ in range(100):
        answer = resolves(service, id, "elsewhere.example")
        if SITE_B in answer:
            break
        time.sleep(0.3)
    expect(answer, SITE_B)
    configured = Service("--resolvers", "198.51.100.1:53")
    id = configured.create(domain_allowlist=["site.example"])
    expect(curl(configured, id, "https://site.example/"), "hello", SITE)


def listed_names_work():
    world()
    service = Service()
    id = service.create(domain_allowlist=LIST)
    assert service.expect(200, "GET", f"/v1/sandboxes/{id}")["domain_allowlist"] == LIST
    for scheme in ("http", "https"):
        # The connection comes from the host, and goes to the very address.
        expect(curl(service, id, f"{scheme}://site.example/"), "hello", SITE, "site.example", HOST4)
        expect(curl(service, id, f"{scheme}://six.example/"), "hello", SITE6, HOST6)
        expect(curl(service, id, f"{scheme}://alias.example/"), "hello", SITE, "alias.example")
        expect(curl(service, id, f"{scheme}://a.b.wild.example/"), "hello", SITE)
    # Other ports and protocols, to addresses of permitted names while they are that.
    service.refused(id, ("tcp", SITE_B, 7777))
    expect(resolves(service, id, "elsewhere.example"), SITE_B)
    service.reaches(id, ("tcp", SITE_B, 7777), ("udp", SITE_B, 7777), ("ping", SITE_B))
    run = service.expect(
        200, "POST", "/v1/run", {"argv": ["curl", "-sSk", "https://site.example/"], "domain_allowlist": ["site.example"]})
    expect(run["stdout"], "hello", SITE)
    # A range beside names needs none.
    both = service.create(domain_allowlist=["site.example"], cidr_allowlist=[SITE_B])
    expect(curl(service, both, f"https://{SITE_B}/"), "hello", SITE_B)
    expect(curl(service, both, "https://site.example/"), "hello", SITE)


def other_names_do_not():
    """Direct addresses, other resolvers, DoH, other sites of one address, rebinding, QUIC."""
    world()
    service = Service()
    id = service.create(domain_allowlist=LIST)

    def denied(got, *words):
        assert "hello" not in got, got
        service.denial(id, *words)

    expect(resolves(service, id, "neighbour.example"), "Temporary failure in name resolution")
    service.denial(id, "dns", "neighbour.example", "not in domain_allowlist")
    # Nothing is open before a name has led there.
    service.refused(id, ("tcp", SITE, 80), ("tcp", SITE, 443), ("tcp", SITE, 7777), ("udp", SITE, 7777), ("ping", SITE))
    service.denial(id, "tcp", SITE + ":7777", "policy")
    service.never_reaches(id, ("udp", "8.8.8.8", 53), ("tcp", "8.8.8.8", 53), ("tcp", "8.8.8.8", 443), ("udp", "8.8.8.8", 443))
    id = service.create(domain_allowlist=LIST)
    denied(curl(service, id, "https://dns.example/dns-query"), "dns", "dns.example", "not in domain_allowlist")

    second = service.create(domain_allowlist=LIST)
    id = second
    expect(curl(service, id, "https://site.example/"), "hello", SITE)
    # The address is open now, for its name.
    denied(curl(service, id, "https://neighbour.example/", "--resolve", f"neighbour.example:443:{SITE}"),
           "tcp", "neighbour.example", SITE + ":443", "not in domain_allowlist")
    got = curl(service, id, "http://neighbour.example/", "--resolve", f"neighbour.example:80:{SITE}")
    expect(got, "Denied: neighbour.example", "not in domain_allowlist")
    denied(curl(service, id, f"https://{SITE}/"), "tcp", SITE + ":443", "TLS without a server name")
    denied(curl(service, id, "https://elsewhere.example/", "--resolve", f"elsewhere.example:443:{SITE}"),
           "elsewhere.example", SITE, "doesn't resolve to this address")
    service.refused(id, ("udp", SITE, 443), ("udp", SITE, 80))

    id = service.create(domain_allowlist=LIST)
    for name, rule in (("rebound", "private"), ("metadata", "metadata"), ("host", "host"), ("hostb", "host"),
                       ("router", "metadata"), ("loop", "loopback")):
        denied(curl(service, id, f"http://{name}.example:7777/"), "dns", f"{name}.example", rule)
    service.refused(id, ("tcp", PRIVATE, 80), ("tcp", METADATA, 80), ("tcp", HOST4, 7777))


def names_are_no_tunnel():
    """Long, deep, odd and many names are denied with the reason, and nobody upstream sees them."""
    world()
    service = Service()
    id = service.create(domain_allowlist=["*.wild.example"])
    for name, rule in (
            (".".join(["a" * 60, "b" * 60]) + ".wild.example", "characters below"), ("a.b.c.d.e.f.g.wild.example", "labels below"),
            (r"a\001b.wild.example", "odd characters")):
        expect(service.run(id, "dig", name)["stdout"], "REFUSED")
        service.denial(id, "dns", rule)
    expect(service.run(id, "dig", "TXT", "x.wild.example")["stdout"], "REFUSED", "type TXT")
    many = (
        "for i in $(seq 300); do dig +tries=1 +short data$i.wild.example; sleep 0.01; done | sort | uniq -c")
    out = service.run(id, "bash", "-c", many, timeout_seconds=100)["stdout"].split()
    assert 250 <= int(out[0]) <= 256, out
    service.denial(id, "dns", "different names below *.wild.example")


def policies_change_under_flows():
    """A replaced policy cuts what it doesn't allow, and leaves what it does."""
    world()
    service = Service()
    id = service.create(domain_allowlist=["site.example"])
    path = f"/v1/sandboxes/{id}/execs/"

    def drip():
        exec = service.start_exec(id, "curl", "-sSNk", "--max-time", "50", "https://site.example/drip")
        for _ in range(200):
            if service.call("GET", path + exec + "/stdout")[1]:
                return exec
            time.sleep(0.05)
        raise AssertionError("nothing came")

    def length(exec):
        return len(service.call("GET", path + exec + "/stdout")[1])

    kept = drip()
    service.network(id, domain_allowlist=["site.example", "elsewhere.example"])
    before = length(kept)
    for _ in range(300):
        if length(kept) > before + 5:
            break
        time.sleep(0.1)
    else:
        raise AssertionError("a flow that is still allowed was cut")
    expect(curl(service, id, "https://elsewhere.example/"), "hello")
    service.network(id, domain_allowlist=["elsewhere.example"])
    ended = service.expect(200, "GET", path + kept + "/wait?timeout_seconds=20")
    assert ended["result"] and ended["result"].get("exit_code") != 0, ended
    assert "hello" not in curl(service, id, "https://site.example/", "--resolve", f"site.example:443:{SITE}")
    service.network(id, block_network=False)
    expect(curl(service, id, "https://neighbour.example/"), "hello")


def names_that_turn():
    """A name that leads to closed addresses from its second answer on is refused then, and opens nothing."""
    world()
    service = Service()
    for id, name in (
            (service.create(), "turning.example"), (service.create(domain_allowlist=["*.site.example"]), "turning.site.example")):
        expect(curl(service, id, f"http://{name}/"), "hello", SITE)
        for _ in range(100):
            got = curl(service, id, f"http://{name}/")
            if SITE_B in got:
                break
            time.sleep(0.2)
        expect(got, "hello", SITE_B)
        service.denial(id, "dns", name, "private")
        service.denial(id, "dns", name, "metadata")
        service.refused(id, ("tcp", PRIVATE, 80), ("tcp", METADATA, 80))


GIT = """
set -e
export HOME=/tmp/home GIT_SSL_NO_VERIFY=1 GIT_TERMINAL_PROMPT=0 GIT_CONFIG_NOSYSTEM=1
mkdir -p $HOME; rm -rf /tmp/copy /tmp/shallow; git config --global user.name a; git config --global user.email a@b
git clone -q "$1" /tmp/copy
git clone -q --depth 1 "$1" /tmp/shallow
cd /tmp/copy
sha256sum < large | cut -d' ' -f1
echo changed > "$2"; head -c 3000000 /dev/urandom > new; git add -A; git commit -q -m "from inside $2"
if [ "$3" = push ]; then git push -q origin HEAD; git fetch -q; git diff --quiet origin/main HEAD; fi
git -C /tmp/shallow pull -q; git -C /tmp/shallow log --oneline | wc -l
"""


def git_clones_fetches_and_pushes():
    """Git's own server outside, git inside: over HTTP, TLS and its own protocol; in an open sandbox, and through the name
    proxy under a list of names."""
    folder = world().folder
    quiet = {"env": {**os.environ, "HOME": folder, "GIT_CONFIG_NOSYSTEM": "1"}}
    sh("git", "init", "-q", "-b", "main", folder + "/work", **quiet)
    with open(folder + "/work/large", "wb") as file:
        file.write(os.urandom(3_000_000))
    at = ["git", "-C", folder + "/work", "-c", "user.name=a", "-c", "user.email=a@b"]
    sh(*at, "add", "-A", **quiet)
    sh(*at, "commit", "-q", "-m", "first", **quiet)
    sh("git", "clone", "-q", "--bare", folder + "/work", folder + "/code.git", **quiet)
    sh("git", "-C", folder + "/code.git", "config", "http.receivepack", "true", **quiet)
    digest = sh("sha256sum", folder + "/work/large").split()[0]
    service = Service()
    open_one, listed = service.create(), service.create(domain_allowlist=["site.example"])

    def work(id, url, name, *more):
        answer = service.run(id, "sh", "-c", GIT, "sh", url, name, *more)
        assert answer["result"].get("exit_code") == 0, (url, answer["stderr"])
        return answer["stdout"].split()

    commits = 1
    for id in (open_one, listed):
        for scheme in ("http", "https"):
            commits += 1
            got = work(id, f"{scheme}://site.example/git/code.git", f"{id[-4:]}{scheme}", "push")
            # A shallow copy has the one that it began with, and what came since.
            assert got == [digest, "2"], got
    log = sh("git", "-C", folder + "/code.git", "log", "--oneline", "main").splitlines()
    assert len(log) == commits, log
    denied = service.run(listed, "sh", "-c", GIT, "sh", "https://neighbour.example/git/code.git", "x")
    assert denied["result"].get("exit_code") == 128, denied


def connections_are_bounded():
    """A sandbox has as many connections through the name proxy as it may, whichever family they are of."""
    world()
    service = Service()
    id = service.create(domain_allowlist=["both.example"])
    expect(resolves(service, id, "both.example"), SITE, SITE6)
    many = (
        "import socket\n"
        "socks, served = [], 0\n"
        "for n in range(400):\n"
        "  s = socket.socket(socket.AF_INET6 if n %% 2 else socket.AF_INET)\n"
        "  s.settimeout(10)\n"
        "  try:\n"
        "    s.connect((%r if n %% 2 else %r, 80)); socks.append(s)\n"
        "    s.sendall(b'GET /drip HTTP/1.1\\r\\nHost: both.example\\r\\n\\r\\n')\n"
        "  except OSError: pass\n"
        "for s in socks:\n"
        "  try: served += s.recv(5) == b'HTTP/'\n"
        "  except OSError: pass\n"
        "print(served)\n") % (SITE6, SITE)
    served = int(service.run(id, "python3", "-c", many, timeout_seconds=100)["stdout"])
    assert 200 <= served <= 256, served
    # They are over with the program, and there is room again.
    for _ in range(100):
        if "hello" in curl(service, id, "http://both.example/"):
            return
        time.sleep(0.1)
    raise AssertionError("connections that are over still count")


def kills_and_restarts():
    """After a service or a launcher was killed names are served as before."""
    world()
    service = Service()
    id = service.create(domain_allowlist=LIST)
    open_id = service.create()
    expect(curl(service, id, "https://site.example/"), "hello")
    service.kill()
    service.start()
    # Also for a client that still has the address from before.
    expect(curl(service, id, "https://site.example/", "--resolve", f"site.example:443:{SITE}"), "hello")
    expect(curl(service, id, "https://elsewhere.example/"), "hello")
    expect(resolves(service, open_id, "neighbour.example"), SITE)
    service.kill_launcher()
    for attempt in range(50):
        if SITE in resolves(service, open_id, "site.example"):
            break
        time.sleep(0.1)
    expect(curl(service, id, "https://site.example/"), "hello")
    expect(curl(service, service.create(domain_allowlist=LIST), "https://alias.example/"), "hello")
    metrics = service.call("GET", "/metrics")[1].decode()
    counts = {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in metrics.splitlines() if line[0] != "#"}
    assert counts["cordon_dns_queries_total"] > 5 and counts['cordon_proxy_connections_total{outcome="passed_on"}'] >= 3, metrics


if __name__ == "__main__":
    run_check(globals())
