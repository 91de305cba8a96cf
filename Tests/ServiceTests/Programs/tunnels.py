"""Tunnels and readiness, with servers inside and clients outside that we did not write."""

import concurrent.futures
import hashlib
import os
import select
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

from cordon_rest import *

# Inside: a server that says what it is told to, byte by byte.
ECHO = r"""
import socket, sys, threading
def serve(c):
    try:
        while True:
            data = c.recv(1 << 20)
            if not data: break
            c.sendall(data)
        c.shutdown(socket.SHUT_WR)
    except OSError: pass
    finally: c.close()
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1]))); s.listen(1024)
print("listening", flush=True)
while True:
    c, _ = s.accept()
    threading.Thread(target=serve, args=(c,), daemon=True).start()
"""

# Hashes what it gets until the client shuts its side down, then answers with the hash, and so many bytes of its own.
HASH = r"""
import hashlib, socket, sys
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1]))); s.listen(16)
print("listening", flush=True)
while True:
    c, _ = s.accept()
    h, n = hashlib.sha1(), 0
    try:
        while True:
            data = c.recv(1 << 20)
            if not data: break
            h.update(data); n += len(data)
        c.sendall(f"{n} {h.hexdigest()}\n".encode())
    except OSError as e: print(e, flush=True)
    c.close()
"""

# Says all that it has to say first, and then hashes what still comes.
FIRST = r"""
import hashlib, socket, sys
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1]))); s.listen(16)
print("listening", flush=True)
while True:
    c, _ = s.accept()
    c.sendall(b"x" * int(sys.argv[2])); c.shutdown(socket.SHUT_WR)
    h, n = hashlib.sha1(), 0
    while data := c.recv(1 << 20): h.update(data); n += len(data)
    print(n, h.hexdigest(), flush=True)
    c.close()
"""

# Says how each connection ended.
WITNESS = r"""
import socket, sys, threading
def serve(c):
    try:
        c.sendall(b"x" * int(sys.argv[2]))
        while True:
            if not c.recv(65536): print("end", flush=True); break
        c.close()
    except OSError as e: print("error", e.errno, flush=True)
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1]))); s.listen(64)
print("listening", flush=True)
while True:
    c, _ = s.accept()
    threading.Thread(target=serve, args=(c,), daemon=True).start()
"""


def serving(program, *arguments, **spec):
    """A sandbox whose main command is this program, once it listens."""
    made = create(argv=["python3", "-u", "-c", program, *map(str, arguments)], timeout_seconds=600, **spec)
    until(lambda: b"listening" in call("GET", f"/v1/sandboxes/{made['id']}/stdout").content, "a server inside")
    return made["id"]


def until(holds, what, seconds=30):
    for _ in range(int(seconds / 0.02)):
        if holds():
            return
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {seconds} s")


def tunnels(id):
    return expect(call("GET", f"/v1/sandboxes/{id}/tunnels"), 200).json()["tunnels"]


def place(id, port):
    return next((t["host"], t["port"]) for t in tunnels(id) if t["container_port"] == port)


def authority():
    """The development CA's certificate, in a file."""
    return DATA_DIRECTORY + "/service/ca.pem"


def trusting(*protocols):
    context = ssl.create_default_context(cafile=authority())
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


def received(connection, count=None):
    pieces, size = [], 0
    while count is None or size < count:
        data = connection.recv(1 << 20)
        if not data:
            break
        pieces.append(data)
        size += len(data)
    return b"".join(pieces)


def over(connection):
    """How a connection ends: by an end of data, or by a reset."""
    try:
        return "end" if connection.recv(1) == b"" else "data"
    except ConnectionResetError:
        return "reset"


class HalfTLS:
    """TLS whose two directions end one by one, which Python's own socket can't."""

    def __init__(self, where, version):
        context = trusting()
        context.minimum_version = context.maximum_version = version
        self.socket = socket.create_connection(where, timeout=60)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=where[0])
        self.step(self.tls.do_handshake)
        same(self.tls.version(), {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}[version])

    def flush(self):
        self.socket.sendall(self.outgoing.read())

    def step(self, action):
        while True:
            try:
                result = action()
                self.flush()
                return result
            except ssl.SSLWantReadError:
                self.flush()
                data = self.socket.recv(1 << 20)
                if data:
                    self.incoming.write(data)
                else:
                    self.incoming.write_eof()

    def send(self, data):
        for start in range(0, len(data), 1 << 16):
            self.tls.write(data[start:start + (1 << 16)])
            self.flush()

    def end(self):
        """A close_notify, and no more; the other direction goes on."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self.flush()

    def rest(self):
        """Everything up to the other side's close_notify; an end without one raises."""
        pieces = []
        while True:
            try:
                data = self.step(lambda: self.tls.read(1 << 16))
            except ssl.SSLZeroReturnError:
                data = b""
            if not data:
                return b"".join(pieces)
            pieces.append(data)


