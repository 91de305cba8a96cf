"""A sandbox's files from outside, compared with what a program inside sees."""

import base64
import hashlib
import json
import os
import random
import socket
import urllib.parse

from cordon_rest import *

OCTETS = {"Content-Type": "application/octet-stream"}


def at(id, path, what="", **query):
    return f"/v1/sandboxes/{id}/files{what}?" + urllib.parse.urlencode({"path": path, **query})


def put(id, path, content, status=200, **query):
    return expect(call("PUT", at(id, path, **query), data=content, headers=OCTETS), status)


def get(id, path, status=200, **arguments):
    return expect(call("GET", at(id, path), **arguments), status)


def inside(id, code):
    done = complete(id, "python3", "-c", code)
    same(done["result"].get("exit_code"), 0, done["stderr"])
    return done["stdout"]


def refused(reason, status, answer):
    same(expect(answer, status).json().get("reason"), reason, answer.text)


def in_and_out():
    id = create()["id"]
    content = os.urandom(3_000_001)
    same(put(id, "/tmp/a/b", content, parents="true", mode="0640").json()["size_bytes"], len(content))
    same(inside(id, "import os,hashlib; print(hashlib.sha256(open('/tmp/a/b','rb').read()).hexdigest(), oct(os.stat('/tmp/a/b').st_mode))"),
         hashlib.sha256(content).hexdigest() + " 0o100640\n")
    answer = get(id, "/tmp/a/b")
    same((answer.content, answer.headers["Cordon-File-Mode"]), (content, "0640"))
    answer = get(id, "/tmp/a/b", 206, headers={"Range": "bytes=1000000-1000099"})
    same((answer.content, answer.headers["Content-Range"]), (content[1000000:1000100], f"bytes 1000000-1000099/{len(content)}"))
    get(id, "/tmp/a/b", 416, headers={"Range": f"bytes={len(content)}-"})
    # Replaced at once: who has the old file open goes on with it.
    put(id, "/tmp/a/b", b"new", atomic="true")
    same((get(id, "/tmp/a/b").content, get(id, "/tmp/a/b").headers["Cordon-File-Mode"]), (b"new", "0640"))
    put(id, "/tmp/empty", b"")
    same(get(id, "/tmp/empty").content, b"")
    assert b"Name:" in get(id, "/proc/self/status").content
    # As one of the sandbox's users.
    put(id, "/tmp/nobodys", b"x", user="nobody", mode="0600")
    same(inside(id, "import os; print(os.stat('/tmp/nobodys').st_uid)"), "65534\n")
    refused("permission_denied", 403, call("GET", at(id, "/tmp/nobodys", user="1000")))
    refused("permission_denied", 403, call("PUT", at(id, "/etc/x", user="nobody"), data=b"", headers=OCTETS))


