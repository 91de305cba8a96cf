"""Secrets: what commands get of them, and that nobody else does."""

import base64
import glob
import hashlib
import json
import os
import random
import re
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import uuid

import wheels

if sys.argv[1] == "dotenv":
    wheels.need("python-dotenv==1.1.1")

from cordon_rest import *

CORDON = os.environ["CORDON_PROGRAMS"] + "/cordon"
ENVIRONMENT = ["python3", "-c", "import json, os; print(json.dumps(dict(os.environ)))"]


def make(name, env, status=201, **more):
    return expect(call("POST", "/v1/secrets", json={"name": name, "env": env, **more}), status).json()


def environment(id, **spec):
    return json.loads(complete(id, *ENVIRONMENT, **spec)["stdout"])


def lifecycle():
    made = make("db", {"USER": "alice", "PASSWORD": "hunter2"})
    same((made["name"], made["keys"], made["version"]), ("db", ["PASSWORD", "USER"], 1))
    for path in ["/v1/secrets/db", "/v1/secrets/" + made["id"]]:
        same(expect(call("GET", path), 200).json(), made)
    assert "hunter2" not in make("db", {"PASSWORD": "hunter2"}, status=409)["detail"]
    same(make("db", {"X": ""}, if_exists="keep")["keys"], ["PASSWORD", "USER"])
    changed = expect(call("PATCH", "/v1/secrets/db", json={"env": {"USER": None, "PORT": "1"}}), 200).json()
    same((changed["keys"], changed["version"]), (["PASSWORD", "PORT"], 2))
    same(expect(call("PUT", "/v1/secrets/db", json={"env": {"ONE": "1"}}), 200).json()["keys"], ["ONE"])
    same(make("db", {"TWO": "2"}, if_exists="replace")["version"], 4)
    for number in range(5):
        make(f"more-{number}", {})
    names, cursor = [], ""
    while cursor is not None:
        page = expect(call("GET", "/v1/secrets?limit=2" + cursor), 200).json()
        names += [secret["name"] for secret in page["secrets"]]
        cursor = page["next_cursor"] and "&cursor=" + page["next_cursor"]
    same(names, ["more-4", "more-3", "more-2", "more-1", "more-0", "db"])
    for status in [204, 404]:
        expect(call("DELETE", "/v1/secrets/db"), status)
    expect(call("GET", "/v1/secrets/db"), 404)
    for wrong in [{"name": "a b", "env": {}}, {"name": "x"}, {"name": "x", "env": {"A-B": "hunter2"}},
                  {"name": "st-" + "a" * 22, "env": {}}, {"name": "x", "env": {"A": ["hunter2"]}}]:
        assert "hunter2" not in expect(call("POST", "/v1/secrets", json=wrong), 400).text


def environments():
    make("one", {"A": "one", "B": "one", "C": "one"})
    make("two", {"B": "two", "C": "two"})
    sources = ["one", {"secret": "two", "required_keys": ["B"]}, {"env": {"D": "inline", "E": "inline"}}]
    main = create(argv=["sh", "-c", "echo $A $B $C $D $E; sleep 1000"], secrets=sources, env={"C": "env", "E": "env"})
    for piece in follow(f"/v1/sandboxes/{main['id']}", pieces=lambda piece: True):
        same(piece, b"one two env inline env\n", "the main command")
        break
    expect(call("PUT", "/v1/secrets/one", json={"env": {"A": "changed"}}), 200)
    expect(call("DELETE", "/v1/secrets/two"), 204)
    got = environment(main["id"], secrets=[{"env": {"E": "exec"}}], env={"B": "exec"})
    same({key: got[key] for key in "ABCDE"}, {"A": "one", "B": "exec", "C": "env", "D": "inline", "E": "exec"})
    same({key: environment(create(secrets=["one"])["id"]).get(key) for key in "AB"}, {"A": "changed", "B": None})
    ran = expect(call("POST", "/v1/run", json={"argv": ["sh", "-c", "echo $A $X"], "secrets": ["one"], "env": {"X": "env"}}), 200)
    same(ran.json()["stdout"], "changed env\n")
    for secrets, status, field in [
        (["none"], 404, "secrets[0]"), ([{"secret": "one", "required_keys": ["A", "GONE"]}], 409, "secrets[0].required_keys[1]"),
        ([{"env": {}, "secret": "one"}], 400, "secrets[0]"), ([{"env": {}}] * 65, 400, "secrets"),
    ]:
        for path, body in [("/v1/sandboxes", {}), (f"/v1/sandboxes/{main['id']}/execs", {"argv": ["true"]})]:
            same(expect(call("POST", path, json={**body, "secrets": secrets}), status).json()["field"], field)


