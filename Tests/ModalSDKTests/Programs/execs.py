"""Commands in a sandbox: streams, endings, stdin, timeouts, terminals, environments."""

import asyncio
import subprocess
import sys

import modal
from modal.exception import InvalidError, NotFoundError
from modal.stream_type import StreamType
from sdk import OLD, ConflictError, app, host, main, once, raises, run, same, sandbox, until


def box():
    return once("box", lambda: modal.Sandbox.create(app=app(), image=host(), timeout=600))


def check_streams_and_code():
    process = box().exec("sh", "-c", "echo out; echo err >&2; exit 42")
    same((process.stdout.read(), process.stderr.read(), process.wait()), ("out\n", "err\n", 42))
    same((process.poll(), process.returncode), (42, 42))


def check_running_and_poll():
    process = box().exec("sleep", "1000")
    same(process.poll(), None)


def check_signal():
    same(box().exec("sh", "-c", "kill -9 $$").wait(), 137)


def check_second_read_is_empty_new():
    process = box().exec("echo", "once")
    same((process.stdout.read(), process.stdout.read()), ("once\n", ""))


def check_lines():
    process = box().exec("sh", "-c", "printf 'a\\nb\\nc'", bufsize=1)
    same(list(process.stdout), ["a\n", "b\n", "c"])


def check_bytes():
    process = box().exec("sh", "-c", "printf '\\001\\002\\377'", text=False)
    same(process.stdout.read(), b"\x01\x02\xff")


def check_characters_that_come_in_two_pieces():
    process = box().exec("python3", "-c", "import sys,time\nfor b in 'äöü€😀\\n'.encode():\n"
                         " sys.stdout.buffer.write(bytes([b])); sys.stdout.flush(); time.sleep(0.01)")
    same(process.stdout.read(), "äöü€😀\n")


def check_stdin():
    process = box().exec("cat")
    for text in ("one\n", "two\n"):
        process.stdin.write(text)
        process.stdin.drain()
    process.stdin.write_eof()
    process.stdin.drain()
    same((process.stdout.read(), process.wait()), ("one\ntwo\n", 0))


def check_conversation():
    process = box().exec("sh", "-c", "while read line; do echo got $line; done", bufsize=1)
    lines = iter(process.stdout)
    for word in ("a", "b"):
        process.stdin.write(word + "\n")
        process.stdin.drain()
        same(next(lines), f"got {word}\n")
    process.stdin.write_eof()
    process.stdin.drain()
    same(process.wait(), 0)


def check_output_nobody_wants():
    process = box().exec("sh", "-c", "head -c 1000000 /dev/zero; exit 3", stdout=StreamType.DEVNULL)
    same(process.wait(), 3)


def check_working_directory():
    same(run(box(), "pwd", workdir="/tmp"), "/tmp\n")


def check_environment():
    secrets = [modal.Secret.from_dict({"A": "1", "B": "1"}), modal.Secret.from_dict({"B": "2"})]
    same(run(box(), "sh", "-c", "echo $A $B", secrets=secrets), "1 2\n")
    same(run(box(), "sh", "-c", "echo $B $C", secrets=secrets, env={"C": "3"}), "2 3\n")


def check_timeout():
    process = box().exec("sleep", "1000", timeout=1)
    # By way of the control plane the older client waits for longer than the service.
    assert process.wait() in ((-1, 137) if OLD else (-1,)), process.returncode
    same(process.poll(), process.returncode)
    process = box().exec("sh", "-c", "echo hi; sleep 1000", timeout=2)
    try:
        same(process.stdout.read(), "hi\n")
    except modal.exception.TimeoutError:
        pass


def check_terminal():
    process = box().exec("sh", "-c", "test -t 0 && test -t 1 && stty size", pty=True)
    same((process.stdout.read().replace("\r", ""), process.wait()), ("24 80\n", 0))


def check_program_that_is_not_there():
    with raises(Exception):
        code = box().exec("/nothing/here").wait()
        raise InvalidError(f"it ended with {code}") if code else AssertionError("it ran")


def check_too_many_arguments():
    with raises(InvalidError):
        box().exec("echo", "x" * 70_000)


def check_background_child_holds_no_reader():
    process = box().exec("sh", "-c", "sleep 1000 & echo started")
    same((process.stdout.read(), process.wait()), ("started\n", 0))


def check_three_megabytes():
    process = box().exec("sh", "-c", "yes 0123456789 | head -c 3000000")
    same(len(process.stdout.read()), 3_000_000)


def check_asynchronous():
    async def one(number):
        process = await box().exec.aio("sh", "-c", f"sleep 0.2; echo {number}")
        return (await process.stdout.read.aio()).strip(), await process.wait.aio()

    async def all():
        return await asyncio.gather(*(one(number) for number in range(10)))

    same(asyncio.run(all()), [(str(number), 0) for number in range(10)])


def check_after_the_end():
    with sandbox() as gone:
        process = gone.exec("echo", "before")
        process.wait()
    gone.wait(raise_on_termination=False)
    with raises(Exception if OLD else (ConflictError, NotFoundError)):
        modal.Sandbox.from_id(gone.object_id).exec("echo", "after")


def check_output_that_is_shown_here():
    # In a process of its own, whose stdout is ours alone.
    script = ("import modal, sys\nfrom modal.stream_type import StreamType\nbox = modal.Sandbox.from_id(sys.argv[1])\n"
              "for options in ({}, {'bufsize': 1}, {'text': False}):\n"
              "  box.exec('sh', '-c', 'echo shown; echo beside >&2', stdout=StreamType.STDOUT, stderr=StreamType.STDOUT,"
              " **options).wait()\n"
              "process = box.exec('echo', 'x', stdout=StreamType.STDOUT)\n"
              "try: process.stdout.read()\nexcept Exception as error: print(type(error).__name__)\n")
    def shown():
        done = subprocess.run([sys.executable, "-c", script, box().object_id], capture_output=True, text=True, timeout=200)
        assert "InvalidError" in done.stdout, done
        return done.stdout.count("shown\n") == 3 and done.stdout.count("beside\n") == 3

    # The client doesn't wait for all that it shows.
    until(shown, "three outputs of two streams")


def check_stdin_after_its_end():
    process = box().exec("cat")
    process.stdin.write("x")
    process.stdin.write_eof()
    process.stdin.drain()
    with raises(ValueError):
        process.stdin.write("late")
    same((process.stdout.read(), process.wait()), ("x", 0))


def check_words_that_are_none():
    with raises((InvalidError, TypeError)):
        box().exec("echo", 5)
    with raises(InvalidError):
        box().exec("pwd", workdir="relative")
    with raises(Exception):
        run(box(), "true", workdir="/not/there")


if __name__ == "__main__":
    main(globals())
