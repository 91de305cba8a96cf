"""Terminals as programs inside and clients outside know them."""

import hashlib
import os
import re
import threading
import time

from cordon_rest import *

OCTETS = {"Content-Type": "application/octet-stream"}


class Screen:
    """An exec with a terminal: types into it by offset, and reads what it shows as it comes."""

    def __init__(self, path, patient=False):
        self.path, self.patient, self.typed, self.shown = path, patient, 0, bytearray()
        self.changed = threading.Condition()
        self.failure, self.over = None, False
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        try:
            for piece in follow(self.path, patient=self.patient):
                with self.changed:
                    self.shown += piece
                    self.changed.notify_all()
        except BaseException as error:  # Told by whoever waits.
            self.failure = error
        with self.changed:
            self.over = True
            self.changed.notify_all()

    def type(self, data, eof=False):
        data = data.encode() if isinstance(data, str) else data
        url = f"{self.path}/stdin?offset={self.typed}&eof={'true' if eof else 'false'}"
        ask = patiently if self.patient else call
        state = expect(ask("POST", url, data=data, headers=OCTETS), 200).json()
        self.typed += len(data)
        same(state, {"accepted": self.typed, "closed": eof}, "stdin")

    def expect(self, pattern, start=0, seconds=30):
        """Waits until what is shown from `start` on matches; returns the match."""
        pattern = pattern.encode() if isinstance(pattern, str) else pattern
        deadline = time.monotonic() + seconds
        with self.changed:
            while True:
                found = re.compile(pattern, re.DOTALL).search(self.shown, start)
                if found:
                    return found
                if self.failure:
                    raise self.failure
                left = deadline - time.monotonic()
                assert left > 0 and not self.over, f"no {pattern!r} in {bytes(self.shown[start:])[-2000:]!r}"
                self.changed.wait(left)

    def ask(self, line, pattern, **arguments):
        """Types a line to a shell and waits for an answer behind it."""
        start = len(self.shown)
        self.type(line + "\n")
        return self.expect(pattern, start, **arguments)

    def say(self, line, pattern):
        """The same, until the shell reads again: what is typed sooner is echoed twice."""
        self.expect("ready> ", self.ask(line, pattern).end())

    def run(self, line):
        """Has a shell start a program that reads; the line is shown a little before the terminal leaves the shell's mode."""
        self.ask(line, re.escape(line) + "\r\n")
        time.sleep(0.3)

    def press(self, key):
        """Types a key that brings a shell's prompt back, before which it forgets what else is typed."""
        place = len(self.shown)
        self.type(key)
        self.expect("ready> ", place)

    def end(self):
        """All that was shown, once nothing can be added."""
        self.reader.join(60)
        assert self.over, "the stream doesn't end"
        if self.failure:
            raise self.failure
        return bytes(self.shown)


def resize(path, rows, cols, *statuses):
    return expect(call("POST", path + "/resize", json={"rows": rows, "cols": cols}), *(statuses or (204,)))


def bash(id, **spec):
    """A shell whose line editor shows plain text."""
    screen = Screen(start(id, "bash", "--norc", "-i", pty={"term": "dumb"}, env={"PS1": "ready> "}, **spec))
    screen.expect("ready> ")
    return screen