def met(place):
    """How a new connection ends, which can be before this side knows that there is one."""
    try:
        with socket.create_connection(place, timeout=30) as connection:
            return over(connection)
    except ConnectionResetError:
        return "reset"


# Checks


def http_server():
    made = create(argv=["python3", "-m", "http.server", "8000", "--bind", "127.0.0.1", "--directory", "/usr/share/common-licenses"],
                  encrypted_ports=[8000], unencrypted_ports=[8001], readiness_probe={"tcp_port": 8000, "interval_seconds": 0.05})
    id = made["id"]
    listed = tunnels(id)
    same([(t["container_port"], t["type"]) for t in listed], [(8000, "encrypted"), (8001, "unencrypted")], "tunnels")
    assert listed[0]["url"] == f"https://{listed[0]['host']}:{listed[0]['port']}", listed
    assert listed[1]["url"] == f"tcp://{listed[1]['host']}:{listed[1]['port']}", listed
    assert expect(call("GET", f"/v1/sandboxes/{id}/wait-ready?timeout_seconds=30"), 200).json()["ready"]
    page = subprocess.run(["curl", "-sS", "--http2", "--cacert", authority(), "-w", "%{http_version}", listed[0]["url"] + "/GPL-3"],
                          check=True, capture_output=True).stdout
    with open("/usr/share/common-licenses/GPL-3", "rb") as file:
        same(page, file.read() + b"1", "a page through TLS")
    assert subprocess.run(["curl", "-sS", listed[0]["url"]], capture_output=True).returncode == 60, "nobody else believes it"
    said = subprocess.run(["openssl", "s_client", "-brief", "-CAfile", authority(), "-connect", "%s:%d" % (listed[0]["host"], listed[0]["port"])],
                          input=b"", capture_output=True).stderr.decode()
    assert "Verification: OK" in said and "TLSv1.3" in said, said
    old = subprocess.run(["openssl", "s_client", "-brief", "-tls1_1", "-cipher", "ALL@SECLEVEL=0", "-connect", "%s:%d" % (listed[0]["host"], listed[0]["port"])],
                         input=b"", capture_output=True)
    assert old.returncode != 0, "TLS 1.1 was spoken"
    # Nobody listens: closed at once.
    started = time.monotonic()
    assert met((listed[1]["host"], listed[1]["port"])) == "reset"
    assert time.monotonic() - started < 5
    terminate(id)
    for tunnel in listed:
        until(lambda: refused(tunnel), "an ended sandbox's tunnel")
    expect(call("GET", f"/v1/sandboxes/{id}/tunnels"), 409)


def refused(tunnel):
    try:
        socket.create_connection((tunnel["host"], tunnel["port"]), timeout=10).close()
        return False
    except ConnectionRefusedError:
        return True


def echoed(connection, data):
    """Sends, and meanwhile receives as much, in one thread: Python's TLS connections take no more."""
    connection.setblocking(False)
    sent, seen = 0, bytearray()
    while True:
        try:
            while sent < len(data):
                sent += connection.send(data[sent:sent + 65536])
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass
        try:
            while piece := connection.recv(1 << 20):
                seen += piece
            if not piece:
                break
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass
        if len(seen) >= len(data):
            break
        select.select([connection], [connection] if sent < len(data) else [], [], 30)
    return bytes(seen)


def half_close():
    """What a client sends before it shuts its side down arrives, and the answer comes back, both ways of TLS and plain."""
    id = serving(HASH, 7000, unencrypted_ports=[7000], encrypted_ports=[7001])
    data = os.urandom(5_000_000)
    with socket.create_connection(place(id, 7000), timeout=30) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        same(received(connection), b"%d %s\n" % (len(data), hashlib.sha1(data).hexdigest().encode()), "plain")
    terminate(id)
    # Through TLS: the end is a close_notify, and what the server says after it still comes.
    id = serving(ECHO, 7001, encrypted_ports=[7001])
    host, port = place(id, 7001)
    program = subprocess.run(["openssl", "s_client", "-quiet", "-no_ign_eof", "-CAfile", authority(), "-connect", f"{host}:{port}"],
                             input=b"hello\n" * 1000, capture_output=True, timeout=60)
    assert program.stdout in (b"hello\n" * 1000, b""), program.stdout[-200:]
    with trusting().wrap_socket(socket.create_connection((host, port), timeout=30), server_hostname=host) as connection:
        connection.sendall(b"one")
        same(received(connection, 3), b"one", "echo through TLS")
        big = os.urandom(20_000_000)
        same(echoed(connection, big), big, "20 MB both ways through TLS")


