"""A small internet of network namespaces, and a service of its own in the middle of it.

The program runs in a network namespace of its own (`unshare --net`), which is the host of this world.
Behind it is one more namespace that is the rest: it has everybody else's addresses.

    sandboxes - router - host (198.51.100.2) - 198.51.100.1 = 203.0.113.10, 10.9.0.5, 169.254.169.254, ...
"""

import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

PRODUCTS = os.environ["NETLAB_PRODUCTS"]

HOST4, HOST6 = "198.51.100.2", "2001:db8:1::2"
# A second address of the host's, public too.
HOST_OTHER = "198.51.100.77"
SITE, SITE_B, SITE6 = "203.0.113.10", "203.0.113.11", "2001:db8:2::10"
PRIVATE, PRIVATE_B, PRIVATE6 = "10.9.0.5", "192.168.7.7", "fd12:3456::5"
METADATA, METADATA6 = "169.254.169.254", "fd00:ec2::254"
ELSEWHERE = [SITE, SITE_B, PRIVATE, PRIVATE_B, METADATA, "100.100.100.200", "168.63.129.16", "100.70.0.9", "8.8.8.8"]
ELSEWHERE6 = [SITE6, "2001:db8:2::11", PRIVATE6, METADATA6, "64:ff9b::cb00:710a", "2002:cb00:710a::1"]

SERVER = r"""
import selectors, socket, sys
ports = [int(p) for p in sys.argv[1].split(",")]
watch = selectors.DefaultSelector()
for family, any_address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
    for port in ports:
        tcp = socket.socket(family, socket.SOCK_STREAM)
        udp = socket.socket(family, socket.SOCK_DGRAM)
        for s in (tcp, udp):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            s.bind((any_address, port))
        if family == socket.AF_INET:
            udp.setsockopt(socket.IPPROTO_IP, 8, 1)
        else:
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        tcp.listen(512)
        watch.register(tcp, selectors.EVENT_READ, "accept")
        watch.register(udp, selectors.EVENT_READ, "datagram")
print("ready", flush=True)
while True:
    for key, _ in watch.select():
        s = key.fileobj
        try:
            if key.data == "accept":
                c, peer = s.accept()
                c.sendall(("hello " + peer[0] + "\n").encode())
                watch.register(c, selectors.EVENT_READ, "echo")
            elif key.data == "datagram":
                data, ancillary, _, peer = s.recvmsg(2048, 256)
                # Answered from the address that was asked.
                s.sendmsg([("hello " + peer[0] + " ").encode() + data], ancillary, 0, peer)
            else:
                data = s.recv(4096)
                if data: s.sendall(data)
                else: watch.unregister(s); s.close()
        except OSError:
            try: watch.unregister(s)
            except Exception: pass
            s.close()
"""

# Run inside of a sandbox: tries what stdin lists, and says what came of it.
PROBE = r"""
import json, os, socket, sys, threading
def attempt(kind, address, port, timeout):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        if kind == "tcp":
            s = socket.socket(family, socket.SOCK_STREAM)
            s.settimeout(timeout)
            s.connect((address, port))
            return s.recv(100).decode().strip()
        if kind == "udp":
            s = socket.socket(family, socket.SOCK_DGRAM)
            s.settimeout(timeout)
            s.connect((address, port))
            s.send(b"x")
            return s.recv(100).decode()
        if kind == "ping":
            s = socket.socket(family, socket.SOCK_DGRAM, 58 if family == socket.AF_INET6 else 1)
            s.settimeout(timeout)
            s.connect((address, 0))
            s.send((b"\x80" if family == socket.AF_INET6 else b"\x08") + b"\0\0\0\0\0\0\1abcdefgh")
            return "hello" if s.recv(100) else ""
        if kind == "raw":
            return str(socket.socket(family, socket.SOCK_RAW, 1))
        if kind == "packet":
            return str(socket.socket(17, socket.SOCK_RAW, 0x300))
        if kind == "name":
            return str(socket.getaddrinfo(address, port))
    except socket.timeout:
        return "timeout"
    except OSError as error:
        return os.strerror(error.errno) if error.errno else str(error)
jobs = json.load(sys.stdin)
results = [None] * len(jobs)
def work(n): results[n] = attempt(*jobs[n])
threads = [threading.Thread(target=work, args=(n,)) for n in range(len(jobs))]
for t in threads: t.start()
for t in threads: t.join()
print(json.dumps(results))
"""


def sh(*argv, **arguments):
    done = subprocess.run(argv, capture_output=True, text=True, **arguments)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr}"
    return done.stdout


