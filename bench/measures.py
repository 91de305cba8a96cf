"""What is measured. Each function adds its rows to the report; one that can't be done, or loses a byte, raises."""

import pathlib
import subprocess
import threading
import time

from service import Attachment, Refused, Service

CREATE = "Create a sandbox, over REST"
CYCLE = "A new sandbox, the first output of `echo x`, and gone"
EXEC = "`true` in a running sandbox"


def milliseconds(work):
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


def creates(report, service, count, who="Cordon", target=None, **spec):
    connection = service.connection()
    living = []

    def remove():
        connection.remove(living.pop())
        time.sleep(0.02)

    times = measured(lambda: living.append(connection.create(**spec)), count, remove)
    report.add(CREATE, who, times, target=target, tail=target and 15)


def cycles(report, service, count):
    connection = service.connection()

    def whole():
        sandbox = connection.create()
        if connection.run(sandbox, "echo", "x")["stdout"] != "x\n":
            raise Refused("the output isn't x")
        connection.remove(sandbox)

    report.add(CYCLE, "Cordon: create, exec, delete", measured(whole, count, lambda: time.sleep(0.02)), target=6)


def peers(report, others, count):
    """What the others take for the same: a new sandbox, and a command in one that runs."""
    for peer in others:
        if hasattr(peer, "prepare"):
            peer.prepare()
        few = peer.name.startswith(("docker", "runsc"))
        report.add(CYCLE, peer.name, measured(peer.run, min(count, 30) if few else count, warm=3))
    for peer in others:
        if not hasattr(peer, "execute"):
            continue
        few = peer.name.startswith(("docker", "runsc"))
        peer.start()
        try:
            report.add(EXEC, peer.exec_name, measured(peer.execute, min(count, 30) if few else count, warm=3))
        finally:
            peer.stop()


def execs(report, service, count, who="Cordon: exec, over REST", target=2):
    connection = service.connection()
    sandbox = connection.create()
    report.add(EXEC, who, measured(lambda: connection.run(sandbox, "true"), count), target=target)
    connection.remove(sandbox)


def empty_pool(report, programs, count):
    service = Service(programs, "--pool-size", "0")
    try:
        creates(report, service, count, "Cordon, its pool empty")
    finally:
        service.down()


def beside_busy(report, service, count, busy=200):
    """Create and exec while other sandboxes write a line ten times a second each."""
    connection = service.connection()
    others = []
    for _ in range(busy):
        others.append(connection.create())
        # One process each, which waits by itself.
        connection.start(others[-1], "bash", "-c",
                         "mkfifo /tmp/never; exec 3<>/tmp/never; while echo a line of some length; do read -t 0.1 -u 3; done")
    try:
        creates(report, service, count, f"Cordon, beside {busy} busy sandboxes")
        execs(report, service, count, f"Cordon, beside {busy} busy sandboxes", target=None)
    finally:
        for sandbox in others:
            connection.remove(sandbox)


def echo(report, service, count):
    """One key typed into a terminal, until it is shown."""
    connection = service.connection()
    sandbox = connection.create()
    shell = connection.start(sandbox, "cat", pty={})
    attachment = Attachment(service, sandbox, shell)

    def key():
        attachment.type(b"x")
        if attachment.next_output() != b"x":
            raise Refused("the echo isn't what was typed")

    report.add("A key's echo in a terminal, over WebSocket", "Cordon", measured(key, count), target=0.5)
    attachment.close()
    connection.remove(sandbox)


def throughput(report, service, size, rounds=5):
    measure = f"stdout of one exec, {size >> 30} GiB"
    connection = service.connection()
    sandbox = connection.create()
    writer = ["head", "-c", str(size), "/dev/zero"]

    def over_websocket():
        attachment = Attachment(service, sandbox, connection.start(sandbox, *writer), "?stdin=false")
        got = attachment.count_output()
        attachment.close()
        return got

    def over_http():
        return connection.count_stdout(sandbox, connection.start(sandbox, *writer))

    def over_pipe():
        with subprocess.Popen(writer, stdout=subprocess.PIPE, bufsize=0) as process:
            return drain(process.stdout)

    for who, way, target in (
        ("Cordon, over WebSocket", over_websocket, 1), ("Cordon, over HTTP", over_http, None), ("a pipe, no sandbox", over_pipe, None),
    ):
        rates = []
        for _ in range(rounds):
            started = time.perf_counter()
            got = way()
            rates.append(size / (time.perf_counter() - started) / 1e9)
            if got != size:
                raise Refused(f"{who}: {got} of {size} bytes")
        report.add(measure, who, rates, unit="GB/s", target=target, most=False)
    connection.remove(sandbox)


