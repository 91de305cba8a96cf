"""Volumes: what sandboxes see of each other's writes, and files from outside."""

import io
import os
import random
import subprocess
import tarfile
import tempfile
import time
import uuid

from cordon_rest import *


def make_volume(name=None, status=201, **body):
    name = name or "v" + uuid.uuid4().hex[:12]
    return expect(patiently("POST", "/v1/volumes", json={"name": name, **body},
                            headers={"Idempotency-Key": uuid.uuid4().hex}), status).json()


def create_with(*mounts, **spec):
    """A sandbox with these volumes: (volume, path) or (volume, path, options)."""
    volumes = [{"volume": mount[0]["id"], "path": mount[1], **(mount[2] if len(mount) > 2 else {})} for mount in mounts]
    return expect(patiently("POST", "/v1/sandboxes", json={"volumes": volumes, "timeout_seconds": 900, **spec},
                            headers={"Idempotency-Key": uuid.uuid4().hex}), 201).json()


def shell(id, script):
    body = {"argv": ["sh", "-euc", script], "wait": True, "exec_id": "e" + uuid.uuid4().hex[:20]}
    done = expect(patiently("POST", f"/v1/sandboxes/{id}/execs", json=body), 200, 201).json()
    if not done.get("result"):
        ending(f"/v1/sandboxes/{id}/execs/{done['id']}")
        done = expect(patiently("POST", f"/v1/sandboxes/{id}/execs", json=body), 200, 201).json()
    assert done["result"]["exit_code"] == 0, (script, done)
    return done["stdout"]


def commit(id):
    return expect(patiently("POST", f"/v1/sandboxes/{id}/volumes/commit"), 200).json()["commits"]


def reload(id, status=204):
    return expect(patiently("POST", f"/v1/sandboxes/{id}/volumes/reload"), status)


def files_of(volume):
    return f"/v1/volumes/{volume['id']}/files"


def read(volume, path, status=200):
    return expect(patiently("GET", files_of(volume), params={"path": path}), status).content


def write(volume, path, content, status=200):
    return expect(call("PUT", files_of(volume), params={"path": path, "parents": "true"}, data=content,
                       headers={"Content-Type": "application/octet-stream"}), status).json()


def names(volume, path="/"):
    found, cursor = [], None
    while True:
        page = expect(patiently("GET", files_of(volume) + "/list",
                                params={"path": path, "limit": 10_000, **({"cursor": cursor} if cursor else {})}), 200).json()
        found += [entry["name"] for entry in page["entries"]]
        cursor = page.get("next_cursor")
        if not cursor:
            return found