def what_programs_see():
    id = create()["id"]
    program = "import os,sys\nprint([os.isatty(n) for n in range(3)], os.get_terminal_size(), os.ttyname(0), os.environ['TERM'])"
    done = complete(id, "python3", "-c", program, pty={})
    same(done["stdout"], "[True, True, True] os.terminal_size(columns=80, lines=24) /dev/pts/0 xterm-256color\r\n", "defaults")
    same((done["stderr"], done["stderr_bytes"], done["exec"]["pty"]),
         ("", 0, {"rows": 24, "cols": 80, "term": "xterm-256color"}), "the answer")
    done = complete(id, "sh", "-c", "stty size; echo $TERM; tty; echo err >&2", pty={"rows": 7, "cols": 300, "term": "vt100"})
    same(done["stdout"], "7 300\r\nvt100\r\n/dev/pts/0\r\nerr\r\n", "as asked for")
    same(complete(id, "sh", "-c", "echo $TERM", pty={"term": "vt100"}, env={"TERM": "dumb"})["stdout"], "dumb\r\n", "its own TERM")
    same(complete(id, "sh", "-c", "echo ${TERM-none}; tty; test -e /dev/tty && : < /dev/tty")["stdout"], "none\nnot a tty\n", "without")
    settings = complete(id, "stty", "-a", pty={})["stdout"]
    for word in ["isig", "icanon", "iexten", "echo", "echoe", "onlcr", "icrnl", "iutf8", "intr = ^C;", "eof = ^D;", "susp = ^Z;"]:
        assert re.search(rf"(?<![-\w]){re.escape(word)}", settings), f"{word} is not among {settings}"
    strict = create(policy="strict")["id"]
    same(complete(strict, "bash", "--norc", "-i", "-c", "stty size; tty; sleep 9 & kill %1; wait", pty={"term": "dumb"})["stdout"].split("\r\n")[:2],
         ["24 80", "/dev/pts/0"], "under the strict policy")
    # Only the three, and whatever the program opened itself.
    same(complete(id, "python3", "-c", "import os; print(sorted(os.listdir('/proc/self/fd')))", pty={})["stdout"],
         "['0', '1', '2', '3']\r\n", "descriptors")
    # Its session's own terminal, which it leads and is in the foreground of.
    program = "import os; f = os.open('/dev/tty', os.O_RDWR); os.write(f, b'%r\\n' % (os.tcgetpgrp(f) == os.getpgrp() == os.getsid(0) == os.getpid()))"
    same(complete(id, "python3", "-c", program, pty={})["stdout"], "True\r\n", "/dev/tty")


def users_own_their_terminal():
    id = create()["id"]
    program = ("import os; t = os.ttyname(0); s = os.stat(t); print(os.getuid(), s.st_uid, s.st_gid, oct(s.st_mode));"
               "os.write(os.open(t, os.O_RDWR), b'by name\\n'); os.write(os.open('/dev/tty', os.O_WRONLY), b'by /dev/tty\\n')")
    for user, uid in [("root", 0), ("nobody", 65534), ("1234:1234", 1234)]:
        same(complete(id, "python3", "-c", program, pty={}, user=user)["stdout"],
             f"{uid} {uid} 5 0o20620\r\nby name\r\nby /dev/tty\r\n", user)
    # One that is root's is nobody else's.
    screen = bash(id)
    name = screen.ask("tty", r"(/dev/pts/\d+)\r").group(1).decode()
    done = complete(id, "sh", "-c", f"cat {name} || echo x > {name}", user="nobody")
    same((done["result"]["exit_code"] != 0, done["stderr"].count("Permission denied")), (True, 2), "another's terminal")
    screen.type("exit\n")
    screen.end()


def main_command():
    made = create(argv=["bash", "--norc", "-i"], pty={"rows": 30, "cols": 90, "term": "dumb"}, env={"PS1": "ready> "})
    same(made["pty"], {"rows": 30, "cols": 90, "term": "dumb"}, "a sandbox's pty")
    path = f"/v1/sandboxes/{made['id']}"
    same(expect(call("GET", path + "/execs/main"), 200).json()["pty"], made["pty"], "its main command's pty")
    screen = Screen(path)
    screen.expect("ready> ")
    screen.ask("stty size", "30 90\r\n")
    resize(path, 31, 91)
    screen.ask("stty size", "31 91\r\n")
    screen.type("exit 3\n")
    same(ending(path)["exit_code"], 3, "the sandbox's ending")
    screen.end()
    resize(path, 1, 1, 409)


def resizing():
    id = create()["id"]
    screen = bash(id)
    screen.ask("stty size", "\n24 80\r\n")
    program = "import os,signal,time; signal.signal(signal.SIGWINCH, lambda *_: os.write(1, b'now %d %d\\n' % os.get_terminal_size())); print('go', flush=True)\nwhile True: time.sleep(9)"
    screen.ask(f'python3 -c "{program}"', "\ngo\r\n")
    for cols, rows in [(132, 50), (1, 1), (65535, 65535), (80, 24)]:
        place = len(screen.shown)
        resize(screen.path, rows, cols)
        screen.expect(f"now {cols} {rows}\r\n", place)
    screen.press(b"\x03")
    screen.ask("stty size", "\n24 80\r\n")
    resize(screen.path, 0, 80, 400)
    resize(f"/v1/sandboxes/{id}/execs/none", 1, 1, 404)
    pipes = start(id, "sleep", "60")
    same(resize(pipes, 1, 1, 409).json()["code"], "failed_precondition", "without a terminal")
    screen.type("exit\n")
    ending(screen.path)
    resize(screen.path, 1, 1, 409)


