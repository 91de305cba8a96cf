"""What main commands have written, with times: by the SDK and by its command line."""

import datetime
import os
import subprocess
import sys
import threading
import uuid

import modal
from sdk import OLD, V2, app, host, main, once, run, same, sandbox, until

SCRIPT = "for i in 1 2 3; do echo out $i; echo err $i >&2; sleep 0.05; done"


def cli(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "modal", *arguments], capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL,
        env={**os.environ, "COLUMNS": "250", "NO_COLOR": "1"})
    assert done.returncode == 0, f"{arguments}: {done.returncode} {done.stdout[-2000:]} {done.stderr[-2000:]}"
    return done.stdout


def own_app():
    return once("own app", lambda: modal.App.lookup("logs-" + uuid.uuid4().hex[:8], create_if_missing=True))


def over():
    """A sandbox that has written its lines and is over."""
    def make():
        box = sandbox("sh", "-c", SCRIPT, app=own_app()).made
        box.wait()
        return box
    return once("over", make)


def of(entries, source):
    return [entry.message for entry in entries if entry.source == source]


def check_lines_of_a_sandbox_new():
    since = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)
    logs = over().logs
    for entries in (list(logs.fetch(since=since)), list(logs.tail(100))):
        same("".join(of(entries, "stdout")), "out 1\nout 2\nout 3\n")
        same("".join(of(entries, "stderr")), "err 1\nerr 2\nerr 3\n")
        times = [entry.timestamp for entry in entries]
        same(times, sorted(times), "the order of times")
    same("".join(of(logs.fetch(since=since, source="stderr"), "stderr")), "err 1\nerr 2\nerr 3\n")
    same(of(logs.fetch(since=since, source="stderr"), "stdout"), [])
    assert "out 2" in "".join(of(logs.fetch(since=since, search_text="out 2"), "stdout"))
    same(list(logs.fetch(since=since, until=since + datetime.timedelta(minutes=1))), [])
    assert "3" in list(logs.tail(1))[-1].message


def check_commands_write_elsewhere_new():
    with sandbox("sh", "-c", "echo main; sleep 1000") as box:
        run(box, "echo", "from a command")
        until(lambda: any("main" in entry.message for entry in box.logs.tail(10)), "the main command's line")
        assert not any("from a command" in entry.message for entry in box.logs.tail(100))


def check_command_line_new():
    box = over()
    task = box._get_task_id() if hasattr(box, "_get_task_id") else None
    for arguments in (("container", "logs", box.object_id), ("container", "logs", box.object_id, "--all"),
                      ("app", "logs", own_app().name), ("app", "logs", own_app().app_id, "--tail", "100"),
                      ("app", "logs", own_app().name, "--since", "1h")):
        said = cli(*arguments)
        assert "out 1" in said and "err 3" in said, (arguments, said)
    assert "out" not in cli("app", "logs", own_app().name, "--source", "stderr")
    if task:
        assert "out 1" in cli("container", "logs", task)


def follow(*arguments):
    """Runs a command that goes on until somebody ends it; what it says comes line by line."""
    return subprocess.Popen(
        [sys.executable, "-m", "modal", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        stdin=subprocess.DEVNULL, env={**os.environ, "COLUMNS": "250", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"})


def check_followed():
    own = modal.App.lookup("followed-" + uuid.uuid4().hex[:8], create_if_missing=True)
    with sandbox("sh", "-c", "while sleep 0.1; do echo tick; done", app=own) as box:
        command = follow("app", "logs", own.name if not OLD else own.app_id, *([] if OLD else ["-f"]))
        try:
            seen = []
            reader = threading.Thread(target=lambda: seen.extend(
                line for line, _ in zip((line for line in command.stdout if "tick" in line), range(3))), daemon=True)
            reader.start()
            reader.join(60)
            same(len(seen), 3, "lines of what goes on")
        finally:
            command.kill()
            command.wait()


if __name__ == "__main__":
    main(globals(), workers=2)