def drain(stream):
    buffer, got = memoryview(bytearray(1 << 20)), 0
    while count := stream.readinto(buffer):
        got += count
    return got


def rate(report, service, count, clients=16):
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
    if len(living) != count // clients * clients:
        raise Refused(f"{len(living)} of {count} sandboxes were made")
    report.add(f"Sandboxes created, {clients} clients at a time", "Cordon", [len(living) / seconds], unit="/s",
               target=300, most=False)
    connection = service.connection()
    started = time.perf_counter()
    for sandbox in living:
        connection.remove(sandbox)
    report.add("Sandboxes ended, one after the other", "Cordon", [len(living) / (time.perf_counter() - started)], unit="/s")


def growth(report, service, steps, hold):
    """Create and list while there are more and more sandboxes; then what they hold, how a restart finds them again,
    and how fast they go."""
    connection = service.connection()
    before = Memory(service)
    living = []

    def create():
        # They are to live through all of this.
        living.append(connection.create(timeout_seconds=hold + 3600))

    for step in steps:
        while len(living) < step:
            create()
        times = []
        for _ in range(30):
            times.append(milliseconds(create))
            time.sleep(0.02)
        report.add("Create, with others there", f"Cordon, with {step}", times)
        report.add("List 100, with others there", f"Cordon, with {step}",
                   measured(lambda: connection.call("GET", "/v1/sandboxes?limit=100"), 30))
    time.sleep(hold)
    if (running := count_running(service.connection())) != len(living):
        raise Refused(f"{running} of {len(living)} sandboxes run after {hold} s")
    report.add(f"Memory of an idle sandbox, of {len(living)}", f"Cordon, all in, after {hold} s", [Memory(service).beside(before) / len(living)],
               unit="MiB", target=3)
    service.kill()
    started = time.perf_counter()
    service.start()
    report.add(f"Service ready again, with {len(living)} sandboxes", "Cordon", [time.perf_counter() - started], unit="s",
               target=1)
    if (running := count_running(service.connection())) != len(living):
        raise Refused(f"{running} of {len(living)} sandboxes run after the restart")
    started = time.perf_counter()
    end_all(service, living)
    slots_gone(service)
    report.add(f"{len(living)} sandboxes ended, 16 at a time", "Cordon", [time.perf_counter() - started], unit="s",
               target=10)
    nothing_left(service)


def count_running(connection):
    running, cursor = 0, ""
    while cursor is not None:
        page = connection.call("GET", "/v1/sandboxes?state=running&limit=1000" + (f"&cursor={cursor}" if cursor else ""))
        running += len(page["sandboxes"])
        cursor = page.get("next_cursor")
    return running


def slots_gone(service):
    """Returns once control groups and records of those that have ended are removed."""
    slots = pathlib.Path(service.directory, "run", "slots")
    deadline = time.monotonic() + 10
    # But for the pool's own.
    while (left := len(list(slots.iterdir()))) > 16:
        if time.monotonic() > deadline:
            raise Refused(f"{left} slots are left")
        time.sleep(0.05)


def nothing_left(service):
    """Raises unless, but for the pool's own, everything that sandboxes consist of is gone."""
    slots_gone(service)
    deadline = time.monotonic() + 10
    trash = pathlib.Path(service.directory, "data", "storage", "trash")
    while any(trash.iterdir()):
        if time.monotonic() > deadline + 60:
            raise Refused(f"what sandboxes wrote is left in {trash}")
        time.sleep(0.1)


def end_all(service, sandboxes, clients=16):
    def client(part):
        connection = service.connection()
        for sandbox in part:
            connection.remove(sandbox)

    threads = [threading.Thread(target=client, args=(sandboxes[number::clients],)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Memory:
    """What a service takes, with everything that it started: proportional shares of its processes' memory, and the
    kernel's own."""

    KERNEL = ("Slab", "KernelStack", "PageTables", "Percpu")

    def __init__(self, service):
        fields = dict(line.split(":") for line in pathlib.Path("/proc/meminfo").read_text().splitlines())
        self.kernel = sum(int(fields[name].split()[0]) for name in self.KERNEL)
        self.processes = sum(self.share(pid) for pid in family(service))

    @staticmethod
    def share(pid):
        try:
            text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            return 0
        return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), 0)

    def beside(self, other):
        """MiB more than `other`."""
        return (self.kernel - other.kernel + self.processes - other.processes) / 1024


def family(service):
    """The processes of an instance: the service, its launcher, and all below that."""
    parents, named = {}, {service.process.pid}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            status = (entry / "stat").read_text()
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        parents[int(entry.name)] = int(status.rsplit(")", 1)[1].split()[1])
        if service.directory.encode() in command:
            named.add(int(entry.name))
    found = set(named)
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found