def job_control():
    id = create()["id"]
    screen = bash(id)
    assert b"job control" not in screen.shown, bytes(screen.shown)
    # Ctrl-C ends what is in the foreground, and not the shell.
    screen.run("cat")
    screen.ask("zero", "zero\r\nzero\r\n")
    screen.press(b"\x03")
    screen.say("echo status $?", "\nstatus 130\r\n")
    # Ctrl-Z stops it; fg brings it back; it reads again.
    screen.run("cat")
    place = len(screen.shown)
    screen.type("one\n")
    screen.expect("one\r\none\r\n", place)
    screen.press(b"\x1a")
    screen.expect("Stopped", place)
    screen.say("jobs", r"\[1\]\+ +Stopped +cat\r\n")
    screen.ask("fg", "cat\r\n")
    time.sleep(0.3)
    place = len(screen.shown)
    screen.type("two\n")
    screen.expect("two\r\ntwo\r\n", place)
    screen.press(b"\x04")
    screen.say("echo status $?", "\nstatus 0\r\n")
    # In the background it may not read.
    screen.say("cat &", r"\[1\] \d+\r\n")
    screen.say("until jobs -s | grep -q cat; do sleep 0.02; done; echo stopped", "\nstopped\r\n")
    screen.say("kill -9 %1; wait; echo gone", "\ngone\r\n")
    screen.type("exit 5\n")
    same(ending(screen.path)["exit_code"], 5, "the shell's status")
    screen.end()


RAW = """
import hashlib, os, sys, time, tty
tty.setraw(0)
os.write(1, b'ready\\r\\n')
h, n, wanted, pause = hashlib.sha256(), 0, int(sys.argv[1]), float(sys.argv[2])
while n < wanted:
    piece = os.read(0, 65536)
    n += len(piece)
    h.update(piece)
    if pause: time.sleep(pause)
os.write(1, b'%d %s\\r\\n' % (n, h.hexdigest().encode()))
"""


def pasted_whole():
    """Every byte value, in raw mode, to a reader that keeps up and to one that is slow; and lines to cat."""
    id = create()["id"]
    for size, pause in [(100_000, 0), (100_000, 0.004), (5_000_000, 0)]:
        data = os.urandom(size)
        screen = Screen(start(id, "python3", "-c", RAW, str(size), str(pause), pty={}))
        screen.expect("ready\r\n")
        screen.type(data)
        screen.expect(f"{size} {hashlib.sha256(data).hexdigest()}")
        screen.end()
    lines = b"".join(b"%06d %s\n" % (n, b"x" * (n % 200)) for n in range(1000))
    screen = Screen(start(id, "sh", "-c", "stty -echo; echo ready; sha256sum", pty={}))
    screen.expect("ready\r\n")
    screen.type(lines, eof=True)
    screen.expect(hashlib.sha256(lines).hexdigest())
    screen.end()


def held_back_by_nobody_reading():
    """What nobody reads waits outside, costs no processor time, and goes on when somebody does."""
    id = create()["id"]
    screen = Screen(start(id, "sh", "-c", "stty raw -echo; echo ready; while ! test -e /tmp/go; do sleep 0.05; done; head -c 300000 | sha256sum", pty={}))
    screen.expect("ready")
    data = os.urandom(300_000)
    writer = threading.Thread(target=screen.type, args=(data,))
    writer.start()
    # Until the kernel's buffers are full.
    accepted = -1
    while accepted != (accepted := expect(call("GET", screen.path + "/stdin"), 200).json()["accepted"]) or accepted < 4000:
        time.sleep(1)
    assert accepted < 100_000, accepted
    shim = next(int(p) for p in os.listdir("/proc") if p.isdigit() and shim_of(p, id))
    before = ticks(shim)
    time.sleep(1)
    used = ticks(shim) - before
    assert used <= 5, f"the shim worked {used} of 100 ticks while nobody read"
    same(expect(call("GET", screen.path + "/stdin"), 200).json()["accepted"], accepted, "accepted while nobody reads")
    complete(id, "touch", "/tmp/go")
    screen.expect(hashlib.sha256(data).hexdigest())
    writer.join()
    screen.end()


