"""`modal shell` and `modal container exec` at a terminal, as somebody who types at it sees them."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

import modal
from sdk import OLD, V2, app, host, main, once, raises, run, same, sandbox

ROWS, COLUMNS = 33, 121
# The shell reads: what is typed before that is the terminal's own affair.
PROMPT = r"[#$] $"
# A new prompt, after an interrupt.
INTERRUPTED = r"\^C[\s\S]*\r\n[^\n]*[#$] "


class Terminal:
    """A program at a pseudo-terminal of its own, of a size that is nobody's standard."""

    def __init__(self, *arguments):
        self.child, self.end = pty.fork()
        if self.child == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
            os.execve(sys.executable, [sys.executable, "-m", "modal", *arguments], {**os.environ, "TERM": "xterm"})
        self.said = ""
        self.read_to = 0
        self.code = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.code is None:
            os.kill(self.child, signal.SIGKILL)
            os.waitpid(self.child, 0)
        os.close(self.end)

    def type(self, text):
        os.write(self.end, text.encode())

    def _more(self, seconds):
        if not select.select([self.end], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.end, 65536)
        except OSError:  # EIO: nobody has the other end any more.
            return False
        self.said += data.decode(errors="replace")
        return bool(data)

    def expect(self, pattern, seconds=90):
        """Waits until what is said from here on matches; answers the match."""
        limit = time.monotonic() + seconds
        while True:
            found = re.search(pattern, self.said[self.read_to:])
            if found:
                self.read_to += found.end()
                return found
            assert time.monotonic() < limit, f"{pattern!r} isn't in {self.said[-3000:]!r}"
            assert self._more(0.2) or re.search(pattern, self.said[self.read_to:]), f"it ended: {self.said[-3000:]!r}"

    def ended(self, seconds=90):
        """How it exited, once it has."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            self._more(0.05)
            child, status = os.waitpid(self.child, os.WNOHANG)
            if child:
                self.code = os.waitstatus_to_exitcode(status)
                return self.code
        raise AssertionError(f"it goes on: {self.said[-3000:]!r}")


def box():
    return once("box", lambda: modal.Sandbox.create("sleep", "1000", app=app(), image=host(), timeout=600))


def talk(terminal):
    """What a shell at a terminal must do."""
    # Split, so that the echo of what is typed isn't taken for what it says.
    terminal.expect(PROMPT)
    terminal.type("echo 'rea''dy'\r")
    terminal.expect(r"\bready\r")
    terminal.expect(PROMPT)
    terminal.type("stty size; tty\r")
    terminal.expect(rf"\b{ROWS} {COLUMNS}\r\n/dev/pts/\d+")
    terminal.expect(PROMPT)
    terminal.type("typed-by-hand")
    terminal.expect("typed-by-hand")
    # Ctrl-C: what is typed is forgotten, and what runs is interrupted. Not at once: bash itself misses one that comes as it
    # begins to wait for a key.
    time.sleep(0.5)
    terminal.type("\x03")
    terminal.expect(INTERRUPTED)
    terminal.type("sleep 1000; echo 'sta''tus' $?\r")
    terminal.expect("sleep 1000")
    time.sleep(0.5)
    terminal.type("\x03")
    terminal.expect(INTERRUPTED)
    terminal.type("echo 'aft''er'\r")
    terminal.expect(r"\bafter\r")
    terminal.expect(PROMPT)
    assert "status 0" not in terminal.said
    terminal.type("printf '\\344\\366\\n'; echo 'byt''es'\r")
    terminal.expect(r"\bbytes\r")
    terminal.expect(PROMPT)


def check_shell_in_a_sandbox():
    with Terminal("shell", box().object_id) as terminal:
        talk(terminal)
        terminal.type("exit 3\r")
        # Modal's client doesn't say how the shell ended.
        same(terminal.ended(), 0, terminal.said[-2000:])


def check_end_of_input():
    with Terminal("shell", box().object_id, "--cmd", "/bin/sh") as terminal:
        terminal.expect(PROMPT)
        terminal.type("echo 'rea''dy'\r")
        terminal.expect(r"\bready\r")
        terminal.expect(PROMPT)
        terminal.type("\x04")
        same(terminal.ended(), 0, terminal.said[-2000:])


def check_exec_in_a_container():
    task = run(box(), "printenv", "MODAL_TASK_ID").strip()
    with Terminal("container", "exec", task, "/bin/bash") as terminal:
        talk(terminal)
        terminal.type("exit\r")
        same(terminal.ended(), 0, terminal.said[-2000:])


def check_shell_of_an_image():
    with Terminal("shell", "--image", "host", "--cmd", "/bin/bash") as terminal:
        talk(terminal)
        terminal.type("exit\r")
        same(terminal.ended(), 0, terminal.said[-2000:])


def check_window_that_becomes_another():
    """A terminal inside follows its client's calls; Modal's command line makes none when its own window changes."""
    with Terminal("shell", box().object_id) as terminal:
        terminal.expect(PROMPT)
        fcntl.ioctl(terminal.end, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 99, 0, 0))
        terminal.type("stty rows 50 cols 99; stty size\r")
        terminal.expect(r"\b50 99\r")
        terminal.expect(PROMPT)
        terminal.type("exit\r")
        terminal.ended()


def check_a_sandbox_that_is_over():
    with sandbox("true") as gone:
        gone.wait()
        with Terminal("shell", gone.object_id) as terminal:
            assert terminal.ended() != 0, terminal.said[-2000:]


if __name__ == "__main__":
    main(globals(), workers=3)
