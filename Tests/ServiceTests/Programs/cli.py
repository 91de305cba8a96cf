"""The `cordon` command against the service."""

import hashlib
import json
import os
import re
import signal
import subprocess
import tempfile
import time

from cordon_rest import *

CORDON = os.environ["CORDON_PROGRAMS"] + "/cordon"


def cordon(*arguments, input=b"", status=0, **variables):
    """Returns stdout and stderr."""
    environment = {**variables, "CORDON_CREDENTIALS": os.environ["CORDON_CREDENTIALS"], "PATH": os.environ["PATH"], "SECRET": "from outside"}
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


def copies():
    """Files and directories go in and out, with names, modes and links; what comes out is ours and stays where it was put."""
    cordon("create", "--name", "box")
    content = os.urandom(3_000_000)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as work:
        def here(name):
            return f"{work}/{name}"

        with open(here("f"), "wb") as file:
            file.write(content)
        os.chmod(here("f"), 0o750)
        cordon("cp", here("f"), "box:/srv/new/name")
        cordon("cp", here("f"), "box:/srv/new")
        cordon("cp", here("f"), "box:/srv/made/")
        same(cordon("exec", "box", "--", "sh", "-c", "cd /srv; stat -c '%n %a' */*; sha256sum */* | cut -d' ' -f1 | uniq")[0].decode(),
             f"made/f 750\nnew/f 750\nnew/name 750\n{hashlib.sha256(content).hexdigest()}\n")
        cordon("cp", "box:/srv/new/name", here("back"))
        same((open(here("back"), "rb").read(), oct(os.stat(here("back")).st_mode & 0o777)), (content, "0o750"))
        same(cordon("cp", "box:/srv/new/name", "-")[0], content)
        cordon("cp", "-", "box:/srv/typed", input=b"typed")
        cordon("cp", "box:/srv/typed", work)
        same(open(here("typed"), "rb").read(), b"typed")
        # A directory: into one that is there, as a new one, and only its content.
        os.makedirs(here("tree/sub"))
        os.symlink("/etc/passwd", here("tree/link"))
        os.mkfifo(here("tree/fifo"))
        os.link(here("f"), here("tree/f"))
        os.link(here("f"), here("tree/sub/g"))
        cordon("cp", here("tree"), "box:/srv/copy")
        cordon("cp", here("tree"), "box:/srv")
        cordon("cp", here("tree/."), "box:/srv/made")
        for place in ("copy", "tree", "made"):
            same(cordon("exec", "box", "--", "sh", "-c", f"cd /srv/{place}; find . | sort; readlink link; [ f -ef sub/g ]")[0].split(),
                 [b".", b"./f", b"./fifo", b"./link", b"./sub", b"./sub/g", b"/etc/passwd"])
        for source, place in (("box:/srv/copy", "out"), ("box:/srv/copy", "."), ("box:/srv/copy/.", "content")):
            cordon("cp", source, here(place))
        for place in ("out", "copy", "content"):
            same(sorted(os.listdir(here(place))), ["f", "fifo", "link", "sub"], place)
            same((os.readlink(here(place) + "/link"), os.path.samefile(here(place) + "/f", here(place) + "/sub/g")), ("/etc/passwd", True))
        # As an archive on stdin and stdout.
        archive = cordon("cp", "box:/srv/copy", "-")[0]
        cordon("cp", "--archive", "-", "box:/srv/again", input=archive)
        same(cordon("exec", "box", "--", "ls", "/srv/again")[0], b"f\nfifo\nlink\nsub\n")
        # What a sandbox makes of it: links on the way and set-id bits do nothing to us, devices don't come.
        cordon("exec", "box", "--", "sh", "-c", f"mkdir -p /srv/evil/d; ln -s {work}/victim /srv/evil/d/out; chmod 6777 /srv/evil/d; cp /bin/true /srv/evil/suid; chmod 6755 /srv/evil/suid")
        os.mkdir(here("victim"))
        cordon("cp", "box:/srv/evil", here("evil"))
        same((oct(os.stat(here("evil/suid")).st_mode & 0o7777), oct(os.stat(here("evil/d")).st_mode & 0o7000), os.listdir(here("victim"))), ("0o755", "0o0", []))
        cordon("exec", "box", "--", "sh", "-c", "rm /srv/evil/d/out; mkdir /srv/evil/d/out; touch /srv/evil/d/out/planted")
        os.rmdir(here("evil/d/out")) if os.path.isdir(here("evil/d/out")) and not os.path.islink(here("evil/d/out")) else None
        cordon("cp", "box:/srv/evil/.", here("evil"))
        same((os.listdir(here("victim")), os.path.islink(here("evil/d/out"))), ([], False), "the link that was there is replaced, not followed")
        # Refusals.
        assert b"no such file" in cordon("cp", "box:/no/such", here("x"), status=125)[1]
        assert b"No such file" in cordon("cp", here("none"), "box:/srv", status=125)[1]
        assert b"no directory" in cordon("cp", here("tree"), "box:/srv/typed", status=125)[1]
        assert b"no running sandbox" in cordon("cp", here("f"), "none:/x", status=125)[1]
        for wrong in ((here("f"), here("g")), ("box:/a", "box:/b"), ("box:relative", here("x")), ("--archive", here("f"), "box:/x")):
            cordon("cp", *wrong, status=64)
        cordon("cp", "--user", "nobody", here("f"), "box:/tmp/nobodys")
        same(cordon("exec", "box", "--", "stat", "-c", "%U", "/tmp/nobodys")[0], b"nobody\n")


