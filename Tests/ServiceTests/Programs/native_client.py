"""examples/native-client through a real terminal, and through pipes."""

import hashlib
import json
import os
import subprocess
import sys
import time

import pexpect

CREDENTIALS = os.environ["CORDON_CREDENTIALS"]


def service():
    """The REST API over TLS: its certificate is the one that the credentials hold."""
    with open(CREDENTIALS) as file:
        credentials = json.load(file)
    if "ca_certificate" in credentials:
        path = os.path.join(os.path.dirname(os.path.realpath(CREDENTIALS)), "ca.pem")
        os.environ["REQUESTS_CA_BUNDLE"] = path
    import cordon_rest
    return cordon_rest


def a_terminal(program):
    rest = service()
    id = rest.create()["id"]
    exec = rest.start(id, "bash", "--norc", "--noprofile", "-i", pty={"rows": 10, "cols": 20}, env={"PS1": "ready> "}).rsplit("/", 1)[1]
    terminal = pexpect.spawn(program, [CREDENTIALS, id, exec], dimensions=(33, 77), timeout=30, encoding="utf-8")
    terminal.delaybeforesend = None
    terminal.expect_exact("ready> ")

    def type(line):
        # A shell shows its prompt anew when the size changes: the mark tells where the output ends.
        terminal.send(line + "; echo mark$((40+2))\r")
        terminal.expect_exact("mark42")
        return terminal.before

    for _ in range(50):
        if "33 77" in type("stty size"):
            break
        time.sleep(0.1)
    else:
        raise AssertionError("the terminal has not our size: " + terminal.before)
    terminal.setwinsize(21, 43)
    for _ in range(50):
        if "21 43" in type("stty size"):
            break
        time.sleep(0.1)
    else:
        raise AssertionError("the terminal has not our new size: " + terminal.before)
    terminal.send("sleep 100\r")
    time.sleep(0.5)
    terminal.send("\x03")
    assert "130" in type("echo $?"), terminal.before
    terminal.send("exit 42\r")
    terminal.expect(pexpect.EOF)
    terminal.close()
    rest.same(terminal.exitstatus, 42, "exit status")


def pipes(program):
    rest = service()
    id = rest.create()["id"]
    exec = rest.start(id, "sh", "-c", "cat; echo done >&2; exit 7").rsplit("/", 1)[1]
    data = os.urandom(30_000_000)
    done = subprocess.run([program, CREDENTIALS, id, exec], input=data, capture_output=True, timeout=120)
    rest.same(done.stdout, data, "what came back")
    rest.same(done.stderr, b"done\n", "stderr")
    rest.same(done.returncode, 7, "exit status")
    exec = rest.start(id, "sh", "-c", "kill -9 $$").rsplit("/", 1)[1]
    rest.same(subprocess.run([program, CREDENTIALS, id, exec], stdin=subprocess.DEVNULL).returncode, 137, "a signal")
    bad = subprocess.run([program, CREDENTIALS, id, "nothing"], stdin=subprocess.DEVNULL, capture_output=True)
    assert bad.returncode == 125 and b"404" in bad.stderr, bad


def through_restarts(program, control):
    """Bytes go in and come out whole while the service is killed and started again."""
    rest = service()
    id = rest.create(timeout_seconds=600)["id"]
    exec = rest.start(id, "sh", "-c", "cat; exit 3").rsplit("/", 1)[1]
    client = subprocess.Popen([program, CREDENTIALS, id, exec], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    import threading
    digest, count = hashlib.sha1(), [0]

    def read():
        while piece := client.stdout.read1(1 << 20):
            digest.update(piece)
            count[0] += len(piece)

    reader = threading.Thread(target=read)
    reader.start()
    sent, size = hashlib.sha1(), 0
    open(control + "/ready", "w").close()
    while not os.path.exists(control + "/stop"):
        piece = os.urandom(50_000)
        client.stdin.write(piece)
        client.stdin.flush()
        sent.update(piece)
        size += len(piece)
        time.sleep(0.002)
    client.stdin.close()
    status = client.wait(timeout=120)
    reader.join()
    rest.same((count[0], digest.hexdigest()), (size, sent.hexdigest()), "what came back")
    rest.same(status, 3, "exit status")
    assert size > 1_000_000, size


if __name__ == "__main__":
    {f.__name__: f for f in (a_terminal, pipes, through_restarts)}[sys.argv[1]](*sys.argv[2:])
