"""The `cordon` command against the service."""

import hashlib
import json
import os
import re
import signal
import subprocess
import time

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
    assert b"no such program" in cordon("run", "--", "no-such-program", status=127)[1]
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
    same(cordon("exec", "tools/box", "--", "echo", "hi")[0], b"hi\n")
    same(cordon("exec", "-i", id, "--", "tr", "a-z", "A-Z", input=b"loud")[0], b"LOUD")
    cordon("exec", id, "--", "sh", "-c", "exit 9", status=9)
    same(json.loads(cordon("inspect", "tools/box")[0])["tags"], {"a": "b"})
    cordon("wait", main, status=3)
    same(cordon("logs", main), (b"main\n", b"err\n"))
    same(cordon("logs", "--follow", main), (b"main\n", b"err\n"))
    assert main in cordon("ls", "--all")[0].decode()
    assert b"no running sandbox" in cordon("inspect", "none", status=125)[1]
    same(cordon("rm", "tools/box")[0].decode().strip(), id)
    cordon("rm", "tools/box", status=1)
    same(cordon("ls")[0].decode().splitlines()[1:], [])


def pipes():
    """Bytes of any kind go through, in both directions, and a reader that stops early is no failure of ours."""
    id = create()["id"]
    data = os.urandom(10_000_000)
    digest = cordon("exec", "-i", id, "--", "sha256sum", input=data)[0].split()[0].decode()
    same(digest, hashlib.sha256(data).hexdigest(), "what the command read")
    same(hashlib.sha256(cordon("exec", "-i", id, "--", "cat", input=data)[0]).hexdigest(), digest, "what it gave back")
    both = "import sys; [(sys.stdout.write('o' * 1000), sys.stderr.write('e' * 1000)) for n in range(2000)]"
    same(cordon("exec", id, "--", "python3", "-c", both), (b"o" * 2_000_000, b"e" * 2_000_000))
    environment = {"CORDON_CREDENTIALS": os.environ["CORDON_CREDENTIALS"], "PATH": os.environ["PATH"]}
    cut = subprocess.run(["bash", "-c", f"{CORDON} exec {id} -- yes | head -n 2; echo ${{PIPESTATUS[0]}}"], env=environment, capture_output=True, timeout=60)
    same((cut.stdout, cut.stderr), (b"y\ny\n141\n", b""))