def basics():
    volume = make_volume()
    same(make_volume(volume["name"], if_exists="keep")["id"], volume["id"], "the one that is there")
    make_volume(volume["name"], status=409)
    writer = create_with((volume, "/data/deep"))
    same(writer["volumes"], [{"volume": volume["id"], "path": "/data/deep", "read_only": False}], "the sandbox's volumes")
    writer, other = writer["id"], create_with((volume, "/mnt"))["id"]
    shell(writer, "cd /data/deep; echo one > one; mkdir d; echo x > d/x; ln one two; ln -s one link; mkfifo fifo; chmod 600 d/x")
    same(shell(other, "ls /mnt"), "", "nothing before a commit is loaded")
    told = commit(writer)
    assert told[0]["changed"] and told[0]["version"] > volume["version"], told
    same(shell(other, "ls /mnt"), "", "nothing before a reload")
    reload(other)
    same(shell(other, "cd /mnt; cat one link d/x; stat -c '%a %h' d/x one; test -p fifo"), "one\none\nx\n600 1\n644 2\n", "all of it")
    # What was published is not published again.
    shell(other, "echo other > /mnt/one")
    commit(other)
    same(commit(writer)[0]["changed"], False, "nothing new")
    same(shell(writer, "cat /data/deep/one"), "one\n", "the writer's own view")
    same(read(volume, "/one"), b"other\n", "the last writer")
    shell(writer, "rm /data/deep/d/x; echo three > /data/deep/three")
    terminate(writer)
    same((read(volume, "/three"), names(volume, "/d")), (b"three\n", []), "what was written before the end")
    same(read(volume, "/one"), b"other\n", "not what was published long ago")
    # Shown anew well below the root, whatever its path is made of, and published from there.
    deep = create_with((volume, "/srv/a b/c"), (volume, "/srv/\u0301d", {"sub_path": "news"}))["id"]
    write(volume, "/news/here", b"1")
    reload(deep)
    same(shell(deep, "cat '/srv/a b/c/news/here' /srv/\u0301d/here; echo more > '/srv/a b/c/more'; echo 2 > /srv/\u0301d/here"),
         "11", "what came later")
    commit(deep)
    same((read(volume, "/more"), read(volume, "/news/here")), (b"more\n", b"2\n"), "what was written then")
    terminate(deep)
    # Read-only, and a directory alone.
    reader = create_with((volume, "/all", {"read_only": True}), (volume, "/part", {"sub_path": "sub/dir"}),
                         argv=["sh", "-c", "cat /all/three; sleep 600"])["id"]
    assert "Read-only" in complete(reader, "sh", "-c", "echo x > /all/x")["stderr"]
    shell(reader, "echo below > /part/file; cd /; test $(ls /part) = file")
    commit(reader)
    same(read(volume, "/sub/dir/file"), b"below\n", "below the directory")
    # One in another one's path; the outer one can't be shown anew below it.
    inner = make_volume()
    nested = create_with((inner, "/v/in"), (volume, "/v"))["id"]
    shell(nested, "echo inner > /v/in/file; echo outer > /v/file")
    commit(nested)
    same((read(inner, "/file"), read(volume, "/file"), names(volume, "/in")), (b"inner\n", b"outer\n", []), "each its own")
    write(volume, "/later", b"later")
    same(reload(nested, 409).json()["code"], "failed_precondition", "another volume is mounted in it")
    same(shell(nested, "cat /v/in/file /v/file; ls /v/in; test ! -e /v/later"), "inner\nouter\nfile\n", "what is seen after that")
    terminate(nested)
    terminate(other), terminate(reader)
    expect(call("DELETE", f"/v1/volumes/{volume['name']}"), 204)
    expect(call("GET", f"/v1/volumes/{volume['id']}"), 404)


def background():
    """What a sandbox writes is published without being asked, while it runs."""
    volume = make_volume()
    id = create_with((volume, "/data"), argv=["sh", "-c", "echo first > /data/file; sleep 900"])["id"]
    until(lambda: names(volume) == ["file"])
    shell(id, "echo second > /data/file")
    until(lambda: read(volume, "/file") == b"second\n")
    version = expect(call("GET", f"/v1/volumes/{volume['id']}"), 200).json()["version"]
    time.sleep(7)
    same(expect(call("GET", f"/v1/volumes/{volume['id']}"), 200).json()["version"], version, "nothing new, no commit")
    # It ends by itself: published as well.
    short = create_with((volume, "/data"), argv=["sh", "-c", "echo last > /data/last"])["id"]
    ending(f"/v1/sandboxes/{short}")
    same(read(volume, "/last"), b"last\n", "what a short command wrote")


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it didn't come about within a minute"
        time.sleep(0.2)