def shim_of(pid, id):
    """Whether a process is the shim that keeps the sandbox's journal open."""
    try:
        # The service opens files of it, too, as they are asked for.
        return os.readlink(f"/proc/{pid}/exe").endswith("/cordon-shim") and any(
            f"/sandboxes/{id}/" in os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return False


def descriptors(pid):
    """What a process that may be closing some has open."""
    names = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            names.append(os.readlink(f"/proc/{pid}/fd/{fd}").split("[")[0])
        except FileNotFoundError:
            pass
    return sorted(names)


def ticks(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def ten_megabytes_of_output():
    id = create()["id"]
    program = ("import os,tty; tty.setraw(1); d = open('/tmp/data', 'rb').read(); n = 0\n"
               "while n < len(d): n += os.write(1, d[n:n+65536])")
    data = os.urandom(10 << 20)
    exec = start(id, "sh", "-c", "cat > /tmp/data")
    expect(call("POST", exec + "/stdin?eof=true", data=data, headers=OCTETS), 200)
    ending(exec)
    exec = start(id, "python3", "-c", program, pty={})
    same(whole(exec), data, "raw output")
    same(whole(exec, "stderr"), b"", "stderr")
    # And what is told at the end of an exec is all of it, however much is on its way.
    for _ in range(20):
        done = complete(id, "sh", "-c", "head -c 3000 /dev/zero | tr '\\0' x; echo; echo last", pty={})
        same(done["stdout"], "x" * 3000 + "\r\nlast\r\n", "a short program's output")


def ends_of_input():
    id = create()["id"]
    for typed, read in [(b"one\ntwo\n", b"one\ntwo\n"), (b"one\ntw", b"one\ntw"), (b"", b""), (b"x\r", b"x\n")]:
        screen = Screen(start(id, "sh", "-c", "stty -echo; echo ready; od -An -c", pty={}))
        screen.expect("ready\r\n")
        screen.type(typed, eof=True)
        wanted = complete(id, "od", "-An", "-c", stdin=read.decode())["stdout"].replace("\n", "\r\n")
        same(screen.end().decode().split("ready\r\n")[1], wanted, f"after {typed!r}")
        same(expect(call("POST", screen.path + f"/stdin?offset=0", data=typed, headers=OCTETS), 200).json()["closed"], True, "closed")
    # A shell whose line editor reads characters by itself knows it too, at its prompt: between two
    # lines its terminal is in line mode, and what is typed as an end then is none when it reads on.
    screen = bash(id)
    screen.ask("echo a", "\na\r\nready> ")
    screen.type(b"", eof=True)
    same(ending(screen.path)["exit_code"], 0, "bash")
    screen.end()
    # Without stdin there is its end at once; with it, by offset, a repeat is known.
    same(complete(id, "cat", pty={})["stdout"], "", "cat without stdin")
    same(complete(id, "cat", pty={}, stdin="zwölf ☃\n")["stdout"], "zwölf ☃\r\n" * 2, "cat with stdin")
    screen = Screen(start(id, "cat", pty={}))
    for _ in range(3):
        expect(call("POST", screen.path + "/stdin?offset=0", data=b"once\n", headers=OCTETS), 200)
    screen.expect("once\r\nonce\r\n")
    expect(call("POST", screen.path + "/stdin?offset=9", data=b"x", headers=OCTETS), 409)
    screen.typed = 5
    screen.type(b"", eof=True)
    same(screen.end(), b"once\r\nonce\r\n", "typed three times at one offset")


def hang_up():
    id = create()["id"]
    # Killed: all that it started goes, and the stream ends.
    screen = bash(id)
    screen.ask("sleep 1000 & sleep 1000 | cat & disown -a; echo done", "\ndone\r\n")
    expect(call("POST", screen.path + "/signal", json={"signal": "KILL"}), 204)
    same(ending(screen.path)["reason"], "terminated", "killed")
    screen.end()
    # What is left in the foreground group when the leader ends gets SIGHUP.
    screen = Screen(start(id, "sh", "-c", "sh -c 'trap \"touch /tmp/hup; exit\" HUP; echo set; while :; do sleep 0.02; done' & while ! test -e /tmp/go; do sleep 0.02; done; exit 4", pty={}))
    screen.expect("set\r\n")
    complete(id, "touch", "/tmp/go")
    same(ending(screen.path)["exit_code"], 4, "the leader's status")
    complete(id, "sh", "-c", "while ! test -e /tmp/hup; do sleep 0.02; done", timeout_seconds=20)
    screen.end()
    # The exec's end is told at once; its stream ends when the last who has the terminal is gone.
    screen = Screen(start(id, "sh", "-c", "trap '' HUP; (while ! test -e /tmp/leave; do sleep 0.02; done; echo late) & echo early", pty={}))
    same(ending(screen.path)["exit_code"], 0, "the leader")
    screen.expect("early\r\n")
    assert not screen.over
    resize(screen.path, 1, 1, 409)
    complete(id, "touch", "/tmp/leave")
    same(screen.end(), b"early\r\nlate\r\n", "a child's last words")
    # Who gives its terminal away keeps its right to it.
    program = "import os,time; os.write(1, b'one\\n'); os.closerange(0, 3); time.sleep(0.7); os.write(os.open('/dev/tty', os.O_RDWR), b'two\\n'); os.closerange(0, 3); time.sleep(0.1)"
    screen = Screen(start(id, "python3", "-c", program, pty={}))
    same(ending(screen.path)["exit_code"], 0, "without a terminal for a while")
    same(screen.end(), b"one\r\ntwo\r\n", "before and after")
    for _ in range(50):
        same(complete(id, "sh", "-c", "echo x; exec 0<&- 1>&- 2>&-; exit 3", pty={})["result"].get("exit_code"), 3, "closed just before the end")
    # A timeout, and the sandbox's end.
    screen = bash(id, timeout_seconds=1)
    same(ending(screen.path)["reason"], "timed_out", "its timeout")
    screen.end()
    screen = bash(id)
    terminate(id)
    same(ending(screen.path)["reason"], "terminated", "its sandbox's end")
    screen.end()


def all_in_use():
    """Terminals are a number for each sandbox; one over it gets a typed answer, and another sandbox its own."""
    used = int(open("/proc/sys/kernel/pty/nr").read())
    id, other = create()["id"], create()["id"]
    same(complete(id, "echo", "x", pty={})["stdout"], "x\r\n", "the first")
    shim = next(p for p in os.listdir("/proc") if p.isdigit() and shim_of(p, id))
    before = descriptors(shim)
    screens = [start(id, "cat", pty={}) for _ in range(64)]
    refused = expect(call("POST", f"/v1/sandboxes/{id}/execs", json={"argv": ["cat"], "pty": {}}), 429)
    same(refused.json()["code"], "resource_exhausted", "one too many")
    assert "terminal" in refused.json()["detail"], refused.text
    same(complete(id, "echo", "x")["stdout"], "x\n", "without a terminal")
    same(complete(other, "echo", "x", pty={})["stdout"], "x\r\n", "in another sandbox")
    for screen in screens:
        expect(call("POST", screen + "/stdin?eof=true", data=b"", headers=OCTETS), 200)
        result = ending(screen)
        same((result["reason"], result.get("exit_code")), ("exited", 0), "cat")
        same(whole(screen), b"", "nothing was typed")
    same(complete(id, "tty", pty={})["stdout"], "/dev/pts/0\r\n", "again")
    deadline = time.monotonic() + 10
    while (after := descriptors(shim)) != before and time.monotonic() < deadline:
        time.sleep(0.05)
    same(after, before, "the shim's descriptors")
    terminate(id)
    terminate(other)
    deadline = time.monotonic() + 10
    while int(open("/proc/sys/kernel/pty/nr").read()) > used and time.monotonic() < deadline:
        time.sleep(0.05)
    assert int(open("/proc/sys/kernel/pty/nr").read()) <= used, "terminals are left"


def session_across_restarts(control):
    """A shell that goes on while the service is killed again and again; who kills it waits for CONTROL/ready."""
    id = create()["id"]
    path = start(id, "bash", "--norc", "-i", pty={"term": "dumb"}, env={"PS1": "ready> "})
    screen = Screen(path, patient=True)
    screen.expect("ready> ")
    screen.ask("n=0; while read -r -t 60 line; do echo \"<$((n++)) $line $(stty size)>\"; test $line = end && break; done", "\r\n")
    open(control + "/ready", "w").close()
    rows, count = 24, 0
    while not os.path.exists(control + "/stop"):
        rows = 24 + count % 50
        expect(patiently("POST", path + "/resize", json={"rows": rows, "cols": 80}), 204)
        screen.type(f"line{count}\n")
        screen.expect(f"<{count} line{count} {rows} 80>")
        count += 1
    screen.type("end\nexit 6\n")
    same(expect(patiently("GET", path + "/wait"), 200).json()["result"]["exit_code"], 6, "the shell's status")
    shown = screen.end()
    same([int(n) for n in re.findall(rb"<(\d+) ", shown)], list(range(count + 1)), "answers")
    same(b"".join(follow(path, patient=True)), shown, "the same again")
    print(count)


run_check(globals())
