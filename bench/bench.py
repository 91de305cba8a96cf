"""Measures Cordon and, in the same run, what it is compared with. Needs root; see `make bench`.

usage: bench.py [directory of the built programs]
"""

import ctypes
import http.client
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

PROGRAMS = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".build/release").resolve()
ENVIRONMENT = {"PATH": os.environ["PATH"]}


def milliseconds(work):
    """Calls `work` and says how long it took."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def measured(work, count, between=lambda: time.sleep(0.01), warm=10):
    """The times of `count` calls. Calls are isolated: `between` runs between them, untimed."""
    times = []
    for number in range(warm + count):
        taken = milliseconds(work)
        if number >= warm:
            times.append(taken)
        between()
    return times


class Table:
    """Rows of one measure, printed beside Cordon's."""

    def __init__(self, title):
        self.own = None
        print(f"\n{title}\n  {'':38}{'median':>10}{'p99':>10}{'':>4}beside Cordon's", flush=True)

    def row(self, name, times):
        median = statistics.median(times)
        p99 = sorted(times)[min(len(times) - 1, int(len(times) * 0.99))]
        if self.own is None:
            self.own = median
            ratio = ""
        else:
            ratio = f"{median / self.own:.1f} x"
        print(f"  {name:38}{median:7.2f} ms{p99:7.2f} ms{'':>4}{ratio}", flush=True)


class Service:
    """A service of the benchmark's own, with directories and a port of its own."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="cordon-bench-", dir="/tmp")
        os.chmod(self.directory, 0o711)
        self.places = ["--data-dir", f"{self.directory}/data", "--run-dir", f"{self.directory}/run"]
        self.process = subprocess.Popen(
            [PROGRAMS / "cordond", *self.places, "--listen", "127.0.0.1:0", "--log-level", "error"])
        for _ in range(1200):
            try:
                credentials = json.loads(pathlib.Path(f"{self.directory}/data/credentials.json").read_text())
                self.host = credentials["url"].removeprefix("http://")
                self.token = f"{credentials['token_id']}.{credentials['token_secret']}"
                self.connection().call("GET", "/readyz")
                return
            except (OSError, ValueError):
                time.sleep(0.05)
        raise SystemExit("cordond did not become ready")

    def connection(self):
        return Connection(self)

    def down(self):
        subprocess.run([PROGRAMS / "cordond", "down", *self.places], check=True)
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.directory)


class Connection:
    """One kept-alive connection to the REST API."""

    def __init__(self, service):
        self.http = http.client.HTTPConnection(service.host)
        self.headers = {"Authorization": f"Bearer {service.token}", "Content-Type": "application/json"}

    def call(self, method, path, body=None):
        self.http.request(method, path, body=None if body is None else json.dumps(body), headers=self.headers)
        response = self.http.getresponse()
        content = response.read()
        if response.status >= 300:
            raise SystemExit(f"{method} {path}: {response.status} {content.decode()}")
        return json.loads(content) if content[:1] == b"{" else content

    def create(self):
        return self.call("POST", "/v1/sandboxes", {})["id"]

    def run(self, sandbox, *argv):
        answer = self.call("POST", f"/v1/sandboxes/{sandbox}/execs", {"argv": argv, "wait": True})
        if answer["result"].get("exit_code") != 0:
            raise SystemExit(f"{argv} in {sandbox}: {answer}")
        return answer

    def remove(self, sandbox):
        self.call("DELETE", f"/v1/sandboxes/{sandbox}")


# Peers


def program(*argv):
    """Runs a program to its end, as cheaply as Python can."""
    silence = [(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0), (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0)]
    pid = os.posix_spawnp(argv[0], argv, ENVIRONMENT, file_actions=silence)
    if os.waitpid(pid, 0)[1] != 0:
        raise SystemExit(f"failed: {' '.join(argv)}")


BUBBLEWRAP = [
    "bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin",
    "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev",
]


class Runtime:
    """An OCI runtime (crun, runc) with a bundle over the host's /usr."""

    def __init__(self, name, directory):
        self.name = name
        self.bundle = pathlib.Path(directory) / name
        root = self.bundle / "rootfs"
        for part in ("usr", "proc", "dev", "sys", "tmp"):
            (root / part).mkdir(parents=True)
        for part in ("bin", "lib", "lib64"):
            (root / part).symlink_to(f"usr/{part}")
        self.count = 0

    def configure(self, *argv):
        (self.bundle / "config.json").unlink(missing_ok=True)
        subprocess.run([self.name, "spec"], cwd=self.bundle, check=True)
        config = json.loads((self.bundle / "config.json").read_text())
        config["process"]["terminal"] = False
        config["process"]["args"] = argv
        config["mounts"].append(
            {"destination": "/usr", "type": "bind", "source": "/usr", "options": ["rbind", "ro"]})
        (self.bundle / "config.json").write_text(json.dumps(config))

    def run(self):
        self.count += 1
        program(self.name, "run", "--bundle", str(self.bundle), f"bench-{os.getpid()}-{self.count}")

    def exec_times(self, count):
        self.configure("sleep", "600")
        container = f"bench-{os.getpid()}-exec"
        program(self.name, "run", "--detach", "--bundle", str(self.bundle), container)
        try:
            return measured(lambda: program(self.name, "exec", container, "true"), count)
        finally:
            program(self.name, "delete", "--force", container)