def half_close_in_tls():
    """A close_notify ends one direction, and everything of the other still comes, whichever side says it first."""
    data = os.urandom(3_000_000)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        id = serving(HASH, 7000, encrypted_ports=[7000])
        client = HalfTLS(place(id, 7000), version)
        client.send(data)
        client.end()
        same(client.rest(), b"%d %s\n" % (len(data), hashlib.sha1(data).hexdigest().encode()), "the answer to a client that ended")
        id = serving(FIRST, 7000, len(data), encrypted_ports=[7000])
        client = HalfTLS(place(id, 7000), version)
        same(client.rest(), b"x" * len(data), "all of a server that ended")
        client.send(data)
        client.end()
        wanted = b"%d %s\n" % (len(data), hashlib.sha1(data).hexdigest().encode())
        until(lambda: call("GET", f"/v1/sandboxes/{id}/stdout").content.endswith(wanted), "all of the client's")


def certificates(file, is_ours):
    """The service's own certificate is its tunnels' where it covers them; otherwise the development CA vouches."""
    os.environ["CORDON_TRUSTED"] = file
    id = serving(ECHO, 7000, encrypted_ports=[7000])
    where = place(id, 7000)
    with open(file) as own:
        served = ssl.get_server_certificate(where) == own.read()
    same(served, is_ours == "ours")
    context = ssl.create_default_context(cafile=file if served else authority())
    with context.wrap_socket(socket.create_connection(where, timeout=30), server_hostname=where[0]) as connection:
        connection.sendall(b"through TLS")
        same(received(connection, 11), b"through TLS")


def many_bytes(gigabytes):
    """As much as that through one connection, to the last byte, while the other direction is quiet."""
    id = serving(HASH, 7000, unencrypted_ports=[7000])
    piece = os.urandom(1 << 20)
    count = int(float(gigabytes) * 1024)
    digest = hashlib.sha1()
    with socket.create_connection(place(id, 7000), timeout=120) as connection:
        for _ in range(count):
            connection.sendall(piece)
            digest.update(piece)
        connection.shutdown(socket.SHUT_WR)
        same(received(connection), b"%d %s\n" % (count << 20, digest.hexdigest().encode()), "bytes")


def many_connections(count):
    """That many at once through one tunnel, each with bytes of its own."""
    count = int(count)
    id = serving(ECHO, 7000, unencrypted_ports=[7000], pids_limit=4096, memory_mib={"limit": 2048})
    where = place(id, 7000)
    connections = []

    def one(number):
        connection = socket.create_connection(where, timeout=60)
        connection.sendall(b"%08d" % number)
        same(received(connection, 8), b"%08d" % number, "a connection's own bytes")
        return connection

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        connections = list(pool.map(one, range(count)))
        metrics = call("GET", "/metrics").text
        assert f"cordon_tunnel_connections_open {count}\n" in metrics, [l for l in metrics.splitlines() if "tunnel" in l]
        for again in range(3):
            def ping(item):
                item[1].sendall(b"%d-%d" % (again, item[0]))
                text = b"%d-%d" % (again, item[0])
                same(received(item[1], len(text)), text, "again")
            list(pool.map(ping, enumerate(connections)))
    for connection in connections:
        connection.close()
    until(lambda: "cordon_tunnel_connections_open 0\n" in call("GET", "/metrics").text, "all connections closed")


def endings():
    """What happens to one side the other hears: an end as an end, a reset as a reset, a death as a reset or an end."""
    id = serving(WITNESS, 7000, 10, unencrypted_ports=[7000])
    where = place(id, 7000)
    stdout = f"/v1/sandboxes/{id}/stdout"
    with socket.create_connection(where, timeout=30) as connection:
        same(received(connection, 10), b"x" * 10)
    until(lambda: call("GET", stdout).content.endswith(b"end\n"), "an end of data")
    connection = socket.create_connection(where, timeout=30)
    same(received(connection, 10), b"x" * 10)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()
    until(lambda: call("GET", stdout).content.endswith(b"error 104\n"), "a reset")
    # The sandbox ends: its clients hear of it at once.
    with socket.create_connection(where, timeout=30) as connection:
        same(received(connection, 10), b"x" * 10)
        terminate(id)
        started = time.monotonic()
        assert over(connection) in ("end", "reset")
        assert time.monotonic() - started < 5
    until(lambda: "cordon_tunnel_connections_open 0\n" in call("GET", "/metrics").text, "no connection left")