def conflicts():
    """The rules of docs/VOLUMES.md, one after the other: (what was there, the first's, the other's, what is there then)."""
    rules = [
        ("true", "echo 1 > a", "echo 2 > b", "a=1 b=2"),
        ("true", "echo 1 > a", "echo 2 > a", "a=1"),
        ("echo 0 > a", "rm a", "echo 2 > a", ""),
        ("mkdir d; echo 0 > d/old", "rm -r d", "echo 2 > d/new", "d/new=2"),
        ("mkdir d; echo 0 > d/old", "rm -r d; mkdir d; echo 1 > d/mine", "echo 2 > d/new", "d/mine=1 d/new=2"),
        ("mkdir d; echo 0 > d/old", "rm -r d", "echo 2 > d/old", ""),
        ("mkdir -p d/e; echo 0 > d/e/old", "rm -r d", "echo 2 > d/e/new", "d/e/new=2"),
        ("mkdir d; echo 0 > d/old", "rm -r d; echo 1 > d", "echo 2 > d/new", "d=1"),
        ("mkdir d; echo 0 > d/old", "chmod 700 d", "echo 2 > d/new", "d/new=2 d/old=0"),
        ("echo 0 > d", "rm d; mkdir d; echo 1 > d/a", "echo 2 > d", "d/a=1"),
        ("echo 0 > a", "true", "rm a", ""),
        ("echo 0 > a; echo 0 > b", "mv a c", "echo 2 > b", "b=2 c=0"),
        ("mkdir d; echo 0 > d/a", "mv d/a b; rmdir d", "true", "b=0"),
        ("mkdir -p d/s; echo 0 > d/a; echo 0 > d/b; echo 0 > d/s/c",
         "python3 -c 'import os; os.rename(\"d\", \"e\")'; rm e/b; echo 1 > e/n", "echo 2 > d/new",
         "d/new=2 e/a=0 e/n=1 e/s/c=0"),
        ("mkdir -p a/b c; echo 0 > a/b/x; echo 0 > c/y",
         "python3 -c 'import os; os.rename(\"a/b\", \"c/z\")'; rmdir a; echo 1 > c/z/w", "true", "c/y=0 c/z/w=1 c/z/x=0"),
    ]
    show = r"find . ! -type d -printf '%P=' -exec cat {} \; | sort | tr '\n' ' ' | sed 's/ $//'"

    def rule(number):
        before, first, other, wanted = rules[number]
        volume = make_volume()
        one = create_with((volume, "/data"))["id"]
        shell(one, f"cd /data; {before}")
        commit(one)
        ids = [create_with((volume, "/data"))["id"] for _ in range(2)]
        # The other's is published before the first writes: nothing that happens in the background changes the order.
        shell(ids[1], f"cd /data; {other}")
        commit(ids[1])
        shell(ids[0], f"cd /data; {first}")
        commit(ids[0])
        reload(one)
        same(shell(one, f"cd /data; {show}"), wanted, f"{before} / {first} / {other}")
        reload(ids[0]), reload(ids[1])
        for id in ids:
            same(shell(id, f"cd /data; {show}"), wanted, f"{before} / {first} / {other}, seen by those who wrote")
        for id in ids + [one]:
            terminate(id)

    in_parallel(4, lambda part: [rule(number) for number in range(part, len(rules), 4)])


def model(seed, steps):
    """Sandboxes write, commit, reload and end in any order; a model says what must be there."""
    r = random.Random(int(seed))
    volume = make_volume()
    head, sandboxes, count = {}, {}, 0
    directories = ["", "d/", "d/e/", "f/"]

    def publish(state):
        for name in state["before"].keys() - state["view"].keys():
            head.pop(name, None)
        for name in state["touched"]:
            if name in state["view"]:
                head[name] = state["view"][name]
        state["before"], state["touched"] = dict(state["view"]), set()

    for step in range(int(steps)):
        if len(sandboxes) < 2 or (len(sandboxes) < 4 and r.random() < .1):
            id = create_with((volume, "/v"))["id"]
            sandboxes[id] = {"view": dict(head), "before": dict(head), "touched": set()}
        id = r.choice(list(sandboxes))
        state = sandboxes[id]
        script = ["cd /v"]
        for _ in range(r.randrange(1, 5)):
            kind, place = r.random(), r.choice(directories)
            name = place + f"n{r.randrange(4)}"
            if kind < .6:
                count += 1
                script.append(f"mkdir -p ./{place} && echo {count} > {name}")
                state["view"][name] = str(count)
                state["touched"].add(name)
            elif kind < .8 and name in state["view"]:
                script.append(f"rm {name}")
                del state["view"][name]
            elif place:
                gone = [name for name in state["view"] if name.startswith(place)]
                script.append(f"rm -rf {place.rstrip('/')}" + (f" && mkdir {place}" if place == "f/" else ""))
                for name in gone:
                    del state["view"][name]
        shell(id, "; ".join(script))
        what = r.random()
        if what < .45:
            commit(id)
            publish(state)
        elif what < .85:
            reload(id)
            publish(state)
            state["view"], state["before"] = dict(head), dict(head)
        else:
            expect(patiently("DELETE", f"/v1/sandboxes/{id}"), 200)
            publish(state)
            del sandboxes[id]
        if id in sandboxes:
            listed = shell(id, "cd /v; find . -type f -printf '%P ' -exec cat {} \\;")
            seen = dict(line.split(" ") for line in listed.splitlines())
            same(sorted(seen.items()), sorted(state["view"].items()), f"step {step}: what {id} sees")
    with tarfile.open(fileobj=io.BytesIO(expect(patiently("GET", files_of(volume) + "/archive", params={"path": "/"}), 200).content)) as tar:
        found = {m.name.removeprefix("./"): tar.extractfile(m).read().decode().strip() for m in tar if m.isfile()}
    same(sorted(found.items()), sorted(head.items()), "what the volume holds in the end")