def changes():
    id = create()["id"]

    def post(what, status=204, **body):
        return expect(call("POST", f"/v1/sandboxes/{id}/files/{what}", json=body), status)

    post("mkdir", path="/tmp/d/e", parents=True, mode="0700")
    refused("exists", 409, post("mkdir", 409, path="/tmp/d/e"))
    refused("not_found", 404, post("mkdir", 404, path="/tmp/x/y"))
    put(id, "/tmp/d/f", b"f")
    post("rename", path="/tmp/d/f", to="/tmp/d/g")
    put(id, "/tmp/d/f", b"f2")
    refused("exists", 409, post("rename", 409, path="/tmp/d/f", to="/tmp/d/g"))
    post("rename", path="/tmp/d/f", to="/tmp/d/g", replace=True)
    post("chmod", path="/tmp/d/g", mode="0755")
    info = expect(call("GET", at(id, "/tmp/d/g", "/stat")), 200).json()
    same((info["kind"], info["mode"], info["size_bytes"], info["path"]), ("file", "0755", 2, "/tmp/d/g"))
    inside(id, "import os; os.symlink('g', '/tmp/d/link'); os.mkfifo('/tmp/d/fifo'); open(b'/tmp/d/\\xff', 'w')")
    entries = expect(call("GET", at(id, "/tmp/d", "/list")), 200).json()["entries"]
    same([(entry.get("name") or base64.b64decode(entry["name_base64"]), entry["kind"]) for entry in entries],
         [("e", "directory"), ("fifo", "fifo"), ("g", "file"), ("link", "link"), (b"\xff", "file")])
    same(expect(call("GET", at(id, "/tmp/d/link", "/stat")), 200).json()["kind"], "link")
    same(expect(call("GET", at(id, "/tmp/d/link", "/stat", follow="true")), 200).json()["kind"], "file")
    refused("not_empty", 409, call("DELETE", at(id, "/tmp/d")))
    expect(call("DELETE", at(id, "/tmp/d", recursive="true")), 204)
    refused("not_found", 404, call("DELETE", at(id, "/tmp/d", recursive="true")))
    refused("invalid", 400, call("DELETE", at(id, "/", recursive="true")))
    same(expect(call("GET", at(id, "relative")), 400).json()["field"], "path")
    terminate(id)
    same(expect(call("GET", at(id, "/tmp")), 409).json()["code"], "failed_precondition")


def nothing_waits_for_what_is_no_file():
    id = create()["id"]
    inside(id, "import os; os.mkfifo('/tmp/fifo'); os.symlink('loop', '/tmp/loop'); os.symlink('/proc/self/fd/0', '/tmp/magic')")
    for path, reason, status in [
        ("/tmp/fifo", "not_a_regular_file", 409), ("/dev/zero", "not_a_regular_file", 409), ("/tmp", "is_a_directory", 409),
        ("/tmp/loop", "link_loop", 409), ("/tmp/magic", "link_loop", 409), ("/proc/1/mem", "permission_denied", 403),
        ("/tmp/" + "x" * 300, "name_too_long", 400),
    ]:
        refused(reason, status, call("GET", at(id, path), timeout=20))
        refused(reason, status, call("PUT", at(id, path), data=b"x" * 1_000_000, headers=OCTETS, timeout=20))
    refused("not_a_regular_file", 409, call("PUT", at(id, "/tmp/fifo", atomic="true"), data=b"x", headers=OCTETS))
    # Its processes are the sandbox's own, and can be killed there: that is an answer, too.
    killer = start(id, "sh", "-c", "while :; do pkill -9 cordon-files; kill -9 $(grep -l cordon-files /proc/[0-9]*/cmdline | cut -d/ -f3); done")
    codes = {call("PUT", at(id, "/tmp/f"), data=b"x" * 5_000_000, headers=OCTETS, timeout=60).status_code for _ in range(20)}
    assert codes <= {200, 409}, codes
    call("POST", killer + "/signal", json={"signal": "KILL"})
    put(id, "/tmp/f", b"on")


def broken_off():
    """What a client that vanishes in the middle leaves: with `atomic`, nothing."""
    id = create()["id"]
    put(id, "/tmp/kept", b"old")
    host, port = URL.removeprefix("http://").split(":")
    for query in ("&atomic=true", ""):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall((f"PUT /v1/sandboxes/{id}/files?path=/tmp/kept{query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
                                f"{os.environ['CORDON_TOKEN']}\r\nContent-Length: 1000000\r\n\r\n").encode() + b"x" * 300_000)
            time.sleep(0.5)
        time.sleep(1)
        listed = inside(id, "import os; print(sorted(os.listdir('/tmp')))")
        same(listed, "['kept']\n")
        if query:
            same(get(id, "/tmp/kept").content, b"old")
        else:
            assert len(get(id, "/tmp/kept").content) <= 300_000