# Where a value must not be


def forms(value):
    return [value.encode(), base64.b64encode(value.encode()).rstrip(b"=")[:-1], value.encode().hex().encode()]


def files(*roots):
    """Every regular file below these, with its content."""
    for root in roots:
        for directory, _, names in os.walk(root):
            for name in names:
                path = os.path.join(directory, name)
                try:
                    if stat.S_ISREG(os.lstat(path).st_mode):
                        yield path, open(path, "rb").read()
                except OSError:
                    pass


def processes():
    """Every other process, with what its command line, its environment and its memory files hold."""
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()):
        shown = {}
        for name in ["cmdline", "environ"] + [f"fd/{name}" for name in listed(f"/proc/{pid}/fd")]:
            path = f"/proc/{pid}/{name}"
            try:
                if name.startswith("fd/") and not os.readlink(path).startswith("/memfd:"):
                    continue
                shown[name] = open(path, "rb").read(64 << 20)
            except OSError:
                pass
        yield pid, shown


def listed(path):
    try:
        return os.listdir(path)
    except OSError:
        return []


def nowhere(directory, value, sandbox=None):
    """Fails where a value is seen that isn't the environment of that sandbox's own processes."""
    found = 0
    for path, content in files(directory, "/run/cordon", "/dev/shm"):
        if not path.startswith(directory + "/program-"):
            assert not any(form in content for form in forms(value)), path
    for pid, shown in processes():
        for name, content in shown.items():
            if any(form in content for form in forms(value)):
                isOwn = sandbox and f"CORDON_SANDBOX_ID={sandbox}".encode() in shown.get("environ", b"")
                assert isOwn and name == "environ", f"{pid}: {name} of {shown.get('cmdline')}"
                found += 1
    return found


def planted(directory, value):
    answers = []

    def ask(method, path, status, **arguments):
        answers.append(call(method, path, **arguments))
        return expect(answers[-1], status)

    ask("POST", "/v1/secrets", 201, json={"name": "s", "env": {"PLANTED": value}}, headers={"Idempotency-Key": "k"})
    ask("POST", "/v1/secrets", 201, json={"name": "s", "env": {"PLANTED": value}}, headers={"Idempotency-Key": "k"})
    ask("POST", "/v1/secrets", 409, json={"name": "s", "env": {"PLANTED": value}})
    ask("PATCH", "/v1/secrets/s", 200, json={"env": {"MORE": value}})
    own = ask("POST", "/v1/sandboxes", 201, json={"secrets": ["s", {"env": {"INLINE": value}}], "argv": ["sleep", "1000"]},
              headers={"Idempotency-Key": "create"}).json()["id"]
    other = ask("POST", "/v1/sandboxes", 201, json={"argv": ["sleep", "1000"]}).json()["id"]
    path = f"/v1/sandboxes/{own}"
    ask("POST", path + "/execs", 201, json={"argv": ["sleep", "1000"], "exec_id": "e", "secrets": [{"env": {"EXEC": value}}]},
        headers={"Idempotency-Key": "exec"})
    # Output is kept: what a program prints of it is found. This one tells a hash.
    hashed = "import hashlib, os; print(*(hashlib.sha256(os.environ[key].encode()).hexdigest() for key in ['PLANTED', 'MORE', 'INLINE']))"
    same(complete(own, "python3", "-c", hashed)["stdout"].split(), [hashlib.sha256(value.encode()).hexdigest()] * 3)
    seen = complete(other, "sh", "-c", "cat /proc/*/environ /proc/*/cmdline | tr '\\0' '\\n'; env; ls -la /proc/1/fd")
    assert value not in seen["stdout"] + seen["stderr"], "another sandbox sees it"
    for body in [
        {"secrets": ["s", {"secret": "s", "required_keys": ["GONE"]}]}, {"secrets": [{"env": {"A": value, "B": 1}}]},
        {"secrets": [{"env": {"A": value}, "x": 1}]}, {"secrets": [{"secret": value + " "}]}, {"secrets": [value + "/"]},
        {"secrets": [{"env": {"A": value + "\0"}}]}, {"secrets": [{"env": {"A": value * 9000}}]},
        {"secrets": [{"env": value}]}, {"secrets": {"A": value}},
    ]:
        for place in ["/v1/sandboxes", "/v1/run", path + "/execs"]:
            ask("POST", place, 409 if "GONE" in json.dumps(body) else 400, json={**body, **({} if place == "/v1/sandboxes" else {"argv": ["true"]})})
    ask("POST", path + "/execs", 409, json={"argv": ["sleep", "1000"], "exec_id": "e", "secrets": [{"env": {"EXEC": value + "x"}}]})
    ask("POST", path + "/execs", 400, json={"argv": ["/no/such/program"], "secrets": ["s"]})
    for place in ["/v1/secrets", "/v1/secrets/s", path, path + "/execs", path + "/execs/e", path + "/events", path + "/logs",
                  path + "/stdout", "/v1/sandboxes", "/metrics", "/openapi.yaml"]:
        ask("GET", place, 200)
    for answer in answers:
        assert not any(form in answer.content for form in forms(value)), f"{answer.request.method} {answer.url}: {answer.text[:300]}"
        assert value not in str(answer.headers)
    assert nowhere(directory, value, own) >= 2, "the search doesn't see the sandbox's own processes"