def edits():
    """A file is replaced once the editor has changed it, and left alone otherwise."""
    cordon("create", "--name", "box")
    cordon("cp", "-", "box:/tmp/f", input=b"one\n")
    with tempfile.TemporaryDirectory() as work:
        cordon("edit", "box:/tmp/f", EDITOR="sed -i s/one/two/", TMPDIR=work)
        same(cordon("cp", "box:/tmp/f", "-")[0], b"two\n")
        assert b"nothing was changed" in cordon("edit", "box:/tmp/f", EDITOR="true", TMPDIR=work)[1]
        cordon("edit", "box:/tmp/new", VISUAL="printf new >", TMPDIR=work)
        same(cordon("cp", "box:/tmp/new", "-")[0], b"new")
        same(os.listdir(work), [])
        cordon("edit", "box:/tmp/f", EDITOR="false", status=125, TMPDIR=work)
        # Changed inside meanwhile: neither is lost.
        with open(work + "/editor", "w") as file:
            file.write(f"#!/bin/sh\n{CORDON} exec box -- sh -c 'echo inside > /tmp/f'\necho outside > $1\n")
        os.chmod(work + "/editor", 0o755)
        said = cordon("edit", "box:/tmp/f", EDITOR=work + "/editor", status=125, TMPDIR=work)[1].decode()
        assert "changed meanwhile" in said, said
        same(cordon("cp", "box:/tmp/f", "-")[0], b"inside\n")
        same(open(re.search(r"what you wrote is in (\S+)", said)[1]).read(), "outside\n")
        cordon("edit", "box:/tmp", EDITOR="true", status=125)
        cordon("edit", work, status=64)


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


def ports_and_readiness():
    """Ports are asked for, waited for and reached, as docs/TUNNELS.md begins."""
    serve = ("python3", "-m", "http.server", "8000", "--bind", "127.0.0.1")
    ports = ("--encrypted-port", "8000", "--unencrypted-port", "8001", "--h2-port", "8002")
    id = cordon("create", *ports, "--ready-port", "8000", "--", *serve)[0].decode().strip()
    same(cordon("wait", "--ready", id), (b"", b""))
    shown = [line.split() for line in cordon("tunnels", id)[0].decode().splitlines()]
    same(sorted(line[:2] for line in shown), [["8000", "encrypted"], ["8001", "unencrypted"], ["8002", "h2"]])
    same([json.loads(line)["url"] for line in cordon("tunnels", "--json", id)[0].splitlines()], [line[2] for line in shown])
    url = next(url for port, _, url in shown if port == "8000")
    with tempfile.NamedTemporaryFile() as authority:
        authority.write(cordon("ca")[0])
        authority.flush()
        listing = subprocess.run(["curl", "-sS", "--cacert", authority.name, url], capture_output=True, timeout=60)
        assert b"Directory listing" in listing.stdout, listing
    command = ("--ready-command", "test -e /tmp/ready", "--unencrypted-port", "8000", "--allow-inbound", "192.0.2.0/24")
    late = cordon("create", *command, "--", "sh", "-c", f"sleep 1; touch /tmp/ready; exec {' '.join(serve)}")[0].decode().strip()
    cordon("wait", "--ready", late)
    same(cordon("exec", late, "--", "ls", "/tmp/ready")[0], b"/tmp/ready\n")
    url = cordon("tunnels", late)[0].split()[2].decode().replace("tcp:", "http:")
    # curl's words for one that is reset.
    assert subprocess.run(["curl", "-s", url], capture_output=True, timeout=60).returncode in (7, 52, 56), url
    cordon("create", "--encrypted-port", "0", status=125)
    never = cordon("create", "--ready-command", "false", "--", "sleep", "1")[0].decode().strip()
    cordon("wait", "--ready", never, status=125)