def stalled_readers():
    """A client that reads nothing holds its own server back, nobody else's, and costs no memory of the service."""
    id = serving(WITNESS, 7000, 200_000_000, unencrypted_ports=[7000], memory_mib={"limit": 4096})
    where = place(id, 7000)
    stalled = [socket.create_connection(where, timeout=30) for _ in range(8)]
    time.sleep(1)
    with socket.create_connection(where, timeout=30) as connection:
        assert len(received(connection, 200_000_000)) == 200_000_000
    pid = int(os.environ["CORDON_PID"])
    with open(f"/proc/{pid}/status") as file:
        resident = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
    assert resident < 400_000, f"{resident} KiB are resident"
    for connection in stalled:
        connection.close()


def inbound():
    id = serving(ECHO, 7000, unencrypted_ports=[7000], inbound_cidr_allowlist=["10.0.0.0/8", "2001:db8::/32"])
    assert met(place(id, 7000)) == "reset"
    id = serving(ECHO, 7000, unencrypted_ports=[7000], inbound_cidr_allowlist=["127.0.0.0/8"])
    with socket.create_connection(place(id, 7000), timeout=30) as connection:
        connection.sendall(b"in")
        same(received(connection, 2), b"in")


def refusals():
    def refuse(field, **spec):
        problem = expect(call("POST", "/v1/sandboxes", json=spec), 400).json()
        same(problem.get("field"), field, str(problem))

    refuse("encrypted_ports[0]", encrypted_ports=[0])
    refuse("h2_ports[1]", h2_ports=[1, 65536])
    refuse("unencrypted_ports[0]", unencrypted_ports=["80"])
    refuse("h2_ports", encrypted_ports=[80], h2_ports=[80])
    refuse("encrypted_ports", encrypted_ports=[80], block_network=True)
    refuse("encrypted_ports", encrypted_ports=list(range(1, 34)))
    refuse("inbound_cidr_allowlist[0]", unencrypted_ports=[80], inbound_cidr_allowlist=["10.0.0.1/8"])
    refuse("inbound_cidr_allowlist", inbound_cidr_allowlist=["10.0.0.0/8"])
    refuse("readiness_probe", readiness_probe={})
    refuse("readiness_probe", readiness_probe={"tcp_port": 1, "argv": ["true"]})
    refuse("readiness_probe.tcp_port", readiness_probe={"tcp_port": 0})
    refuse("readiness_probe.interval_seconds", readiness_probe={"tcp_port": 1, "interval_seconds": 0.001})


def h2_server():
    """An HTTP/2 server from PyPI behind an h2 tunnel, curl in front."""
    import wheels
    wheels.need("h2==4.1.0")
    import h2
    folder = os.path.dirname(os.path.dirname(h2.__file__))
    server = r"""
import socket, sys
sys.path.insert(0, "/srv/packages")
import h2.connection, h2.config, h2.events
s = socket.socket(); s.bind(("127.0.0.1", 8443)); s.listen(8)
while True:
    c, _ = s.accept()
    try:
        conn = h2.connection.H2Connection(config=h2.config.H2Configuration(client_side=False))
        conn.initiate_connection(); c.sendall(conn.data_to_send())
        while True:
            data = c.recv(65535)
            if not data: break
            for event in conn.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    body = dict(event.headers)[b":path"]
                    conn.send_headers(event.stream_id, [(":status", "200"), ("content-length", str(len(body)))])
                    conn.send_data(event.stream_id, body, end_stream=True)
            c.sendall(conn.data_to_send())
    except ConnectionError:
        pass  # Who looks whether somebody listens leaves without a word.
    c.close()
"""
    made = create(h2_ports=[8443], timeout_seconds=300, readiness_probe={"tcp_port": 8443, "interval_seconds": 0.05})
    id = made["id"]
    for package in ("h2", "hpack", "hyperframe"):
        for root, _, names in os.walk(os.path.join(folder, package)):
            for name in names:
                if name.endswith(".py"):
                    path = os.path.join(root, name)
                    with open(path, "rb") as file:
                        expect(call("PUT", f"/v1/sandboxes/{id}/files?path=/srv/packages/{os.path.relpath(path, folder)}&parents=true", data=file.read(),
                                    headers={"Content-Type": "application/octet-stream"}), 200, 201, 204)
    start(id, "python3", "-c", server)
    assert expect(call("GET", f"/v1/sandboxes/{id}/wait-ready"), 200).json()["ready"]
    url = tunnels(id)[0]["url"]
    answer = subprocess.run(["curl", "-sS", "--http2", "--cacert", authority(), "-w", " %{http_version}", url + "/one", url + "/two"],
                            check=True, capture_output=True).stdout
    same(answer, b"/one 2/two 2", "curl's two requests")


