"""A mixed workload that goes on while parts of the service are killed, and compares every byte and every ending.

`workload CONTROL SEED` runs until CONTROL/stop appears. It offers sandboxes to kill the shim or the init of as
files in CONTROL/shim and CONTROL/init, named by the sandbox; who kills one moves its file to CONTROL/killed first.
"""

import datetime
import os
import random
import threading
import traceback
import uuid

from cordon_rest import *

PRINTER = """
import os, sys, time
n = 0
while not os.path.exists('/tmp/stop'):
    os.write(1, b'%08d\\n' % n)
    if n % 10 == 0: os.write(2, b'stderr %08d\\n' % n)
    n += 1
    time.sleep(0.004)
os.write(1, b'end of %08d\\n' % n)
sys.exit(7)
"""
OCTETS = {"Content-Type": "application/octet-stream"}


def printed(length):
    """What a printer writes before its end, at least `length` bytes."""
    return b"".join(b"%08d\n" % n for n in range(length // 9 + 1))


class Workload:
    def __init__(self, control, seed):
        self.control, self.seed = control, int(seed)
        self.stopping, self.abandoned = threading.Event(), threading.Event()
        self.failures, self.counts = [], {}
        self.lock = threading.Lock()

    def count(self, what, by=1):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + by

    def going_on(self):
        return not (self.stopping.is_set() or self.failures)

    def create(self, **spec):
        """Creates under a key, and asks again: the same sandbox is told."""
        key = {"Idempotency-Key": str(uuid.uuid4())}
        made = expect(patiently("POST", "/v1/sandboxes", json=spec, headers=key), 201).json()["id"]
        again = expect(patiently("POST", "/v1/sandboxes", json=spec, headers=key), 201).json()["id"]
        same(again, made, "the sandbox of a repeated request")
        self.count("creates")
        return made

    def start(self, id, *argv, **spec):
        spec = {"argv": list(argv), "exec_id": "e-" + uuid.uuid4().hex, **spec}
        expect(patiently("POST", f"/v1/sandboxes/{id}/execs", json=spec), 201)
        self.count("execs")
        return f"/v1/sandboxes/{id}/execs/{spec['exec_id']}"

    def complete(self, id, *argv, **spec):
        spec = {"argv": list(argv), "exec_id": "w-" + uuid.uuid4().hex, "wait": True, **spec}
        self.count("execs")
        return expect(patiently("POST", f"/v1/sandboxes/{id}/execs", json=spec), 200).json()

    def terminate(self, id, reason="terminated"):
        same(expect(patiently("DELETE", f"/v1/sandboxes/{id}"), 200).json()["result"]["reason"], reason, f"the ending of {id}")

    # What runs at the same time, each on a thread of its own.

    def printer(self, chance):
        """Numbered lines, followed from the first to the last, and all of them read again at the end."""
        id = self.create(timeout_seconds=1800)
        exec = self.start(id, "python3", "-u", "-c", PRINTER)
        stopper = threading.Thread(target=lambda: (self.stopping.wait(), self.complete(id, "touch", "/tmp/stop")), daemon=True)
        stopper.start()
        got = bytearray()
        for piece in follow(exec, patient=True):
            got += piece
            if chance.random() < 0.002:
                time.sleep(chance.random() * 3)
        lines = bytes(got).splitlines(keepends=True)
        same(lines[-1], b"end of %08d\n" % (len(lines) - 1), "the last line")
        wanted = b"".join(b"%08d\n" % n for n in range(len(lines) - 1)) + lines[-1]
        same(bytes(got), wanted, "a printer's lines as they were followed")
        same(whole(exec, patient=True), wanted, "a printer's lines at the end")
        errors = b"".join(b"stderr %08d\n" % n for n in range(0, len(lines) - 1, 10))
        same(whole(exec, "stderr", patient=True), errors, "a printer's stderr")
        result = ending(exec)
        same((result["reason"], result["exit_code"]), ("exited", 7), "a printer's ending")
        self.count("bytes compared", 2 * len(wanted) + len(errors))
        self.terminate(id)

    def echo(self, chance):
        """Random pieces into `cat` by offset, each repeated until it was accepted; the same comes back."""
        id = self.create(timeout_seconds=1800)
        exec = self.start(id, "cat")
        written, got = bytearray(), bytearray()

        def read():
            try:
                for piece in follow(exec, patient=True):
                    got.extend(piece)
            except BaseException:
                self.failures.append(traceback.format_exc())

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        while self.going_on():
            piece = chance.randbytes(chance.randrange(1, 40_000))
            offset, accepted = len(written), 0
            written += piece
            while accepted < len(written):
                answer = expect(patiently("POST", f"{exec}/stdin?offset={offset}", data=piece, headers=OCTETS), 200).json()
                accepted = answer["accepted"]
                assert offset <= accepted <= len(written) and not answer["closed"], answer
            time.sleep(chance.random() * 0.05)
        expect(patiently("POST", f"{exec}/stdin?offset={len(written)}&eof=true"), 200)
        reader.join()
        same(bytes(got), bytes(written), "what cat gave back")
        same(ending(exec)["exit_code"], 0, "cat's ending")
        self.count("bytes compared", len(written))
        self.terminate(id)

    def churn(self, chance):
        """Create, exec, look, terminate; every request answers as if nothing had been killed."""
        while self.going_on():
            name = f"churn-{chance.getrandbits(48):x}"
            id = self.create(name=name, tags={"churn": name})
            word = f"{chance.getrandbits(64):x}"
            done = self.complete(id, "sh", "-c", f"echo {word} >> /tmp/runs; cat /tmp/runs; exit {chance.randrange(5)}")
            same(done["stdout"], word + "\n", "a command that was asked for once or more")
            exec = self.start(id, "sh", "-c", "sleep 0.3; echo done; echo more; exit 9")
            same(whole(exec, patient=True), b"done\nmore\n", "a command's output")
            same(ending(exec)["exit_code"], 9)
            same(expect(patiently("GET", f"/v1/apps/default/sandboxes/{name}"), 200).json()["id"], id, "who has the name")
            kinds = [e["kind"] for e in expect(patiently("GET", f"/v1/sandboxes/{id}/events"), 200).json()["events"]]
            same([k for k in kinds if k != "readopted"],
                 ["created", "started", "exec_started", "exec_ended", "exec_started", "exec_ended"], "events")
            self.terminate(id)
            expect(patiently("GET", f"/v1/apps/default/sandboxes/{name}"), 404)
            same(expect(patiently("GET", exec + "/stdout"), 200).content, b"done\nmore\n", "output after the end")

    def once(self, chance):
        """Creates without a key, asked for once: either there is a sandbox that works, or nothing."""
        while self.going_on():
            name = f"once-{chance.getrandbits(48):x}"
            try:
                answered = call("POST", "/v1/sandboxes", json={"name": name}, timeout=60).status_code
            except LOST:
                session().close()
                answered = None
            assert answered in (201, 503, None), answered
            found = expect(patiently("GET", f"/v1/apps/default/sandboxes/{name}"), 200, 404)
            self.count(f"creates answered {answered}, found {found.status_code}")
            if found.status_code == 200:
                same(self.complete(found.json()["id"], "echo", "works")["stdout"], "works\n")
                self.terminate(found.json()["id"])
            else:
                assert answered != 201, f"{name} was answered and is not there"

    def deadlines(self, chance):
        """Lifetimes and exec timeouts fire whoever is dead at that time."""
        while self.going_on():
            id = self.create(timeout_seconds=chance.uniform(1.5, 3))
            try:
                exec = self.start(id, "sleep", "1000", timeout_seconds=0.5)
            except AssertionError as error:
                # Its lifetime was over before the exec could be started.
                assert "failed_precondition" in str(error) or "409" in str(error), error
                exec = None
            if exec:
                assert ending(exec)["reason"] in ("timed_out", "terminated"), ending(exec)
            same(ending(f"/v1/sandboxes/{id}")["reason"], "timed_out", "a lifetime")
            told = expect(patiently("GET", f"/v1/sandboxes/{id}"), 200).json()
            late = seconds(told["result"]["at"]) - seconds(told["deadline"])
            assert -0.01 <= late < 5, f"the deadline fired {late} s late"
            self.count("deadlines")

    def victim(self, chance, part):
        """Is killed, ends as supervisor_lost, and what it printed until then is there."""
        while self.going_on():
            id = self.create(tags={"victim": part}, timeout_seconds=1800)
            exec = self.start(id, "python3", "-u", "-c", PRINTER)
            offered, killed = f"{self.control}/{part}/{id}", f"{self.control}/killed/{id}"
            open(offered, "w").close()
            while self.going_on() and not os.path.exists(killed):
                time.sleep(0.02)
            try:
                os.remove(offered)
                self.terminate(id)  # Nobody wanted it.
                continue
            except FileNotFoundError:
                pass
            result = ending(f"/v1/sandboxes/{id}")
            same(result["reason"], "supervisor_lost", f"the ending of a sandbox whose {part} was killed: {result}")
            output = whole(exec, patient=True)
            same(output, printed(len(output))[:len(output)], f"what a sandbox printed until its {part} was killed")
            assert ending(exec)["reason"] in ("supervisor_lost", "terminated", "signalled"), ending(exec)
            expect(patiently("POST", f"/v1/sandboxes/{id}/execs", json={"argv": ["true"]}), 409)
            self.count(part + "s killed")
            self.count("bytes compared", len(output))

    # The whole.

    def run(self):
        work = [self.printer] * 5 + [self.echo] * 3 + [self.churn] * 3 + [self.once, self.deadlines, self.deadlines]
        work += [lambda chance: self.victim(chance, "shim")] * 2 + [lambda chance: self.victim(chance, "init")] * 2
        for part in ("shim", "init", "killed"):
            os.makedirs(f"{self.control}/{part}", exist_ok=True)

        def guarded(number):
            try:
                work[number](random.Random(self.seed * 1000 + number))
            except BaseException:
                self.failures.append(traceback.format_exc())

        threads = [threading.Thread(target=guarded, args=(number,), daemon=True) for number in range(len(work))]
        for thread in threads:
            thread.start()
        while not os.path.exists(self.control + "/stop") and not self.failures:
            time.sleep(0.05)
        self.stopping.set()
        if self.failures:
            open(self.control + "/failed", "w").close()
        for thread in threads:
            thread.join(timeout=90)
        stuck = sum(thread.is_alive() for thread in threads)
        print(self.counts)
        for failure in self.failures:
            print(failure)
        assert not self.failures and not stuck, f"{len(self.failures)} failures, {stuck} threads that wait for ever"
        same(expect(call("GET", "/v1/sandboxes?state=running"), 200).json()["sandboxes"], [], "what still runs")
        same(expect(call("GET", "/v1/sandboxes?state=creating"), 200).json()["sandboxes"], [], "what is half made")


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def workload(control, seed):
    Workload(control, seed).run()


run_check(globals())