def large():
    """A quarter of a gigabyte each way, from a generator to a digest."""
    id = create()["id"]
    piece = os.urandom(1 << 20)

    def pieces():
        for _ in range(256):
            yield piece

    wanted = hashlib.sha256()
    for one in pieces():
        wanted.update(one)
    same(put(id, "/tmp/large", pieces()).json()["size_bytes"], 256 << 20)
    got = hashlib.sha256()
    with session().get(URL + at(id, "/tmp/large"), stream=True, timeout=120) as answer:
        for one in answer.iter_content(1 << 20):
            got.update(one)
    same(got.hexdigest(), wanted.hexdigest())


def differential(count, seed):
    """Random operations by the API and by a program inside, on two trees that must stay the same."""
    id = create(timeout_seconds=600)["id"]
    dice = random.Random(int(seed))
    model = """
import json, os, shutil, sys
def run(op, a, b):
    a, b = '/tmp/inside/' + a, '/tmp/inside/' + b
    if op == 'put': open(a, 'w').write(b)
    elif op == 'get': return open(a).read()
    elif op == 'mkdir': os.mkdir(a)
    elif op == 'remove': (os.rmdir if os.path.isdir(a) and not os.path.islink(a) else os.remove)(a)
    elif op == 'rename':
        for path in (a, b): os.scandir(os.path.dirname(path)).close()
        os.lstat(a)
        if os.path.lexists(b): raise FileExistsError(17, '')
        os.rename(a, b)
    elif op == 'list': return sorted(os.listdir(a))
os.mkdir('/tmp/inside')
for line in sys.stdin:
    try: print(json.dumps(['ok', run(*json.loads(line))]), flush=True)
    except OSError as error: print(json.dumps(['error', error.errno]), flush=True)
"""
    exec = start(id, "python3", "-c", model)
    expect(call("POST", f"/v1/sandboxes/{id}/files/mkdir", json={"path": "/tmp/outside"}), 204)
    reasons = {2: "not_found", 17: "exists", 20: "not_a_directory", 21: "is_a_directory", 39: "not_empty"}
    names = ["a", "b", "a/c", "b/c", "a/c/d", "b/c/d"]
    lines = []
    outcomes = []
    for _ in range(int(count)):
        op, a, b = dice.choice(["put", "get", "mkdir", "remove", "rename", "list"]), dice.choice(names), dice.choice(names)
        if op == "rename" and (b + "/").startswith(a + "/"):
            continue
        lines.append(json.dumps([op, a, b]))
        path, other = "/tmp/outside/" + a, "/tmp/outside/" + b
        if op == "put":
            answer = call("PUT", at(id, path), data=("/tmp/inside/" + b).encode(), headers=OCTETS)
        elif op == "get":
            answer = call("GET", at(id, path))
        elif op == "mkdir":
            answer = call("POST", f"/v1/sandboxes/{id}/files/mkdir", json={"path": path})
        elif op == "remove":
            answer = call("DELETE", at(id, path))
        elif op == "rename":
            answer = call("POST", f"/v1/sandboxes/{id}/files/rename", json={"path": path, "to": other})
        else:
            answer = call("GET", at(id, path, "/list"))
        if answer.status_code >= 300:
            outcomes.append(["error", answer.json()["reason"]])
        elif op == "get":
            outcomes.append(["ok", answer.text])
        elif op == "list":
            outcomes.append(["ok", [entry["name"] for entry in answer.json()["entries"]]])
        else:
            outcomes.append(["ok", None])
    expect(call("POST", exec + "/stdin?offset=0&eof=true", data="".join(line + "\n" for line in lines).encode(), headers=OCTETS), 200)
    same(ending(exec)["exit_code"], 0)
    for line, ours, theirs in zip(lines, outcomes, whole(exec).decode().splitlines(), strict=True):
        theirs = json.loads(theirs)
        if theirs[0] == "error":
            theirs[1] = reasons[theirs[1]]
        same(ours, theirs, line)


run_check(globals())