def redis():
    """Redis inside, and its own client and load generator outside. Debian's tools have the server too, under another name."""
    made = create(argv=["bash", "-c", "exec -a redis-server redis-check-rdb --port 6379 --bind 127.0.0.1 --save '' --appendonly no"],
                  unencrypted_ports=[6379], readiness_probe={"argv": ["redis-cli", "ping"], "interval_seconds": 0.1})
    assert expect(call("GET", f"/v1/sandboxes/{made['id']}/wait-ready"), 200).json()["ready"]
    host, port = place(made["id"], 6379)
    client = ["redis-cli", "-h", host, "-p", str(port)]
    same(subprocess.run(client + ["set", "key", "value"], check=True, capture_output=True).stdout, b"OK\n")
    same(subprocess.run(client + ["get", "key"], check=True, capture_output=True).stdout, b"value\n")
    said = subprocess.run(["redis-benchmark", "-h", host, "-p", str(port), "-q", "-n", "20000", "-c", "50", "-P", "4", "-t", "set,get"],
                          check=True, capture_output=True, timeout=120).stdout.decode()
    assert "SET" in said and "GET" in said and "rror" not in said, said


def sshd():
    """OpenSSH's server, from Debian, inside; its ordinary clients outside: commands, files, a forwarded port."""
    id = create(unencrypted_ports=[22], timeout_seconds=600, readiness_probe={"tcp_port": 22, "interval_seconds": 0.1})["id"]
    install = ("apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends openssh-server "
               "> /dev/null 2>&1 && mkdir -p /run/sshd && mkdir -m 700 -p /root/.ssh")
    answer = complete(id, "sh", "-c", install, timeout_seconds=240)
    same(answer["result"].get("exit_code"), 0, answer["stderr"])
    with tempfile.TemporaryDirectory() as folder:
        key, known = folder + "/key", folder + "/known"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        with open(key + ".pub", "rb") as file:
            expect(call("PUT", f"/v1/sandboxes/{id}/files?path=/root/.ssh/authorized_keys", data=file.read(),
                        headers={"Content-Type": "application/octet-stream"}), 200)
        start(id, "/usr/sbin/sshd", "-D", "-e", "-o", "ListenAddress=127.0.0.1")
        start(id, "python3", "-u", "-c", ECHO, "7000")
        assert expect(call("GET", f"/v1/sandboxes/{id}/wait-ready?timeout_seconds=30"), 200).json()["ready"]
        host, port = place(id, 22)
        # Whom it talks to, the client learns from inside.
        public = complete(id, "cat", "/etc/ssh/ssh_host_ed25519_key.pub")["stdout"].split()
        with open(known, "w") as file:
            file.write(f"[{host}]:{port} {public[0]} {public[1]}\n")
        options = ["-F", "none", "-i", key, "-o", f"UserKnownHostsFile={known}", "-o", "BatchMode=yes", "-o", "ConnectTimeout=20"]
        ssh = ["ssh", *options, "-p", str(port), f"root@{host}"]
        said = subprocess.run([*ssh, "hostname; exit 7"], capture_output=True, text=True, timeout=60)
        same((said.stdout.strip(), said.returncode), (id, 7), said.stderr)
        data = os.urandom(20_000_000)
        digest = hashlib.sha256(data).hexdigest()
        hashed = subprocess.run([*ssh, "tee /tmp/data | sha256sum"], input=data, capture_output=True, timeout=120)
        same(hashed.stdout.split()[0].decode(), digest, hashed.stderr.decode())
        copied = subprocess.run(
            ["sftp", *options, "-P", str(port), "-b", "-", f"root@{host}"], input=f"get /tmp/data {folder}/data\n".encode(),
            capture_output=True, timeout=120)
        same(copied.returncode, 0, copied.stderr.decode())
        with open(folder + "/data", "rb") as file:
            same(hashlib.sha256(file.read()).hexdigest(), digest)
        forward = subprocess.Popen(
            [*ssh[:1], "-N", "-o", "ExitOnForwardFailure=yes", "-L", f"{folder}/socket:127.0.0.1:7000", *ssh[1:]])
        until(lambda: os.path.exists(folder + "/socket"), "a forwarded port")
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(folder + "/socket")
            connection.sendall(b"forwarded")
            same(received(connection, 9), b"forwarded")
        terminate(id)
        # The sandbox's end is the connection's: nothing hangs.
        assert forward.wait(30) != 0


