"""The life of a sandbox: create, find, list, tags, names, wait, terminate, its own streams."""

import time
import uuid

import modal
from modal.exception import (AlreadyExistsError, InvalidError, NotFoundError, SandboxTerminatedError,
                             SandboxTimeoutError)
from sdk import MODE, OLD, V2, app, host, main, raises, run, same, sandbox, until


def check_hello():
    with sandbox() as box:
        assert box.object_id.startswith("sb-"), box.object_id
        same(run(box, "echo", "hello"), "hello\n")
        same(box.poll(), None)
    box.wait(raise_on_termination=False)
    same(box.returncode, 137)


def check_main_command():
    with sandbox("sh", "-c", "echo out; echo err >&2; exit 42") as box:
        box.wait()
        same((box.returncode, box.poll()), (42, 42))
        same(box.stdout.read(), "out\n")
        same(box.stderr.read(), "err\n")


def check_read_after_the_end_by_id():
    with sandbox("sh", "-c", "printf 'grün\\n'; exit 7") as box:
        box.wait()
        again = modal.Sandbox.from_id(box.object_id)
        same(again.returncode, 7)
        same(again.stdout.read(), "grün\n")


def check_stdin_of_the_main_command():
    with sandbox("cat") as box:
        box.stdin.write("one\n")
        box.stdin.write(b"two\n")
        box.stdin.drain()
        box.stdin.write_eof()
        box.stdin.drain()
        box.wait()
        same((box.stdout.read(), box.returncode), ("one\ntwo\n", 0))
        with raises(ValueError):
            box.stdin.write("late")


def check_lines_as_they_come():
    with sandbox("sh", "-c", "echo 1; sleep 0.3; echo 2; sleep 0.3; echo 3") as box:
        same(list(box.stdout), ["1\n", "2\n", "3\n"])


def check_environment_workdir_and_user_code():
    secret = modal.Secret.from_dict({"A": "secret", "B": "secret"})
    with sandbox(secrets=[secret], workdir="/tmp", env={"B": "env", "C": "env"}) as box:
        same(run(box, "sh", "-c", "echo $A $B $C; pwd"), "secret env env\n/tmp\n")


def check_modal_variables_inside():
    with sandbox() as box:
        same(run(box, "printenv", "MODAL_SANDBOX_ID").strip(), box.object_id)
        assert run(box, "printenv", "MODAL_TASK_ID").startswith("ta-")


def check_timeout():
    with sandbox("sleep", "1000", timeout=1) as box:
        with raises(SandboxTimeoutError):
            box.wait()
        same(box.returncode, 124)


def check_terminate():
    with sandbox("sleep", "1000") as box:
        box.terminate()
        with raises(SandboxTerminatedError):
            box.wait()
        same(box.returncode, 137)


def check_terminate_and_wait_new():
    with sandbox("sleep", "1000") as box:
        same(box.terminate(wait=True), 137)


def check_unknown_id():
    with raises(NotFoundError):
        modal.Sandbox.from_id("sb-" + ("a" * 26)).poll()


def check_name_is_one_running_sandboxs():
    name = "named-" + uuid.uuid4().hex[:8]
    with sandbox(name=name) as box:
        same(modal.Sandbox.from_name("checks", name).object_id, box.object_id)
        with raises(AlreadyExistsError):
            sandbox(name=name)
    box.wait(raise_on_termination=False)
    with raises(NotFoundError):
        modal.Sandbox.from_name("checks", name).poll()
    with sandbox(name=name) as other:
        assert other.object_id != box.object_id


def check_tags_and_lists():
    own = modal.App.lookup("listed-" + uuid.uuid4().hex[:8], create_if_missing=True)
    with sandbox(app=own) as one, sandbox(app=own) as two:
        same(one.get_tags(), {})
        one.set_tags({"kind": "x", "more": "y"})
        two.set_tags({"kind": "x"})
        same(one.get_tags(), {"kind": "x", "more": "y"})

        def listed(**options):
            return {box.object_id for box in modal.Sandbox.list(**options)}

        same(listed(app_id=own.app_id), {one.object_id, two.object_id})
        same(listed(app_id=own.app_id, tags={"kind": "x"}), {one.object_id, two.object_id})
        same(listed(app_id=own.app_id, tags={"kind": "x", "more": "y"}), {one.object_id})
        one.set_tags({"kind": "z"})
        same(listed(app_id=own.app_id, tags={"kind": "x"}), {two.object_id})
        two.terminate()
        until(lambda: listed(app_id=own.app_id) == {one.object_id}, "a terminated sandbox is in no list")


def check_tags_at_creation_new():
    with sandbox(tags={"born": "with"}) as box:
        same(box.get_tags(), {"born": "with"})
        box.set_tags({})
        same(box.get_tags(), {})


def check_app_lookup():
    name = "found-" + uuid.uuid4().hex[:8]
    with raises(NotFoundError):
        modal.App.lookup(name)
    first = modal.App.lookup(name, create_if_missing=True)
    assert first.app_id.startswith("ap-")
    same(modal.App.lookup(name).app_id, first.app_id)


def check_resources():
    with sandbox(cpu=(0.5, 1.0), memory=(128, 256)) as box:
        same(run(box, "echo", "fits"), "fits\n")
    with raises(InvalidError):
        sandbox(cpu=(2.0, 1.0))


def check_refused_before_anything_is_sent():
    with raises(InvalidError):
        sandbox(workdir="relative")
    with raises(InvalidError):
        sandbox("x" * 70_000)


def check_network_policies():
    with sandbox(block_network=True) as box:
        same(run(box, "echo", "closed"), "closed\n")
    with raises(Exception):
        sandbox(block_network=True, encrypted_ports=[80])


def check_gpu_is_refused():
    with raises(Exception, "GPU"):
        sandbox(gpu="T4")


def check_idle_timeout_is_taken():
    with sandbox(idle_timeout=300) as box:
        same(run(box, "echo", "awake"), "awake\n")


def check_detach_v2():
    box = sandbox().made
    box.detach()
    box.detach()
    with raises(modal.exception.ClientClosed):
        box.exec("true")
    again = modal.Sandbox.from_id(box.object_id)
    same(run(again, "echo", "alive"), "alive\n")
    again.terminate()


def check_logs_new():
    with sandbox("sh", "-c", "echo logged; sleep 1000") as box:
        until(lambda: any("logged" in entry.message for entry in box.logs.tail(10)), "a line in the logs")


if __name__ == "__main__":
    main(globals())
