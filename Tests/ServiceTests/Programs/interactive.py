"""The `cordon` command on a real terminal, typed at through pexpect."""

import hashlib
import os
import re
import signal
import subprocess
import time

import pexpect

from cordon_rest import *

CORDON = os.environ["CORDON_PROGRAMS"] + "/cordon"
ENVIRONMENT = {
    "CORDON_CREDENTIALS": os.environ["CORDON_CREDENTIALS"], "PATH": os.environ["PATH"], "TERM": "xterm", "LC_ALL": "C.UTF-8",
}
PROMPT = "ready> "
BASH = ["bash", "--norc", "--noprofile", "-i"]


class Shown:
    """What a terminal showed; pexpect's log."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        pass


class Terminal(pexpect.spawn):
    """A command on a terminal of its own, with everything that it showed kept in `shown`."""

    def __init__(self, *argv, rows=30, columns=100):
        super().__init__(argv[0], list(argv[1:]), env=ENVIRONMENT, dimensions=(rows, columns), timeout=30, encoding="utf-8",
                         codec_errors="replace")
        self.delaybeforesend = None
        self.delayafterterminate = 1
        self.logfile_read = Shown()

    @property
    def shown(self):
        return self.logfile_read.text

    def prompt(self):
        self.expect_exact(PROMPT)
        return self.before

    def type(self, line):
        """Types a line and returns what it prints, without its echo and readline's bracketed paste."""
        self.send(line + "\r")
        printed = self.prompt().partition("\n")[2]
        return re.sub(r"\x1b\[\?2004[hl]", "", printed).replace("\r", "")

    def ends(self, status):
        self.expect(pexpect.EOF)
        self.close()
        same(self.signalstatus or self.exitstatus, status, f"the end of {self.args}: {self.shown[-600:]!r}")


def shell(box, *options, **arguments):
    """A bash in a sandbox, at its prompt."""
    terminal = Terminal(CORDON, "exec", "-it", "-e", f"PS1={PROMPT}", *options, box, "--", *BASH, **arguments)
    terminal.prompt()
    return terminal


def box():
    return create(timeout_seconds=600)["id"]


def until(check, what):
    for _ in range(300):
        if check():
            return
        time.sleep(0.05)
    raise AssertionError(f"not within 15 s: {what}")


def a_session():
    terminal = shell(box(), rows=31, columns=97)
    assert terminal.type("tty").startswith("/dev/"), terminal.shown
    same(terminal.type("stty size").strip(), "31 97")
    same(terminal.type("echo $TERM; test -t 0 -a -t 1 -a -t 2; echo $?").split(), ["xterm", "0"])
    terminal.setwinsize(44, 133)
    until(lambda: terminal.type("stty size").strip() == "44 133", "the new size arrives")
    program = "import os, signal; signal.signal(signal.SIGWINCH, lambda *_: print(os.get_terminal_size())); print('wai' + 'ting'); signal.pause()"
    terminal.send(f'python3 -c "{program}"\r')
    terminal.expect("waiting\r\n")
    terminal.setwinsize(45, 134)
    assert "columns=134, lines=45" in terminal.prompt(), terminal.shown
    terminal.send("exit 7\r")
    terminal.ends(7)


def keys_of_job_control():
    terminal = shell(box())
    terminal.send("sleep 1000\r")
    time.sleep(0.3)
    terminal.sendcontrol("c")
    terminal.prompt()
    same(terminal.type("echo $?").strip(), "130", "the status of what Ctrl-C ended")
    terminal.send("sleep 1001\r")
    time.sleep(0.3)
    terminal.sendcontrol("z")
    assert "Stopped" in terminal.prompt(), terminal.shown
    assert "sleep 1001" in terminal.type("jobs"), terminal.shown
    terminal.send("fg\r")
    time.sleep(0.3)
    terminal.sendcontrol("c")
    terminal.prompt()
    same(terminal.type("jobs").strip(), "")
    terminal.send("cat\r")
    time.sleep(0.3)
    terminal.sendcontrol("\\")
    assert "Quit" in terminal.prompt(), terminal.shown
    terminal.send("exec sh -c 'kill -TERM $$'\r")
    terminal.ends(143)


def editors_and_screens():
    terminal = shell(box())
    terminal.send("vim.tiny -u NONE -n /tmp/poem\r")
    terminal.expect("~")
    terminal.send("iroses are red\r\x1bOviolets\x1b:wq\r")
    terminal.prompt()
    same(terminal.type("cat /tmp/poem"), "roses are red\nviolets\n\n")
    terminal.send("top\r")
    terminal.expect("load average")
    terminal.expect("COMMAND")
    terminal.send("q")
    terminal.prompt()
    terminal.sendcontrol("d")
    terminal.ends(0)


def a_paste_of_100_kilobytes():
    data = "".join(chr(33 + n * 7 % 90) for n in range(102_400))
    terminal = shell(box())
    terminal.send("stty raw -echo; echo now; head -c 102400 > /tmp/f; stty sane\r")
    terminal.expect("now\n")
    terminal.send(data)
    terminal.prompt()
    same(terminal.type("sha256sum < /tmp/f").split()[0], hashlib.sha256(data.encode()).hexdigest())
    terminal.send("exit\r")
    terminal.ends(0)


def answers_through_restarts(count="100"):
    """Somebody else kills and starts the service all the while."""
    terminal = shell(box())
    for n in range(int(count)):
        same(terminal.type(f"echo =$(({n} * 3))="), f"={n * 3}=\n", f"the answer to line {n}")
        time.sleep(0.05)
    answers = re.findall(r"^(?:\x1b\[\?2004l\r)?=(\d+)=\r$", terminal.shown, re.MULTILINE)
    same(answers, [str(n * 3) for n in range(int(count))], "each answer once")
    terminal.send("exit 5\r")
    terminal.ends(5)