def still_nowhere(directory, value):
    """After the service was killed and started again: what goes on has the value, and then nothing has."""
    own = next(sandbox["id"] for sandbox in call("GET", "/v1/sandboxes?state=running").json()["sandboxes"]
               if call("GET", f"/v1/sandboxes/{sandbox['id']}/execs/e").status_code == 200)
    path = start(own, "sleep", "1000")
    assert nowhere(directory, value, own) >= 3, "the search doesn't see the sandbox's own processes"
    for place in ["/v1/secrets", f"/v1/sandboxes/{own}", path, f"/v1/sandboxes/{own}/events", "/metrics"]:
        assert value not in expect(call("GET", place), 200).text, place
    expect(call("DELETE", f"/v1/sandboxes/{own}"), 200)
    same(nowhere(directory, value), 0)
    expect(call("DELETE", "/v1/secrets/s"), 204)
    same(nowhere(directory, value), 0)
    # The search finds what is there.
    visible = "visible-" + uuid.uuid4().hex
    create(env={"A": visible})
    try:
        nowhere(directory, visible)
    except AssertionError as error:
        assert "live.db" in str(error), error
    else:
        raise AssertionError("what stands in live.db wasn't found")


def of_service(directory):
    """The processes of this service: name and id."""
    pids = {"cordond": int(os.environ["CORDON_PID"])}
    for pid, shown in processes():
        arguments = shown.get("cmdline", b"").split(b"\0")
        if arguments[0] == b"cordon-launcher" and b"--keep" not in arguments and (directory + "/run").encode() in arguments:
            pids["launcher"] = pid
    for slot in glob.glob(directory + "/run/slots/*"):
        if os.path.exists(slot + "/owner") and b"sb-" in open(slot + "/owner", "rb").read():
            pids["shim"] = int.from_bytes(open(slot + "/process", "rb").read(4), "little")
    for pid, _ in processes():
        try:
            if int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1]) == pids["shim"]:
                pids["init"] = pid
        except OSError:
            pass
    return pids