def names():
    """With a domain: names nobody guesses, one port, told apart by SNI."""
    first, second = serving(ECHO, 7000, encrypted_ports=[7000]), serving(HASH, 7000, encrypted_ports=[7000])
    (one, port), (two, other) = place(first, 7000), place(second, 7000)
    assert port == other and one != two and one.endswith(".tunnels.test") and len(one.split(".")[0]) >= 20, (one, two)

    def connect(name):
        return trusting().wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=30), server_hostname=name)

    with connect(one) as connection:
        connection.sendall(b"by name")
        same(received(connection, 7), b"by name")
    connect(two).close()
    for name in ("a" * 22 + ".tunnels.test", "tunnels.test", "localhost"):
        try:
            connect(name)
            raise AssertionError(f"{name} was served")
        except (ssl.SSLError, ConnectionError, OSError):
            pass
    url = tunnels(first)[0]["url"]
    assert url == f"https://{one}:{port}", url


def greeting(name):
    """The first bytes of a TLS client that asks for a name."""
    context, incoming, outgoing = trusting(), ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context.wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()


def hostile_greetings():
    """Greetings in pieces, of two minds, of nonsense, or without an end lead nowhere, cost a while at most, and nobody else."""
    service = int(os.environ["CORDON_PID"])
    id = serving(ECHO, 7000, encrypted_ports=[7000])
    name, port = place(id, 7000)
    whole = greeting(name)
    at = whole.index(name.encode())

    def records(message, size):
        pieces = [message[i:i + size] for i in range(0, len(message), size)]
        return b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece for piece in pieces)

    def renamed(text):
        return whole[:at] + text + whole[at + len(text):]

    def reset_or_end(data, wait=25):
        with socket.create_connection(("127.0.0.1", port), timeout=wait) as connection:
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                got = received(connection)
            except ConnectionError:
                got = b""
        # A handshake of the server's, type 2, would be an answer.
        return not (got[:1] == b"\x16" and got[5:6] == b"\x02")

    before = descriptors(service)
    for data in (b"", b"\0" * 5000, b"GET / HTTP/1.1\r\nHost: " + name.encode() + b"\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 70_000,
                 b"\x16\x03\x01\0\0" * 1000, whole[:-1], whole[:5], b"\x80\x2e\x01\3\1" + b"\0" * 50, records(b"\1\xff\xff\xff" + b"a" * 5000, 100),
                 renamed(b"\0"), renamed(b"."), renamed(b"*"), renamed(b"A" * 22 + b"."), renamed(name.split(".")[0][::-1].encode()),
                 b"\x15\x03\x01\0\2\2\x28" + whole, os.urandom(2000)):
        started = time.monotonic()
        assert reset_or_end(data), f"an answer to {data[:60]!r}"
        # Whoever says no more isn't waited for.
        assert time.monotonic() - started < 10, f"{data[:60]!r} held a connection"
    # In pieces it is a greeting all the same, or none; nobody else's.
    for size in (1, 7, 100):
        reset_or_end(records(whole[5:], size))
    # Names have no case.
    with trusting().wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=30), server_hostname=name.upper()) as connection:
        connection.sendall(b"loud")
        same(received(connection, 4), b"loud")
    # Those who never say all of it have 15 s, and others are served meanwhile.
    slow = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(200)]
    for number, connection in enumerate(slow):
        connection.sendall(whole[:number % (len(whole) - 1)])
    with trusting().wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=30), server_hostname=name) as connection:
        connection.sendall(b"meanwhile")
        same(received(connection, 9), b"meanwhile")
    for connection in slow:
        assert over(connection) in ("end", "reset")
        connection.close()
    until(lambda: descriptors(service) <= before + 5, f"{descriptors(service)} descriptors instead of {before}")
    until(lambda: "cordon_tunnel_connections_open 0\n" in call("GET", "/metrics").text, "all connections closed")


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def launcher():
    """The launcher's process: its keeper's child."""
    run = os.path.dirname(DATA_DIRECTORY) + "/run"
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                argv = file.read().split(b"\0")
        except OSError:
            continue
        if argv[0] == b"cordon-launcher" and b"--keep" not in argv and run.encode() in argv:
            return int(name)
    raise AssertionError("there is no launcher")


def nothing_left():
    """Connections that end in every way, at every moment, and sandboxes that end below them leave no descriptor."""
    service, keeper = int(os.environ["CORDON_PID"]), launcher()
    terminate(serving(ECHO, 7000, unencrypted_ports=[7000], encrypted_ports=[7001]))
    time.sleep(1)
    before = descriptors(service), descriptors(keeper)

    def trouble(id):
        plain, encrypted = place(id, 7000), place(id, 7001)

        def one(number):
            try:
                connection = socket.create_connection(encrypted if number % 3 == 2 else plain, timeout=30)
                if number % 2:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                if number % 5 > 1:
                    connection.sendall(os.urandom(1000 * (number % 7)))
                if number % 5 > 3:
                    time.sleep(0.01)
                connection.close()
            except OSError:
                pass

        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            list(pool.map(one, range(200)))
            # And while they still come the sandbox ends.
            rest = [pool.submit(one, number) for number in range(200)]
            terminate(id)
            for future in rest:
                future.result()

    for _ in range(3):
        trouble(serving(ECHO, 7000, unencrypted_ports=[7000], encrypted_ports=[7001]))
    until(lambda: "cordon_tunnel_connections_open 0\n" in call("GET", "/metrics").text, "all connections closed")
    # Pipes are kept for their next use, so many of them.
    until(lambda: descriptors(service) <= before[0] + 80 and descriptors(keeper) <= before[1] + 20,
          f"{descriptors(service)} and {descriptors(keeper)} descriptors instead of {before}")