def outside():
    """Files without a sandbox."""
    volume = make_volume()
    write(volume, "/a/b/file", b"content")
    same((names(volume), names(volume, "/a")), (["a"], ["b"]), "what is there")
    answer = expect(call("GET", files_of(volume), params={"path": "/a/b/file"}, headers={"Range": "bytes=3-5"}), 206)
    same(answer.content, b"ten", "a range")
    post = lambda what, **body: expect(call("POST", files_of(volume) + what, json=body), 204)
    post("/copy", path="/a/b/file", to="/copy")
    post("/rename", path="/a/b", to="/moved")
    post("/mkdir", path="/new/er", parents=True)
    post("/chmod", path="/copy", mode="0600")
    same(expect(call("GET", files_of(volume) + "/stat", params={"path": "/copy"}), 200).json()["mode"], "0600", "the mode")
    same((read(volume, "/moved/file"), read(volume, "/copy"), sorted(names(volume))), (b"content", b"content", ["a", "copy", "moved", "new"]), "then")
    expect(call("DELETE", files_of(volume), params={"path": "/a"}), 204)
    same(expect(call("DELETE", files_of(volume), params={"path": "/moved"}), 409).json()["reason"], "not_empty", "a directory")
    expect(call("DELETE", files_of(volume), params={"path": "/moved", "recursive": "true"}), 204)
    problem = expect(call("GET", files_of(volume), params={"path": "/moved/file"}), 404).json()
    same(problem["value"], "/moved/file", "the path as it was asked for")
    # Half of an upload is nothing.
    before = expect(call("GET", f"/v1/volumes/{volume['id']}"), 200).json()["version"]

    def broken():
        yield b"x" * 100_000
        raise ConnectionResetError

    try:
        call("PUT", files_of(volume), params={"path": "/half"}, data=broken(), headers={"Content-Type": "application/octet-stream"})
    except Exception:
        session().close()
    time.sleep(0.5)
    same(sorted(names(volume)), ["copy", "new"], "after half an upload")
    same(expect(call("GET", f"/v1/volumes/{volume['id']}"), 200).json()["version"], before, "no commit")
    # An archive goes in as one commit, and comes out.
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for number in range(200):
            entry = tarfile.TarInfo(f"many/{number}")
            entry.size = 4
            tar.addfile(entry, io.BytesIO(b"%04d" % number))
    expect(call("PUT", files_of(volume) + "/archive", params={"path": "/"}, data=packed.getvalue(),
                headers={"Content-Type": "application/x-tar"}), 200)
    same(expect(call("GET", f"/v1/volumes/{volume['id']}"), 200).json()["version"], before + 1, "one commit")
    same((len(names(volume, "/many")), read(volume, "/many/7")), (200, b"0007"), "what was unpacked")
    # A sandbox sees it, and what is put there later when it reloads.
    id = create_with((volume, "/v"))["id"]
    same(shell(id, "cat /v/many/42; ls /v/many | wc -l"), "0042200\n", "inside")
    write(volume, "/later", b"later")
    reload(id)
    same(shell(id, "cat /v/later"), "later", "after a reload")