# Measures


def starts(service, runtimes, count):
    connection = service.connection()
    living = []

    def remove():
        connection.remove(living.pop())
        time.sleep(0.02)

    table = Table("A new sandbox")
    table.row("Cordon: create, over REST", measured(lambda: living.append(connection.create()), count, remove))

    def whole():
        sandbox = connection.create()
        connection.run(sandbox, "echo", "x")
        connection.remove(sandbox)

    table = Table("A new sandbox, the output of `echo x` from it, and its end")
    table.row("Cordon: create, exec, delete, over REST", measured(whole, count, lambda: time.sleep(0.02)))
    table.row("bwrap --unshare-all", measured(lambda: program(*BUBBLEWRAP, "echo", "x"), count))
    for runtime in runtimes:
        runtime.configure("echo", "x")
        table.row(f"{runtime.name} run", measured(runtime.run, count))
    table.row("no sandbox at all (the harness's floor)", measured(lambda: program("echo", "x"), count))


def execs(service, runtimes, count):
    connection = service.connection()
    sandbox = connection.create()
    table = Table("`true` in a running sandbox")
    table.row("Cordon: exec, over REST", measured(lambda: connection.run(sandbox, "true"), count))
    for runtime in runtimes:
        table.row(f"{runtime.name} exec", runtime.exec_times(count))
    connection.remove(sandbox)


def rate(service, count, clients=16):
    living = []

    def client():
        connection = service.connection()
        for _ in range(count // clients):
            living.append(connection.create())

    threads = [threading.Thread(target=client) for _ in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    print(f"\nCreates, {clients} clients at a time\n  {len(living)} sandboxes in {seconds:.2f} s: {len(living) / seconds:.0f} per second")
    connection = service.connection()
    started = time.perf_counter()
    for sandbox in living:
        connection.remove(sandbox)
    seconds = time.perf_counter() - started
    print(f"  ended one after the other: {len(living) / seconds:.0f} per second", flush=True)


def available():
    os.sync()
    time.sleep(2)
    lines = pathlib.Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))


def memory(service, count):
    connection = service.connection()
    before = available()
    living = [connection.create() for _ in range(count)]
    after = available()
    print(f"\nIdle sandboxes\n  {count} of them take {(before - after) / count / 1024:.2f} MiB each (MemAvailable, kernel and service included)")
    for sandbox in living:
        connection.remove(sandbox)


def throughput(service, size=1 << 30, rounds=5):
    connection = service.connection()
    sandbox = connection.create()
    rates = []
    for _ in range(rounds):
        started = time.perf_counter()
        identity = connection.call("POST", f"/v1/sandboxes/{sandbox}/execs", {"argv": ["head", "-c", str(size), "/dev/zero"]})["id"]
        connection.http.request(
            "GET", f"/v1/sandboxes/{sandbox}/execs/{identity}/stdout?offset=0&follow=true", headers=connection.headers)
        response = connection.http.getresponse()
        got = drain(response)
        if got != size:
            raise SystemExit(f"{got} of {size} bytes of stdout")
        rates.append(size / (time.perf_counter() - started) / 1e9)
    connection.remove(sandbox)
    pipes = []
    for _ in range(rounds):
        started = time.perf_counter()
        with subprocess.Popen(["head", "-c", str(size), "/dev/zero"], stdout=subprocess.PIPE, bufsize=0) as process:
            drain(process.stdout)
        pipes.append(size / (time.perf_counter() - started) / 1e9)
    own, pipe = statistics.median(rates), statistics.median(pipes)
    print(f"\nstdout of one exec, 1 GiB\n  Cordon, over HTTP   {own:.2f} GB/s\n  a pipe, no sandbox  {pipe:.2f} GB/s ({pipe / own:.1f} x)", flush=True)


def drain(stream):
    buffer, got = memoryview(bytearray(1 << 20)), 0
    while count := stream.readinto(buffer):
        got += count
    return got


def hide_unified_tree():
    """crun refuses a host with v1 controllers and a v2 tree beside them, unless it doesn't see the latter: this process
    goes on, and starts the peers, in a mount namespace without it. Containers then have v1 groups, like runc's."""
    unified = "/sys/fs/cgroup/unified"
    if not os.path.ismount(unified):
        return
    new_mount_namespace, private, recursive = 0x20000, 1 << 18, 1 << 14
    libc = ctypes.CDLL(None, use_errno=True)
    for result in (
        libc.unshare(new_mount_namespace),
        libc.mount(b"none", b"/", None, private | recursive, None),
        libc.umount2(unified.encode(), 0),
    ):
        if result != 0:
            raise OSError(ctypes.get_errno(), "a mount namespace for the peers")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    service = Service()
    peers = tempfile.mkdtemp(prefix="cordon-bench-peers-", dir="/tmp")
    try:
        hide_unified_tree()
        runtimes = [Runtime(name, peers) for name in ("crun", "runc")]
        print(f"{os.cpu_count()} cores, Linux {os.uname().release}; load {os.getloadavg()[0]:.2f} at the start")
        starts(service, runtimes, 200)
        execs(service, runtimes, 200)
        rate(service, 320)
        memory(service, 200)
        throughput(service)
    finally:
        service.down()
        shutil.rmtree(peers)


main()
