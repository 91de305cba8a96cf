"""Modal's command line against this service."""

import os
import subprocess
import sys
import tempfile
import uuid

import modal
from sdk import OLD, app, host, main, run, same, sandbox, until


def cli(*arguments, status=0, changes={}):
    done = subprocess.run(
        [sys.executable, "-m", "modal", *arguments], capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL,
        env={**os.environ, "COLUMNS": "250", "NO_COLOR": "1", **changes})
    assert (done.returncode == 0) == (status == 0), f"{arguments}: {done.returncode} {done.stdout[-2000:]} {done.stderr[-2000:]}"
    return done.stdout + done.stderr


def check_apps():
    name = "cli-" + uuid.uuid4().hex[:8]
    modal.App.lookup(name, create_if_missing=True)
    assert name in cli("app", "list")
    cli("app", "stop", name, *([] if OLD else ["-y"]))


def check_containers():
    with sandbox("sleep", "1000") as box:
        task = run(box, "printenv", "MODAL_TASK_ID").strip()
        assert task in cli("container", "list")
        if not OLD:
            # The client doesn't wait for all that it shows.
            until(lambda: "inside" in cli("container", "exec", "--no-pty", task, "echo", "inside"), "a command's output")
        cli("container", "stop", task, *([] if OLD else ["-y"]))
        box.wait(raise_on_termination=False)
        same(box.returncode, 137)


def check_secrets():
    name = "cli-" + uuid.uuid4().hex[:8]
    cli("secret", "create", name, "A=1")
    assert name in cli("secret", "list")
    cli("secret", "create", name, "A=2", status=1)
    cli("secret", "create", "--force", name, "A=2")
    cli("secret", "delete", name, "--yes")


def check_volumes():
    name = "cli-" + uuid.uuid4().hex[:8]
    cli("volume", "create", name)
    assert name in cli("volume", "list")
    with tempfile.TemporaryDirectory() as directory:
        with open(directory + "/a", "w") as file:
            file.write("content\n")
        cli("volume", "put", name, directory + "/a", "/d/a")
        assert "a" in cli("volume", "ls", name, "/d")
        cli("volume", "cp", name, "/d/a", "/d/b")
        cli("volume", "get", name, "/d/b", directory + "/got")
        same(open(directory + "/got").read(), "content\n")
        cli("volume", "rm", name, "/d/a")
        cli("volume", "get", name, "/d/a", directory + "/none", status=1)
    cli("volume", "delete", name, "--yes")


def check_token():
    same(OLD or os.environ["MODAL_TOKEN_ID"] in cli("token", "info"), True)
    with tempfile.TemporaryDirectory() as directory:
        file = directory + "/modal.toml"
        environment = {"MODAL_CONFIG_PATH": file, "MODAL_TOKEN_ID": "", "MODAL_TOKEN_SECRET": ""}
        token = ("--token-id", os.environ["MODAL_TOKEN_ID"], "--token-secret", os.environ["MODAL_TOKEN_SECRET"])
        cli("token", "set", *token, "--profile" if OLD else "--activate", *(["checks"] if OLD else []), changes=environment)
        assert os.environ["MODAL_TOKEN_ID"] in open(file).read()
        cli("token", "set", *token[:3], "wrong", status=1, changes=environment)


def check_volume_moves():
    name = "cli-" + uuid.uuid4().hex[:8]
    cli("volume", "create", name)
    cli("volume", "rename", name, name + "-new", "--yes")
    with tempfile.TemporaryDirectory() as directory:
        os.mkdir(directory + "/tree")
        for file in ("a", "b"):
            open(f"{directory}/tree/{file}", "w").write(file)
        cli("volume", "put", name + "-new", directory + "/tree", "/tree")
        cli("volume", "put", name + "-new", directory + "/tree", "/tree", status=1)
        cli("volume", "put", "--force", name + "-new", directory + "/tree", "/tree")
        os.mkdir(directory + "/got")
        cli("volume", "get", name + "-new", "tree", directory + "/got")
        same(sorted(name for _, _, names in os.walk(directory + "/got") for name in names), ["a", "b"])
        cli("volume", "rm", "-r", name + "-new", "/tree")
    cli("volume", "delete", name + "-new", "--yes")


def check_unknown_names():
    cli("app", "stop", "none-" + uuid.uuid4().hex[:8], *([] if OLD else ["-y"]), status=1)
    cli("volume", "ls", "none-" + uuid.uuid4().hex[:8], status=1)


def check_environments():
    name = "cli-" + uuid.uuid4().hex[:8]
    cli("environment", "create", name)
    assert name in cli("environment", "list") and "main" in cli("environment", "list")
    cli("environment", "delete", name, "--yes")


if __name__ == "__main__":
    main(globals(), workers=2)