def sysctl(name, value=None):
    path = "/proc/sys/" + name
    if value is not None:
        with open(path, "w") as file:
            file.write(value)
    with open(path) as file:
        return file.read().strip()


class Node:
    """A network namespace, held by a process."""

    def __init__(self):
        self.keeper = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        atexit.register(self.keeper.kill)
        mine = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{self.keeper.pid}/ns/net") == mine:
            time.sleep(0.01)

    def run(self, *argv, **arguments):
        return sh("nsenter", "-t", str(self.keeper.pid), "-n", *argv, **arguments)

    def serve(self, *ports):
        server = subprocess.Popen(
            ["nsenter", "-t", str(self.keeper.pid), "-n", sys.executable, "-c", SERVER, ",".join(map(str, ports))],
            stdout=subprocess.PIPE)
        atexit.register(server.kill)
        assert server.stdout.readline() == b"ready\n"


def build(v6=True, ports=(80, 443, 53, 7777)):
    """The host and the rest of the world."""
    # What instances of the real host share is none of ours: interfaces here only have the same names.
    os.makedirs("/run/cordon/networks", exist_ok=True)
    sh("mount", "-t", "tmpfs", "networks", "/run/cordon/networks")
    sysctl("net/ipv6/conf/default/accept_dad", "0")
    sh("ip", "link", "set", "lo", "up")
    rest = Node()
    sh("ip", "link", "add", "wan0", "type", "veth", "peer", "name", "lan0", "netns", str(rest.keeper.pid))
    sh("ip", "addr", "add", HOST4 + "/24", "dev", "wan0")
    sh("ip", "addr", "add", HOST_OTHER + "/32", "dev", "wan0")
    sh("ip", "link", "set", "wan0", "up")
    rest.run("ip", "link", "set", "lo", "up")
    rest.run("ip", "addr", "add", "198.51.100.1/24", "dev", "lan0")
    rest.run("ip", "link", "set", "lan0", "up")
    for address in ELSEWHERE:
        rest.run("ip", "addr", "add", address + "/32", "dev", "lo")
    sh("ip", "route", "add", "default", "via", "198.51.100.1")
    if v6:
        sh("ip", "addr", "add", HOST6 + "/64", "dev", "wan0", "nodad")
        rest.run("ip", "addr", "add", "2001:db8:1::1/64", "dev", "lan0", "nodad")
        for address in ELSEWHERE6:
            rest.run("ip", "addr", "add", address + "/128", "dev", "lo", "nodad")
        sh("ip", "route", "add", "default", "via", "2001:db8:1::1")
    rest.serve(*ports)
    host = subprocess.Popen([sys.executable, "-c", SERVER, "7777"], stdout=subprocess.PIPE)
    atexit.register(host.kill)
    assert host.stdout.readline() == b"ready\n"
    return rest