# Keeps so many connections full in both directions, and ends when the last of them has ended.
PUMP = r"""
import selectors, socket, ssl, sys
host, port, count, authority = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
watch, left, data = selectors.DefaultSelector(), count, b"x" * 65536
for _ in range(count):
    s = socket.create_connection((host, port), timeout=60)
    if authority != "-": s = ssl.create_default_context(cafile=authority).wrap_socket(s, server_hostname=host)
    s.setblocking(False)
    watch.register(s, selectors.EVENT_READ | selectors.EVENT_WRITE)
print("open", flush=True)
while left:
    for key, events in watch.select():
        try:
            if events & selectors.EVENT_WRITE: key.fileobj.send(data)
            if events & selectors.EVENT_READ and key.fileobj.recv(65536) == b"": raise ConnectionResetError
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError): pass
        except OSError: watch.unregister(key.fileobj); key.fileobj.close(); left -= 1
"""


def shim(id):
    """The process of a sandbox's shim."""
    slots = os.path.dirname(DATA_DIRECTORY) + "/run/slots"
    for slot in os.listdir(slots):
        try:
            with open(f"{slots}/{slot}/owner", "rb") as owner, open(f"{slots}/{slot}/process", "rb") as process:
                if id.encode() in owner.read():
                    return int.from_bytes(process.read(4), "little")
        except FileNotFoundError:
            continue
    raise AssertionError(f"{id} has no shim")


def kills():
    """Whoever is killed in the middle of full connections, the others hear of it, and nothing is left."""
    service = int(os.environ["CORDON_PID"])
    terminate(serving(ECHO, 7000, encrypted_ports=[7000]))
    time.sleep(1)
    before = descriptors(service)

    def is_open(count):
        return f"cordon_tunnel_connections_open {count}\n" in call("GET", "/metrics").text

    def inside(id):
        return complete(id, "sh", "-c", "grep -c ':1B58 .* 01 ' /proc/net/tcp; true")["stdout"].strip()

    def through(kind, trust):
        id = create(timeout_seconds=600, **{kind: [7000]})["id"]

        def server():
            path = start(id, "python3", "-u", "-c", ECHO, "7000")
            until(lambda: b"listening" in call("GET", path + "/stdout").content, "a server inside")
            return path

        def clients():
            child = subprocess.Popen([sys.executable, "-c", PUMP, *map(str, place(id, 7000)), "40", trust], stdout=subprocess.PIPE)
            same(child.stdout.readline(), b"open\n")
            until(lambda: is_open(40), "40 connections")
            time.sleep(0.3)
            return child

        running = server()
        # The clients.
        child = clients()
        child.kill()
        child.wait()
        until(lambda: is_open(0) and inside(id) == "0", "the end of dead clients' connections")
        # The server.
        child = clients()
        expect(call("POST", running + "/signal", json={"signal": "KILL"}), 204)
        child.wait(30)
        until(lambda: is_open(0), "the end of a dead server's connections")
        # The launcher: what is open has nothing to do with it, what comes next has.
        running = server()
        child = clients()
        os.kill(launcher(), 9)
        until(lambda: complete(id, "true")["result"]["exit_code"] == 0, "a launcher")
        assert child.poll() is None and is_open(40), "connections ended with the launcher"
        context = trusting()

        def echoes():
            try:
                connection = socket.create_connection(place(id, 7000), timeout=10)
                if trust != "-":
                    connection = context.wrap_socket(connection, server_hostname=place(id, 7000)[0])
                with connection:
                    connection.sendall(b"after")
                    return received(connection, 5) == b"after"
            except OSError:
                return False
        until(echoes, "a way in under the next launcher")
        # The sandbox.
        os.kill(shim(id), 9)
        child.wait(30)
        until(lambda: is_open(0), "the end of a dead sandbox's connections")
        same(ending(f"/v1/sandboxes/{id}")["reason"], "supervisor_lost")

    through("unencrypted_ports", "-")
    through("encrypted_ports", authority())
    # Pipes are kept for their next use, so many of them.
    until(lambda: descriptors(service) <= before + 80, f"{descriptors(service)} descriptors instead of {before}")