def mounts():
    """Images and empty directories are shown in a running sandbox, and taken away."""
    id = cordon("create", "--name", "box")[0].decode().strip()
    cordon("exec", "box", "--", "sh", "-c", "mkdir -p /srv/d; echo kept > /srv/d/f")
    image = cordon("snapshot", "box", "--path", "/srv/d", "--name", "kept:1")[0].decode().strip()
    cordon("mount", "box", "/mnt/empty")
    cordon("mount", "--image", "kept:1", "--read-only", "box", "/mnt/kept")
    same(cordon("exec", "box", "--", "sh", "-c", "ls /mnt/empty; cat /mnt/kept/f; touch /mnt/empty/x; touch /mnt/kept/x", status=1)[0], b"kept\n")
    assert image.startswith("im-"), image
    cordon("unmount", id, "/mnt/kept")
    cordon("unmount", id, "/mnt/empty")
    cordon("unmount", id, "/mnt/empty", status=125)
    same(cordon("exec", "box", "--", "ls", "/mnt/empty", "/mnt/kept")[0], b"/mnt/empty:\n\n/mnt/kept:\n")
    assert json.loads(cordon("image", "collect")[0]) is not None
    same(cordon("image", "rm", "kept:1")[0].decode().split(), ["kept:1"])


def measures():
    """`cordon bench` measures what runs, and leaves nothing of its own."""
    figures = [json.loads(line) for line in cordon("bench", "--count", "2", "--mebibytes", "1", "--json")[0].splitlines()]
    assert len(figures) > 3, figures
    assert b"Objectives" in cordon("bench", "--count", "2", "--mebibytes", "1")[0]
    same(call("GET", "/v1/sandboxes?state=running").json()["sandboxes"], [], "what still runs")
    cordon("bench", "--count", "0", status=64)


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
    """Where the service and the token come from, and that no secret is shown but to those that ask for it."""
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
    same(shown(HOME="/nowhere", XDG_CONFIG_HOME=directory + "/.config")["credentials"], (own, "the user's"))
    token = directory + "/token"
    with open(token, "w") as file:
        file.write(os.environ["CORDON_TOKEN"] + "\n")
    same(shown("--token-file", token, HOME=directory)["service"][0], "http://127.0.0.1:7747")
    authority = directory + "/ca.pem"
    with open(authority, "wb") as file:
        file.write(cordon("ca")[0])
    far = ("--url", "https://x:1", "--token-file", token)
    same(shown(*far)["trusts"], ("what the system trusts", "default"))
    same(shown(*far, CORDON_CA_FILE=authority)["trusts"], ("a certificate", "CORDON_CA_FILE"))
    listed = subprocess.run([CORDON, "ls", "--token-file", token, "--url", URL], env={}, capture_output=True, timeout=60)
    same(listed.returncode, 0, listed.stderr)
    refused = subprocess.run([CORDON, "ls"], env={"HOME": "/nowhere", "CORDON_TOKEN": "x.y", "CORDON_URL": URL}, capture_output=True, timeout=60)
    same(refused.returncode, 125, refused.stderr)
    exports = subprocess.run(
        ["sh", "-c", 'eval "$("$0" modal-env)" && echo "$MODAL_SERVER_URL $MODAL_TOKEN_ID.$MODAL_TOKEN_SECRET"', CORDON],
        env={"CORDON_CREDENTIALS": path, "PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=60)
    same(exports.stdout.split(), [json.load(open(path))["grpc_url"], os.environ["CORDON_TOKEN"]], exports.stderr)


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
    written = {section.partition("\n")[0]: set(re.findall(r"`(--?[a-z][a-z0-9-]*)`", "\n".join(re.findall(r"^\| (.*?) \|", section, re.MULTILINE))))
               for section in sections[1:]}
    dumped = json.loads(cordon("--experimental-dump-help")[0])["command"]["subcommands"]
    everywhere = {"--url", "--credentials", "--token-file", "--ca-file", "--help", "-h", "-help"}
    commands = [(command["commandName"], command) for command in dumped if "subcommands" not in command]
    commands += [(f"{group['commandName']} {command['commandName']}", command) for group in dumped for command in group.get("subcommands", [])]
    spoken = {name: {("-" if given["kind"] == "short" else "--") + given["name"]
                     for argument in command.get("arguments", []) for given in argument.get("names", [])} - everywhere
              for name, command in commands if not name.split()[-1] == "help"}
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
