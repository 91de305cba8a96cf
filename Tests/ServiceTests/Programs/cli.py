"""The `cordon` command against the service."""

import json
import os
import signal
import subprocess

from cordon_rest import *

CORDON = os.environ["CORDON_PROGRAMS"] + "/cordon"


def cordon(*arguments, input=b"", status=0):
    """Returns stdout and stderr."""
    environment = {"CORDON_CREDENTIALS": os.environ["CORDON_CREDENTIALS"], "PATH": os.environ["PATH"], "SECRET": "from outside"}
    done = subprocess.run([CORDON, *arguments], input=input, capture_output=True, timeout=60, env=environment)
    same(done.returncode, status, f"cordon {' '.join(arguments)}: {done.stdout[:300]} {done.stderr[:600]}")
    return done.stdout, done.stderr


def run_and_its_statuses():
    same(cordon("run", "--", "python3", "-c", "print('hello'); import sys; print('oops', file=sys.stderr)"), (b"hello\n", b"oops\n"))
    cordon("run", "--", "sh", "-c", "exit 42", status=42)
    cordon("run", "--", "sh", "-c", "kill -TERM $$", status=143)
    out, err = cordon("run", "--timeout", "1", "--", "sh", "-c", "echo begun; sleep 1000", status=124)
    assert out == b"begun\n" and b"timed out" in err, (out, err)
    assert b"no such program" in cordon("run", "--", "no-such-program", status=125)[1]
    out, err = cordon("run", "--memory", "64", "--", "python3", "-c", "x = bytearray(1 << 30)", status=137)
    assert b"memory" in err, err
    same(cordon("run", "--env", "A=b c", "--env", "SECRET", "--workdir", "/tmp", "--user", "nobody", "--", "sh", "-c", "echo $A $SECRET; pwd; id -un")[0],
         b"b c from outside\n/tmp\nnobody\n")
    cordon("run", status=64)
    cordon("run", "--name", "a b", "--", "true", status=125)
    same(call("GET", "/v1/sandboxes?state=running").json()["sandboxes"], [], "what still runs")


def run_interactively():
    data = os.urandom(3_000_000)
    same(cordon("run", "-i", "--", "cat", input=data)[0], data, "cat")
    same(cordon("run", "-i", "--", "sh", "-c", "read a; read b; echo $b $a", input=b"one\ntwo\n")[0], b"two one\n")
    same(cordon("run", "--", "cat", input=b"not passed on")[0], b"", "without -i stdin is at its end")
    same(cordon("run", "-i", "--", "head", "-c", "5", input=data)[0], data[:5], "a reader that stops")


def interrupted():
    """SIGINT goes to the command; the sandbox is gone afterwards."""
    program = "trap 'echo interrupted; exit 5' INT; echo ready; while :; do sleep 0.05; done"
    running = subprocess.Popen([CORDON, "run", "--", "bash", "-c", program], stdout=subprocess.PIPE)
    same(running.stdout.readline(), b"ready\n")
    running.send_signal(signal.SIGINT)
    same((running.stdout.read(), running.wait(60)), (b"interrupted\n", 5))
    same(call("GET", "/v1/sandboxes?state=running").json()["sandboxes"], [], "what still runs")


def sandboxes_by_name():
    id = cordon("create", "--name", "box", "--app", "tools", "--tag", "a=b", "--timeout", "100")[0].decode().strip()
    main = cordon("create", "--", "sh", "-c", "echo main; echo err >&2; exit 3")[0].decode().strip()
    listed = cordon("ls")[0].decode().splitlines()
    assert listed[0].split() == ["ID", "APP", "NAME", "STATE", "CREATED"], listed
    assert [id, "tools", "box", "running"] in [line.split()[:4] for line in listed[1:]], listed
    same([json.loads(line)["id"] for line in cordon("ls", "--json", "--tag", "a=b")[0].splitlines()], [id])
    same(cordon("exec", "--app", "tools", "box", "--", "echo", "hi")[0], b"hi\n")
    same(cordon("exec", "-i", id, "--", "tr", "a-z", "A-Z", input=b"loud")[0], b"LOUD")
    cordon("exec", id, "--", "sh", "-c", "exit 9", status=9)
    same(json.loads(cordon("inspect", "--app", "tools", "box")[0])["tags"], {"a": "b"})
    cordon("wait", main, status=3)
    same(cordon("logs", main), (b"main\n", b"err\n"))
    same(cordon("logs", "--follow", main), (b"main\n", b"err\n"))
    assert main in cordon("ls", "--all")[0].decode()
    assert b"no running sandbox" in cordon("inspect", "none", status=125)[1]
    same(cordon("rm", "--app", "tools", "box")[0].decode().strip(), id)
    cordon("rm", "--app", "tools", "box", status=1)
    same(cordon("ls")[0].decode().splitlines()[1:], [])


def killed_in_mid_stream(count="6000"):
    """`cordon run` goes on while the service is killed and restarted, as somebody else does."""
    count = int(count)
    program = f"import time\nfor n in range({count}):\n print(n, flush=True)\n time.sleep(0.001)\nprint(input())"
    running = subprocess.Popen([CORDON, "run", "-i", "--", "python3", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    running.stdin.write(b"from stdin\n")
    running.stdin.close()
    same(running.stdout.read(), b"".join(b"%d\n" % n for n in range(count)) + b"from stdin\n", "what cordon run printed")
    same(running.wait(60), 0)


run_check(globals())