def cores(directory):
    if resource.getrlimit(resource.RLIMIT_CORE)[1] != 0 and open("/proc/sys/kernel/core_pattern").read().strip() == "core":
        crash = "import os, resource, signal; resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2); os.kill(os.getpid(), signal.SIGSEGV)"
        with tempfile.TemporaryDirectory() as control:
            subprocess.run([sys.executable, "-c", crash], cwd=control)
            assert glob.glob(control + "/core*"), "no core file is written here by those who allow it"
    make("s", {"PLANTED": "hunter2"})
    create(secrets=["s"], argv=["sleep", "1000"])
    pids = of_service(directory)
    same(sorted(pids), ["cordond", "init", "launcher", "shim"])
    account = os.stat(f"/proc/{pids['cordond']}/environ").st_uid
    status = dict(line.split(":\t", 1) for line in open(f"/proc/{pids['cordond']}/status").read().splitlines() if ":\t" in line)
    user = int(status["Uid"].split()[0])
    assert user != 0 and account == 0, "cordond is dumpable: /proc shows it to its own account"
    for path in ["mem", "environ", "maps"]:
        assert not reads(user, f"/proc/{pids['cordond']}/{path}"), path
    for name, pid in pids.items():
        limits = next(line for line in open(f"/proc/{pid}/limits") if line.startswith("Max core file size"))
        same(limits.split()[4:6], ["0", "0"], f"{name}: {limits}")
    places = {name: os.readlink(f"/proc/{pid}/cwd") for name, pid in pids.items()}
    before = {place: set(glob.glob(place + "/core*")) for place in [*places.values(), directory, "/"]}
    for name in ["init", "shim", "launcher", "cordond"]:
        try:
            os.kill(pids[name], signal.SIGSEGV)
        except ProcessLookupError:
            assert name == "shim", name
        time.sleep(0.5)
    for place, known in before.items():
        same(set(glob.glob(place + "/core*")), known, f"core files in {place}")
    same([path for path, _ in files(directory) if re.fullmatch(r"core(\.\d+)?", os.path.basename(path))], [])