class Service:
    """A service, run by `through`: a program with arguments that executes what follows."""

    def __init__(self, *options, through=()):
        self.through = through
        self.directory = tempfile.mkdtemp(prefix="cordon-net-", dir="/tmp")
        os.chmod(self.directory, 0o711)
        self.options = options
        self.process = None
        atexit.register(self.down)
        self.start()

    @property
    def where(self):
        return ["--data-dir", self.directory + "/data", "--run-dir", self.directory + "/run"]

    def start(self):
        log = open(self.directory + "/log", "ab")
        self.process = subprocess.Popen(
            [*self.through, PRODUCTS + "/cordond", *self.where, "--listen", "127.0.0.1:0", *self.options], stdout=log, stderr=log,
            stdin=subprocess.DEVNULL)
        for _ in range(3000):
            try:
                with open(self.directory + "/data/credentials.json") as file:
                    credentials = json.load(file)
                self.url = credentials["url"]
                self.token = credentials["token_id"] + "." + credentials["token_secret"]
                if self.call("GET", "/readyz")[0] == 200:
                    return
            except (OSError, ValueError, urllib.error.URLError):
                pass
            assert self.process.poll() is None, self.log
            time.sleep(0.02)
        raise AssertionError("no service: " + self.log)

    @property
    def log(self):
        texts = []
        for path in (self.directory + "/log", self.directory + "/run/launcher.log"):
            try:
                with open(path, errors="replace") as file:
                    texts.append(file.read())
            except OSError:
                pass
        return "".join(texts)[-4000:]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def launcher(self):
        """The launcher's process, not its keeper's."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    argv = file.read().split(b"\0")
            except OSError:
                continue
            if argv[0] == b"cordon-launcher" and b"--keep" not in argv and (self.directory + "/run").encode() in argv:
                return int(pid)
        return None

    def router(self):
        """The router's namespace, as `nsenter` takes it."""
        pid = self.launcher()
        for fd in os.listdir(f"/proc/{pid}/fd"):
            path = f"/proc/{pid}/fd/{fd}"
            try:
                if os.readlink(path).startswith("net:") and "uplink" in sh("nsenter", "--net=" + path, "ip", "-o", "link"):
                    return "--net=" + path
            except (OSError, AssertionError):
                continue
        raise AssertionError("no router")

    def denied(self, rule):
        """How many packets the floor has refused by a rule."""
        chain = sh("nsenter", self.router(), "nft", "list", "chain", "inet", "floor", "deny-" + rule)
        return int(chain.split("counter packets ")[1].split()[0])

    def process_in(self, id):
        """The host's number of a process in a sandbox."""
        word = f"{time.monotonic_ns() % 10**9 + 10**9}"
        self.start_exec(id, "sleep", word)
        while True:
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    with open(f"/proc/{pid}/cmdline", "rb") as file:
                        if file.read() == b"sleep\0" + word.encode() + b"\0":
                            return pid
                except OSError:
                    continue
            time.sleep(0.02)

    def kill_launcher(self):
        pid = self.launcher()
        os.kill(pid, signal.SIGKILL)
        while self.launcher() in (pid, None):
            time.sleep(0.01)

    def down(self):
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        self.process = None
        subprocess.run([PRODUCTS + "/cordond", "down", *self.where], timeout=120, check=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    # Requests

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        request.add_header("Authorization", "Bearer " + self.token)
        if data is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text[:1] in (b"{", b"[") else text
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"{}")

    def expect(self, status, method, path, body=None):
        got, answer = self.call(method, path, body)
        assert got == status, f"{method} {path} {body}: {got} {answer}\n{self.log}"
        return answer

    def create(self, **spec):
        return self.expect(201, "POST", "/v1/sandboxes", spec)["id"]

    def terminate(self, id):
        self.expect(200, "DELETE", f"/v1/sandboxes/{id}")

    def network(self, id, **policy):
        return self.expect(200, "PUT", f"/v1/sandboxes/{id}/network", policy)

    def run(self, id, *argv, stdin=None, **spec):
        body = {"argv": list(argv), "wait": True, **spec}
        if stdin is not None:
            body["stdin"] = stdin
        return self.expect(200, "POST", f"/v1/sandboxes/{id}/execs", body)

    def start_exec(self, id, *argv, **spec):
        return self.expect(201, "POST", f"/v1/sandboxes/{id}/execs", {"argv": list(argv), **spec})["id"]

    def try_all(self, id, attempts, timeout=3):
        """What comes of attempts (kind, address[, port]) from inside, all at once."""
        jobs = [[kind, address, *(port or [0]), timeout] for kind, address, *port in attempts]
        answer = self.run(id, "python3", "-c", PROBE, stdin=json.dumps(jobs))
        assert answer["result"].get("exit_code") == 0, answer
        return json.loads(answer["stdout"])

    def reaches(self, id, *attempts):
        for attempt, result in zip(attempts, self.try_all(id, attempts)):
            assert result.startswith("hello"), f"{attempt} is not reached: {result}\n{self.log}"

    def never_reaches(self, id, *attempts, timeout=3):
        """Nothing gets through, and nobody waits to learn of it unless `quiet`."""
        for attempt, result in zip(attempts, self.try_all(id, attempts, timeout)):
            assert not result.startswith("hello"), f"{attempt} is reached: {result}"

    def refused(self, id, *attempts):
        """Nothing gets through, and whoever tries is told at once."""
        for attempt, result in zip(attempts, self.try_all(id, attempts, timeout=5)):
            assert not result.startswith("hello"), f"{attempt} is reached: {result}"
            assert result != "timeout", f"{attempt}: nobody is told"

    def events(self, id, kind):
        return [e for e in self.expect(200, "GET", f"/v1/sandboxes/{id}/events")["events"] if e["kind"] == kind]

    def denial(self, id, *words):
        """Waits for an event that tells of a denial in these words."""
        for _ in range(100):
            for event in self.events(id, "network_denied"):
                if all(word in event["detail"] for word in words):
                    return event
            time.sleep(0.05)
        raise AssertionError(f"no denial of {words}: {self.events(id, 'network_denied')}")


def run_check(checks):
    name, *arguments = sys.argv[1:]
    checks[name](*arguments)