def refusals():
    volume = make_volume()
    id = create_with((volume, "/v"), (volume, "/w", {"read_only": True}))["id"]
    problem = expect(call("DELETE", f"/v1/volumes/{volume['id']}"), 409).json()
    assert id in problem["detail"], problem
    for body, field in [([{"volume": "nobody", "path": "/v"}], "volume"), ([{"volume": volume["id"], "path": "/proc/x"}], "volumes[0].path"),
                        ([{"volume": volume["id"], "path": "/a/../b"}], "volumes[0].path"), ([{"volume": volume["id"]}], "volumes[0].path"),
                        ([{"volume": volume["id"], "path": "/a", "sub_path": "../x"}], "volumes[0].sub_path"),
                        ([{"volume": volume["id"], "path": "/a"}, {"volume": volume["id"], "path": "/a"}], "volumes[1].path"),
                        ([{"volume": volume["id"], "path": f"/{n}"} for n in range(17)], "volumes")]:
        same(expect(call("POST", "/v1/sandboxes", json={"volumes": body}), 400, 404).json().get("field"), field, str(body))
    # While something is open there, and afterwards.
    path = start(id, "sh", "-c", "cd /v; exec sleep 600")
    until(lambda: complete(id, "sh", "-c", "ls -l /proc/[0-9]*/cwd 2>/dev/null | grep -c ' /v$'")["stdout"].strip() not in ("", "0"))
    write(volume, "/new", b"new")
    same(reload(id, 409).json()["code"], "failed_precondition", "in use")
    expect(call("POST", path + "/signal", json={"signal": 9}), 200, 204)
    ending(path)
    reload(id)
    same(shell(id, "cat /v/new /w/new"), "newnew", "once nothing is open")
    # Nothing of a sandbox that couldn't start keeps a volume.
    terminate(id)
    other = make_volume()
    refused = call("POST", "/v1/sandboxes", json={"volumes": [{"volume": other["id"], "path": "/v"}], "argv": ["/no/such/program"]})
    assert refused.status_code != 201 or ending(f"/v1/sandboxes/{refused.json()['id']}"), refused.text
    until(lambda: call("DELETE", f"/v1/volumes/{other['id']}").status_code in (204, 404))
    expect(call("PATCH", f"/v1/volumes/{volume['id']}", json={"name": "a/b"}), 400)
    renamed = "n" + uuid.uuid4().hex[:8]
    same(expect(call("PATCH", f"/v1/volumes/{volume['id']}", json={"name": renamed}), 200).json()["name"], renamed, "the name")
    same(read({"id": renamed}, "/new"), b"new", "by its new name")


SOCKETS = r"""
import os, socket, sys, threading
place = sys.argv[1]
if sys.argv[2] == "listen":
    s = socket.socket(socket.AF_UNIX); s.bind(place + "/socket"); s.listen()
    os.mkfifo(place + "/fifo")
    print("ready", flush=True)
    import time; time.sleep(600)
try:
    socket.socket(socket.AF_UNIX).connect(place + "/socket"); print("connected")
except OSError as error: print("socket", error.errno)
try:
    os.open(place + "/fifo", os.O_WRONLY | os.O_NONBLOCK); print("a reader")
except OSError as error: print("fifo", error.errno)
"""


DEEP_SOCKETS = """import os, socket
for level in range(12): os.mkdir('d' * 200); os.chdir('d' * 200)
for number in range(150): socket.socket(socket.AF_UNIX).bind('s%d' % number)
open('file', 'w').write('x')"""