def reads(user, path):
    """Whether somebody can read a file."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            with open(path, "rb") as file:
                file.read(1)
            os._exit(0)
        except OSError as error:
            # Reading the memory at nothing: it could be opened.
            os._exit(0 if error.errno == 5 else 1)
    return os.waitpid(child, 0)[1] == 0


# Kills


def before_the_kill(directory):
    make("kept", {"A": "hunter2"})
    id = create(secrets=["kept", {"env": {"B": "inline"}}], timeout_seconds=600)["id"]
    expect(call("PUT", "/v1/secrets/kept", json={"env": {"A": "changed"}}), 200)
    json.dump({"id": id}, open(directory + "/kept.json", "w"))


def create_until_killed(directory):
    with open(directory + "/answered", "a") as answered:
        while True:
            name = "n-" + uuid.uuid4().hex
            try:
                answer = call("POST", "/v1/secrets", json={"name": name, "env": {"NAME": name}})
            except LOST:
                return
            if expect(answer, 201, 429).status_code == 201:
                print(name, file=answered, flush=True)


def after_the_kill(directory):
    names, cursor = set(), ""
    while cursor is not None:
        page = expect(patiently("GET", "/v1/secrets?limit=1000" + cursor), 200).json()
        names |= {secret["name"] for secret in page["secrets"]}
        cursor = page["next_cursor"] and "&cursor=" + page["next_cursor"]
    answered = open(directory + "/answered").read().split()
    assert answered and not set(answered) - names, "a secret that was answered is gone"
    id = json.load(open(directory + "/kept.json"))["id"]
    got = environment(id, secrets=[answered[-1]])
    same([got["A"], got["B"], got["NAME"]], ["hunter2", "inline", answered[-1]])


# Keys


def before_the_rotation(directory):
    make("s", {"A": "1"})
    json.dump({"id": create(secrets=["s"], timeout_seconds=600)["id"]}, open(directory + "/kept.json", "w"))


def after_the_rotation(directory):
    same(environment(json.load(open(directory + "/kept.json"))["id"])["A"], "1")
    same(environment(create(secrets=["s"])["id"])["A"], "1")


def sealed_with(key):
    make("s", {"A": "1"})
    id = create(secrets=["s"])["id"]
    for file, query in [("catalog", "SELECT key_id FROM secrets"), ("live", "SELECT key_id FROM sandbox_secrets")]:
        with sqlite3.connect(f"file:{DATA_DIRECTORY}/service/{file}.db?mode=ro", uri=True) as database:
            same(database.execute(query).fetchall(), [(key,)], file)
    same(environment(id)["A"], "1")


# The command line


def cordon(*arguments, input=b"", status=0):
    variables = {"CORDON_CREDENTIALS": os.environ["CORDON_CREDENTIALS"], "PATH": os.environ["PATH"], "OURS": "from outside"}
    done = subprocess.run([CORDON, *arguments], input=input, capture_output=True, timeout=60, env=variables)
    same(done.returncode, status, f"cordon {' '.join(arguments)}: {done.stdout[:300]} {done.stderr[:600]}")
    assert b"hunter2" not in done.stdout + done.stderr or "run" in arguments or "exec" in arguments, done.stdout + done.stderr
    return done.stdout


def command_line():
    id = cordon("secret", "create", "s", "A=hunter2", "OURS", "--from-stdin", input=b"A=stdin\nB='b c'\n").decode().strip()
    assert id.startswith("st-"), id
    same(cordon("secret", "ls"), b"s  A,B,OURS\n")
    same(cordon("secret", "ls", "-q"), b"s\n")
    same(json.loads(cordon("secret", "ls", "--json"))["id"], id)
    same(json.loads(cordon("secret", "inspect", "s"))["keys"], ["A", "B", "OURS"])
    show = ["--", "sh", "-c", "echo $A $B $OURS $C"]
    same(cordon("run", "--secret", "s", *show), b"hunter2 b c from outside\n")
    box = cordon("create", "--secret", "s").decode().strip()
    same(cordon("secret", "update", id, "B-", "C=c"), b"A\nC\nOURS\n")
    same(cordon("exec", "--secret", "s", box, *show), b"hunter2 b c from outside c\n")
    with tempfile.NamedTemporaryFile("w", suffix=".env") as file:
        file.write("export A=hunter2 # comment\n")
        file.flush()
        same(cordon("secret", "update", "s", "--replace", "--from-dotenv", file.name), b"A\n")
        file.write("hunter2\n")
        file.flush()
        cordon("secret", "update", "s", "--from-dotenv", file.name, status=64)
    cordon("secret", "create", "s", status=125)
    same(cordon("secret", "create", "s", "--if-exists", "keep").decode().strip(), id)
    cordon("secret", "create", "t", "NOT_OURS", status=64)
    cordon("run", "--secret", "none", "--", "true", status=125)
    same(cordon("secret", "rm", "s"), b"s\n")
    cordon("secret", "rm", "s", status=1)
    same(cordon("secret", "ls"), b"")


def dotenv():
    from dotenv import dotenv_values

    chance = random.Random(os.environ.get("DOTENV_SEED", "1"))
    box = create(timeout_seconds=600)["id"]
    make("dotenv", {})

    def text(alphabet, most=12):
        return "".join(chance.choice(alphabet) for _ in range(chance.randrange(most)))

    def value():
        kind = chance.randrange(4)
        if kind == 0:
            plain = text("ab1 \t#=$(){}\\'\"`!;ü€:/-")
            return "x" + plain if plain.lstrip()[:1] in ("'", '"') else plain
        if kind == 1:
            return "'" + "".join(chance.choice(["a", "\\'", "\\n", "$", "#", " ", "\n", '"', "é", "\\\\x"]) for _ in range(chance.randrange(9))) + "'"
        if kind == 2:
            tokens = ["a", "'", "\\n", "\\t", '\\"', "\\\\x", "\\x", "#", " ", "\n", "$A", "${A}", "日"]
            return '"' + "".join(chance.choice(tokens) for _ in range(chance.randrange(9))) + '"'
        return chance.choice(["", "word", "two words", "a#b", "a #b", "=", "==a"])

    for round in range(30):
        end = chance.choice(["\n", "\n", "\r\n"])
        lines = []
        for number in range(chance.randrange(1, 40)):
            if chance.random() < 0.2:
                lines.append(chance.choice(["", "   ", "# comment", "\t# 'comment", "#"]))
            given = value()
            behind = chance.choice(["", "", " ", "  # comment", " #"]) if given[:1] in ("'", '"') else ""
            lines.append(chance.choice(["", " ", "export ", "\texport\t"]) + f"V{chance.randrange(30)}" + chance.choice(["=", " = ", "= ", "\t="]) + given + behind)
        content = end.join(lines) + chance.choice(["", end])
        with tempfile.NamedTemporaryFile("w", suffix=".env", newline="") as file:
            file.write(content)
            file.flush()
            with open(file.name, newline="") as reread:
                wanted = dotenv_values(stream=reread, interpolate=False)
            cordon("secret", "update", "dotenv", "--replace", "--from-dotenv", file.name)
        got = environment(box, secrets=["dotenv"])
        same({key: got.get(key) for key in wanted}, dict(wanted), f"round {round}: {content!r}")
        same(sorted(key for key in got if key[0] == "V"), sorted(wanted), f"round {round}: {content!r}")


if __name__ == "__main__":
    run_check(globals())