def idle():
    """An open connection keeps a sandbox from being idle; without one it ends."""
    id = serving(ECHO, 7000, unencrypted_ports=[7000], idle_timeout_seconds=2)
    with socket.create_connection(place(id, 7000), timeout=30) as connection:
        for _ in range(8):
            time.sleep(0.5)
            connection.sendall(b"x")
            same(received(connection, 1), b"x")
        time.sleep(2.5)
        assert sandbox(id)["state"] == "running"
    same(ending(f"/v1/sandboxes/{id}")["reason"], "idle_timed_out")


def readiness():
    plain = create()
    assert expect(call("GET", f"/v1/sandboxes/{plain['id']}/wait-ready?timeout_seconds=0"), 200).json()["ready"]
    made = create(argv=["sh", "-c", "sleep 1; touch /tmp/ready; sleep 600"],
                  readiness_probe={"argv": ["test", "-e", "/tmp/ready"], "interval_seconds": 0.05, "timeout_seconds": 2})
    path = f"/v1/sandboxes/{made['id']}"
    same(expect(call("GET", path + "/wait-ready?timeout_seconds=0.1"), 200).json(), {"ready": False, "ready_at": None})
    assert "ready_at" not in sandbox(made["id"])
    answer = expect(call("GET", path + "/wait-ready?timeout_seconds=30"), 200).json()
    assert answer["ready"] and sandbox(made["id"])["ready_at"] == answer["ready_at"], answer
    kinds = [event["kind"] for event in call("GET", path + "/events").json()["events"]]
    same(kinds.count("ready"), 1, str(kinds))
    assert "exec_started" not in kinds[3:], kinds
    same([e["id"] for e in call("GET", path + "/execs").json()["execs"]], ["main"], "execs on record")
    # Over before it was ready.
    made = create(argv=["sleep", "0.5"], readiness_probe={"tcp_port": 1, "interval_seconds": 0.05})
    problem = expect(call("GET", f"/v1/sandboxes/{made['id']}/wait-ready?timeout_seconds=30"), 409).json()
    same(problem["code"], "failed_precondition", str(problem))
    # A probe that never ends is cut off and tried again.
    made = create(readiness_probe={"argv": ["sh", "-c", "test -e /tmp/second && exit 0; touch /tmp/second; sleep 600"],
                                   "interval_seconds": 0.05, "timeout_seconds": 0.5})
    assert expect(call("GET", f"/v1/sandboxes/{made['id']}/wait-ready?timeout_seconds=30"), 200).json()["ready"]


# The service is killed and started again by the test; it says so through files.


def across_restarts(control):
    """Tunnels are where they were, connections that break are resets, readiness goes on."""
    id = serving(ECHO, 7000, unencrypted_ports=[7000], encrypted_ports=[7001])
    waiting = create(argv=["sh", "-c", "while ! [ -e /tmp/go ]; do sleep 0.05; done; touch /tmp/ready; sleep 600"], timeout_seconds=600,
                     readiness_probe={"argv": ["test", "-e", "/tmp/ready"], "interval_seconds": 0.1})
    before = tunnels(id)
    where = place(id, 7000)
    served = broken = 0
    open(control + "/ready", "w").close()
    while not os.path.exists(control + "/stop"):
        try:
            with socket.create_connection(where, timeout=30) as connection:
                while not os.path.exists(control + "/stop"):
                    data = os.urandom(100_000)
                    threading.Thread(target=lambda: quietly(connection.sendall, data), daemon=True).start()
                    got = received(connection, len(data))
                    assert data.startswith(got), "a wrong byte"
                    if len(got) < len(data):
                        raise ConnectionResetError
                    served += 1
        except OSError:
            broken += 1
            time.sleep(0.01)
    for _ in range(3000):
        try:
            same(tunnels(id), before, "tunnels after restarts")
            break
        except (AssertionError, *LOST):
            time.sleep(0.02)
    with socket.create_connection(where, timeout=30) as connection:
        connection.sendall(b"last")
        same(received(connection, 4), b"last")
    complete(waiting["id"], "touch", "/tmp/go")
    assert expect(patiently("GET", f"/v1/sandboxes/{waiting['id']}/wait-ready?timeout_seconds=30"), 200).json()["ready"]
    assert served > 10 and broken > 0, (served, broken)
    print(served, broken)


def quietly(work, *arguments):
    try:
        work(*arguments)
    except OSError:
        pass


run_check({f.__name__: f for f in (
    http_server, half_close, half_close_in_tls, certificates, many_bytes, many_connections, endings, stalled_readers, inbound, refusals, h2_server, redis, sshd,
    names, nothing_left, kills, hostile_greetings, idle, readiness, across_restarts)})