def detach_keys():
    id = box()
    terminal = shell(id)
    terminal.send("export KEPT=here\r")
    terminal.prompt()
    terminal.send("\x10\x11")
    terminal.ends(0)
    assert "detached" in terminal.shown, terminal.shown
    exec = call("GET", f"/v1/sandboxes/{id}/execs").json()["execs"][-1]
    same(exec["state"], "running")
    again = Terminal(CORDON, "attach", "--detach-keys", "ctrl-a,d", id, "--exec", exec["id"])
    again.send("echo $KEPT-$((1 + 1))\r")
    again.expect("here-2\r\n")
    again.send("\x01d")
    again.ends(0)
    last = Terminal(CORDON, "attach", id, "--exec", exec["id"])
    last.send("\r")
    last.prompt()  # The terminal is raw: keys aren't ours to obey any more.
    last.sendcontrol("c")
    last.prompt()
    last.send("exit 3\r")
    last.ends(3)
    ran = Terminal(CORDON, "run", "-it", "--name", "left", "--", "sleep", "1000")
    time.sleep(1)
    ran.send("\x10\x11")
    ran.ends(0)
    left = call("GET", "/v1/apps/default/sandboxes/left").json()
    same(left["state"], "running", "a sandbox whose command was left")
    assert left["id"] in ran.shown, ran.shown


def modes_are_restored():
    """However it ends, the terminal's modes are what they were."""
    id = box()
    said = Terminal("bash", "-c", 'stty -g; "$0" "$@"; echo "status $?"; stty -g', CORDON, "exec", "-it", id, "--", "sh", "-c", "echo in; exit 4")
    said.ends(0)
    unchanged(said.shown, 4)
    missing = Terminal("bash", "-c", 'stty -g; "$0" "$@"; echo "status $?"; stty -g', CORDON, "exec", "-it", id, "--", "/no/such")
    missing.ends(0)
    unchanged(missing.shown, 127)
    for number, status in [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]:
        killed = Terminal("bash", "-c", 'trap "" INT HUP TERM; stty -g; (trap - INT HUP TERM; exec "$0" "$@"); echo "status $?"; stty -g',
                          CORDON, "exec", "-it", id, "--", "sh", "-c", "echo in; exec sleep 1000")
        killed.expect("in\r\n")
        os.kill(cordon_below(killed.pid), number)
        killed.ends(0)
        unchanged(killed.shown, status)


def unchanged(shown, status):
    modes = re.findall(r"^([0-9a-f:]{40,})\r$", shown, re.MULTILINE)
    assert len(modes) == 2 and modes[0] == modes[1] and f"status {status}\r\n" in shown, shown


def cordon_below(pid):
    """The `cordon` among a process's descendants."""
    for child in map(int, open(f"/proc/{pid}/task/{pid}/children").read().split()):
        if open(f"/proc/{child}/comm").read() == "cordon\n":
            return child
        if below := cordon_below(child):
            return below
    return None


def stopped_from_outside():
    """kill -TSTP, and fg in the local shell: our terminal is the shell's in between, and raw again after."""
    id = box()
    local = Terminal(*BASH)
    local.send("PS1='local> '\r")
    local.expect_exact("local> ")
    local.expect_exact("local> ")
    local.send(f"{CORDON} exec -it -e PS1='{PROMPT}' {id} -- {' '.join(BASH)}\r")
    local.prompt()  # In the echo of what we typed.
    local.prompt()
    os.kill(cordon_below(local.pid), signal.SIGTSTP)
    local.expect("Stopped")
    local.expect_exact("local> ")
    local.send("stty -a | grep -o ' -\\?icanon'\r")
    local.expect(" icanon\r\n")
    local.send("fg\r")
    local.expect_exact("exec")
    local.send("echo back-$((40 + 2))\r")
    local.expect_exact("back-42\r\n")
    local.prompt()
    local.send("sleep 100\r")
    time.sleep(0.3)
    local.sendcontrol("c")
    local.prompt()
    local.send("exit 9\r")
    local.expect_exact("local> ")
    local.send("echo status $?\r")
    local.expect("status 9\r\n")


def without_our_terminal():
    """-t needs a terminal only for what is typed."""
    id = box()
    run = lambda *argv: subprocess.run([CORDON, "exec", *argv], env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    same(run("-t", id, "--", "sh", "-c", "test -t 1 && stty size").stdout, b"24 80\r\n")
    refused = run("-it", id, "--", "true")
    assert refused.returncode == 64 and b"leave -t away" in refused.stderr, refused
    plain = Terminal(CORDON, "exec", "-i", id, "--", "sh", "-c", "test -t 0 || echo none; cat")
    plain.expect("none\r\n")
    plain.send("a line\r")
    plain.expect("a line\r\na line\r\n")
    plain.sendcontrol("d")
    plain.ends(0)
    interrupted = Terminal(CORDON, "exec", id, "--", "sh", "-c", "trap 'echo caught; exit 6' INT; echo in; while :; do sleep 0.1; done")
    interrupted.expect("in\r\n")
    interrupted.sendcontrol("c")
    interrupted.expect("caught\r\n")
    interrupted.ends(6)
    stubborn = Terminal(CORDON, "exec", id, "--", "sh", "-c", "trap '' INT; echo in; while :; do sleep 0.1; done")
    stubborn.expect("in\r\n")
    for _ in range(3):
        stubborn.sendcontrol("c")
        time.sleep(0.3)
    stubborn.ends(137)


run_check(globals())