def logs_in_all_forms():
    program = "echo one; sleep 0.05; echo two >&2; sleep 0.05; printf 'thr'; sleep 0.05; printf 'ee\\n'; printf '\\377\\n'; sleep 2"
    id = cordon("create", "--", "sh", "-c", program)[0].decode().strip()
    began = time.time()
    same(cordon("logs", "-f", id), (b"one\nthree\n\xff\n", b"two\n"))
    assert time.time() - began > 1, "-f goes on until the end"
    entries = [json.loads(line) for line in cordon("logs", "--json", id)[0].splitlines()]
    same("".join(entry.get("text", "") for entry in entries if entry["stream"] == "stderr"), "two\n")
    assert any("base64" in entry for entry in entries) and all(entry["at"] for entry in entries), entries
    stamped = cordon("logs", "-t", id)[0].splitlines()
    same([line.partition(b" ")[2] for line in stamped], [b"one", b"three", b"\xff"])
    assert all(re.match(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z ", line) for line in stamped), stamped
    same(cordon("logs", "--tail", "1", id)[0], b"\xff\n")
    same(cordon("logs", "--since", "1h", id)[0], b"one\nthree\n\xff\n")
    same(cordon("logs", "--since", entries[1]["at"], id)[0].splitlines()[-2:], [b"three", b"\xff"])
    same(cordon("logs", "--since", "0s", id), (b"", b""))
    cordon("logs", "--since", "yesterday", id, status=64)
    many = cordon("create", "--", "sh", "-c", "seq 300000")[0].decode().strip()
    cordon("wait", many)
    same(cordon("logs", many)[0], b"".join(b"%d\n" % n for n in range(1, 300001)))
    same(cordon("logs", "--tail", "3", many)[0], b"299998\n299999\n300000\n")


def changes():
    """tag, set-timeout, events and wait."""
    id = cordon("create", "--name", "changing", "--tag", "a=1", "--tag", "b=2", "--timeout", "100")[0].decode().strip()
    same(cordon("tag", "changing")[0], b"a=1\nb=2\n")
    same(cordon("tag", "changing", "c=3=4", "b-")[0], b"a=1\nc=3=4\n")
    same(json.loads(cordon("tag", "--json", "--replace", "changing", "d=")[0]), {"d": ""})
    same(sandbox(id)["tags"], {"d": ""})
    before = sandbox(id)["deadline"]
    after = cordon("set-timeout", "changing", "500", "--idle", "50")[0].decode().strip()
    assert after > before and sandbox(id)["idle_timeout_seconds"] == 50, (before, after)
    changed = json.loads(cordon("set-timeout", "--json", "--idle", "none", id)[0])
    same((changed["timeout_seconds"], "idle_timeout_seconds" in changed), (500, False))
    cordon("set-timeout", id, status=64)
    assert b"86400" in cordon("set-timeout", id, "1e9", status=125)[1]
    exec = start(id, "sleep", "1").rpartition("/")[2]
    same(json.loads(cordon("inspect", "--json", "--exec", exec, id)[0])["argv"], ["sleep", "1"])
    same(json.loads(cordon("wait", "--json", "--exec", exec, id)[0])["exit_code"], 0)
    followed = subprocess.Popen([CORDON, "events", "-f", "--json", id], stdout=subprocess.PIPE)
    first = json.loads(followed.stdout.readline())
    same(first["number"], 1)
    same(json.loads(cordon("rm", "--json", "changing")[0])["result"]["reason"], "terminated")
    events = [first] + [json.loads(line) for line in followed.stdout]
    same([event["number"] for event in events], list(range(1, len(events) + 1)))
    same((events[-1]["kind"], followed.wait(10)), ("ended", 0))
    shown = cordon("events", "--after", "1", id)[0].decode().splitlines()
    same(len(shown), len(events) - 1)
    assert "terminated" in shown[-1], shown
    cordon("wait", id, status=137)


def json_everywhere():
    """What --json prints, jq reads: documents, one or one on a line."""
    id = cordon("create", "--json", "--name", "shown", "--", "sh", "-c", "echo out; sleep 1000")[0]
    id = json.loads(id)["id"]
    until_written(id)
    for command in [["ls"], ["inspect", id], ["logs", id], ["tag", id], ["set-timeout", id, "99"], ["events", id], ["config"], ["rm", id], ["wait", id]]:
        printed = cordon(command[0], "--json", *command[1:], status=137 if command[0] == "wait" else 0)[0]
        read = subprocess.run(["jq", "-es", "length > 0 and all(.[]; type == \"object\")"], input=printed, capture_output=True, timeout=60)
        same(read.stdout, b"true\n", f"{command}: {printed[:300]}")


def until_written(id):
    for _ in range(300):
        if call("GET", f"/v1/sandboxes/{id}/stdout").content:
            return
        time.sleep(0.05)
    raise AssertionError("nothing was written within 15 s")


def configuration(directory):
    """Where the service and the token come from, and that no secret is shown."""
    secret = json.load(open(os.environ["CORDON_CREDENTIALS"]))["token_secret"]

    def shown(*options, **variables):
        done = subprocess.run([CORDON, "config", "--json", *options], env=variables, capture_output=True, timeout=60)
        same(done.returncode, 0, done.stderr)
        assert secret.encode() not in done.stdout, done.stdout
        return {name: (setting["value"], setting["origin"]) for name, setting in json.loads(done.stdout).items()}

    path = os.environ["CORDON_CREDENTIALS"]
    same(shown("--credentials", path)["service"], (URL, path))
    same(shown(CORDON_CREDENTIALS=path)["credentials"], (path, "CORDON_CREDENTIALS"))
    same(shown("--url", "http://x:1", CORDON_CREDENTIALS=path, CORDON_URL="http://y:2")["service"], ("http://x:1", "--url"))
    os.makedirs(directory + "/.config/cordon")
    own = directory + "/.config/cordon/credentials.json"
    with open(path) as source, open(own, "w") as copy:
        copy.write(source.read())
    same(shown(HOME=directory)["credentials"], (own, "the user's"))
    token = directory + "/token"
    with open(token, "w") as file:
        file.write(os.environ["CORDON_TOKEN"] + "\n")
    same(shown("--token-file", token, HOME=directory)["service"][0], "http://127.0.0.1:7747")
    listed = subprocess.run([CORDON, "ls", "--token-file", token, "--url", URL], env={}, capture_output=True, timeout=60)
    same(listed.returncode, 0, listed.stderr)
    refused = subprocess.run([CORDON, "ls"], env={"HOME": "/nowhere", "CORDON_TOKEN": "x.y", "CORDON_URL": URL}, capture_output=True, timeout=60)
    same(refused.returncode, 125, refused.stderr)


def completion():
    """The scripts are of their shells' languages, and names come from the service."""
    for shell in ["bash", "zsh", "fish"]:
        script = cordon("--generate-completion-script", shell)[0]
        path = f"/tmp/cordon-completion-{os.getpid()}.{shell}"
        with open(path, "wb") as file:
            file.write(script)
        parsed = subprocess.run([shell, "-n", path], capture_output=True, timeout=60)
        os.unlink(path)
        same((parsed.returncode, parsed.stderr), (0, b""), shell)
    id = create(name="findable", app="tools")["id"]
    here = create(name="findable")["id"]
    environment = {"CORDON_CREDENTIALS": os.environ["CORDON_CREDENTIALS"], "PATH": os.path.dirname(CORDON) + ":" + os.environ["PATH"], "HOME": "/nowhere"}
    typed = """
        source <(cordon --generate-completion-script bash)
        COMP_WORDS=(cordon exec "$1"); COMP_CWORD=2; COMP_LINE="cordon exec $1"; COMP_POINT=${#COMP_LINE}; COMP_TYPE=9
        _cordon; printf '%s\\n' "${COMPREPLY[@]}"
    """
    for prefix, wanted in [("fin", {"findable"}), ("tools/", {"tools/findable"}), ("sb-", {id, here}), ("zz", {""})]:
        done = subprocess.run(["bash", "-c", typed, "bash", prefix], env=environment, capture_output=True, timeout=60)
        same({line.strip() for line in done.stdout.decode().split("\n")[:-1]}, wanted, f"{prefix}: {done.stderr}")


def documented(page):
    """docs/CLI.md has every command with its options, and no others."""
    sections = re.split(r"^### cordon ", open(page).read(), flags=re.MULTILINE)
    written = {section.partition("\n")[0]: set(re.findall(r"`(--?[a-z][a-z-]*)`", "\n".join(re.findall(r"^\| (.*?) \|", section, re.MULTILINE))))
               for section in sections[1:]}
    dumped = json.loads(cordon("--experimental-dump-help")[0])["command"]["subcommands"]
    everywhere = {"--url", "--credentials", "--token-file", "--ca-file", "--help", "-h", "-help"}
    spoken = {command["commandName"]: {("-" if name["kind"] == "short" else "--") + name["name"]
                                       for argument in command["arguments"] for name in argument.get("names", [])} - everywhere
              for command in dumped if command["commandName"] != "help"}
    same({command: sorted(options) for command, options in written.items()}, {command: sorted(options) for command, options in spoken.items()})
    assert all(option in sections[0] for option in ["--url", "--credentials", "--token-file", "--ca-file"])


def logs_through_restarts(count="4000"):
    count = int(count)
    program = f"import time\nfor n in range({count}):\n print(n, flush=True)\n time.sleep(0.001)"
    id = patiently("POST", "/v1/sandboxes", json={"argv": ["python3", "-c", program]}, headers={"Idempotency-Key": "logs"}).json()["id"]
    same(cordon("logs", "-f", id)[0], b"".join(b"%d\n" % n for n in range(count)), "what cordon logs printed")


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