def sockets():
    """A socket or FIFO in a volume connects nothing."""
    volume = make_volume()
    first, second = (create_with((volume, "/v"))["id"] for _ in range(2))
    path = start(first, "python3", "-c", SOCKETS, "/v", "listen")
    next(follow(path))
    start(first, "cat", "/v/fifo")
    commit(first)
    reload(second)
    # No such socket there (2), and nobody who reads the FIFO (6).
    same(complete(second, "python3", "-c", SOCKETS, "/v", "connect")["stdout"], "socket 2\nfifo 6\n", "from another sandbox")
    # Many of them, with paths so long that they fill more than any report of what was left out.
    shell(second, f"cd /v; python3 -c \"{DEEP_SOCKETS}\"")
    terminate(second)
    same(read(volume, "/" + "/".join(["d" * 200] * 12) + "/file"), b"x", "beside the sockets")


def many():
    """Fifty thousand files, and hundreds of commits."""
    volume = make_volume()
    id = create_with((volume, "/v"))["id"]
    shell(id, "cd /v; for d in $(seq 50); do mkdir $d; (cd $d; seq 1000 | split -l 1 -a 3 -d - f); done; ls | wc -l")
    commit(id)
    same((len(names(volume)), len(names(volume, "/50"))), (50, 1000), "all of them")
    begin = time.monotonic()
    for number in range(60):
        shell(id, f"echo {number} > /v/7/f{number:03}")
        commit(id)
    print(f"60 commits of one file of 50,000: {time.monotonic() - begin:.1f} s")
    other = create_with((volume, "/v"))["id"]
    same(shell(other, "cat /v/7/f059; find /v -type f | wc -l"), "59\n50000\n", "by somebody else")
    begin = time.monotonic()
    write(volume, "/one/more", b"x")
    reload(other)
    print(f"a write from outside and a reload: {time.monotonic() - begin:.1f} s")
    same(shell(other, "cat /v/one/more"), "x", "what came from outside")


def command_line():
    name = "c" + uuid.uuid4().hex[:8]
    here = tempfile.mkdtemp()

    def cordon(*arguments, status=0, **options):
        done = subprocess.run([os.path.join(os.environ["CORDON_PROGRAMS"], "cordon"), *arguments], capture_output=True, **options)
        assert done.returncode == status, (arguments, done)
        return done.stdout.decode()

    id = cordon("volume", "create", name).strip()
    os.makedirs(here + "/tree/sub")
    for path, content in [("tree/file", "file\n"), ("tree/sub/other", "other\n")]:
        with open(f"{here}/{path}", "w") as file:
            file.write(content)
    cordon("volume", "put", here + "/tree", f"{name}:/in/tree")
    cordon("volume", "put", "-", f"{name}:/stdin", input=b"typed\n")
    same(cordon("volume", "ls", "-q", f"{name}:/"), "in\nstdin\n", "ls")
    same(cordon("run", "--volume", f"{name}:/v", "--volume", f"{id}/in:/in:ro", "--", "sh", "-c",
                "cat /v/stdin /in/tree/sub/other; echo made > /v/made; touch /in/x 2> /dev/null || echo no"), "typed\nother\nno\n", "run")
    same(cordon("volume", "get", f"{name}:/made", "-"), "made\n", "get")
    cordon("volume", "cp", f"{name}:/made", "/copied")
    cordon("volume", "rm", f"{name}:/made")
    cordon("volume", "get", f"{name}:/in/tree", here + "/out")
    same(open(here + "/out/sub/other").read(), "other\n", "a directory")
    box = cordon("create", "--volume", f"{name}:/v").strip()
    cordon("exec", box, "--", "sh", "-c", "echo x > /v/x")
    assert id in cordon("volume", "commit", box)
    cordon("volume", "reload", box)
    cordon("volume", "delete", name, status=1)
    cordon("rm", box)
    cordon("volume", "rename", name, name + "2")
    assert name + "2" in cordon("volume", "ls")
    cordon("volume", "delete", name + "2")


if __name__ == "__main__":
    run_check({check.__name__: check for check in
               (basics, background, conflicts, model, outside, refusals, sockets, many, command_line)})
