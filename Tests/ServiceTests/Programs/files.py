"""A sandbox's files from outside, compared with what a program inside sees."""

import base64
import gzip
import hashlib
import io
import json
import os
import random
import socket
import subprocess
import tarfile
import time
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


def values_at_the_edge():
    """Whatever a file's owner says of its time, size and name, the service tells of it and goes on."""
    id = create()["id"]
    # A tmpfs keeps any second of 64 bits.
    inside(id, "import os\nfor n, s in enumerate((-9223372036854, -2**63, 2**63 - 1, 9223372036854, -62167219201, 253402300800)):\n"
               " open(f'/dev/shm/{n}', 'w'); os.utime(f'/dev/shm/{n}', (0, s))\n"
               "os.truncate(os.open('/dev/shm/0', os.O_RDWR), 2**63 - 1)")
    listed = {entry["name"]: entry for entry in get_list(id, "/dev/shm")}
    same(len(listed), 6)
    for name, entry in listed.items():
        told = expect(call("GET", at(id, f"/dev/shm/{name}", "/stat")), 200).json()
        same(told["modified_at"], entry["modified_at"])
    same((listed["4"]["modified_at"], listed["5"]["modified_at"]), ("0000-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z"))
    same(get(id, "/dev/shm/0", 206, headers={"Range": f"bytes={2**63 - 2}-"}).content, b"\0")
    refused("too_large", 416, call("GET", at(id, "/dev/shm/0")))
    # As an archive it is a hole to its end.
    with call("GET", at(id, "/dev/shm", "/archive"), stream=True) as answer:
        same(answer.status_code, 200)
        assert next(answer.iter_content(512))
    # A combining mark joins the slash before it where text is read by characters; the kernel reads bytes.
    put(id, "/tmp/x/\u0301a/\u0301b", b"1", parents="true")
    expect(call("POST", f"/v1/sandboxes/{id}/files/rename", json={"path": "/tmp/x/\u0301a/\u0301b", "to": "/tmp/x/\u0301c"}), 204)
    same(inside(id, "import os; print(ascii(sorted(os.listdir('/tmp/x'))))"), "['\\u0301a', '\\u0301c']\n")
    expect(call("DELETE", at(id, "/tmp/x/\u0301c")), 204)
    same(inside(id, "import os; print(ascii(os.listdir('/tmp/x')))"), "['\\u0301a']\n")


def get_list(id, path):
    return expect(call("GET", at(id, path, "/list")), 200).json()["entries"]


def beside_commands():
    """Files are looked at and made while commands come and go: the one knows nothing of the other's ends."""
    id = create()["id"]

    def looks(worker):
        for _ in range(100):
            expect(call("GET", at(id, "/etc/passwd", "/stat")), 200)

    def makes(worker):
        for number in range(100):
            expect(call("POST", f"/v1/sandboxes/{id}/files/mkdir", json={"path": f"/srv/{worker}/{number}", "parents": True}), 204)

    def commands(worker):
        for _ in range(100):
            same(complete(id, "true")["result"].get("exit_code"), 0)

    workers = (looks, makes, commands, commands)
    in_parallel(len(workers), lambda number: workers[number](number))


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
    """A gigabyte each way, from a generator to a digest."""
    id = create()["id"]
    piece = os.urandom(1 << 20)

    def pieces():
        for _ in range(1024):
            yield piece

    wanted = hashlib.sha256()
    for one in pieces():
        wanted.update(one)
    same(put(id, "/tmp/large", pieces()).json()["size_bytes"], 1 << 30)
    got = hashlib.sha256()
    with session().get(URL + at(id, "/tmp/large"), stream=True, timeout=120) as answer:
        for one in answer.iter_content(1 << 20):
            got.update(one)
    same(got.hexdigest(), wanted.hexdigest())


TYPES = {"none": "application/x-tar", "gzip": "application/gzip", "zstd": "application/zstd"}


def unpack(id, path, archive, status=200, compression="none", **query):
    return expect(call("PUT", at(id, path, "/archive", compression=compression, **query), data=archive, headers={"Content-Type": TYPES[compression]}), status).json()


def tar(*members):
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as made:
        for name, content, values in members:
            one = tarfile.TarInfo(name)
            one.size = len(content)
            for key, value in values.items():
                setattr(one, key, value)
            made.addfile(one, io.BytesIO(content))
    return held.getvalue()


def archives():
    """What is unpacked is what tar would unpack inside, and what is packed is what it would pack."""
    id = create()["id"]
    big = os.urandom(5_000_000)
    archive = tar(("d/f", big, {"mode": 0o4755, "uid": 1000, "gid": 5, "mtime": 1_000_000_000}), ("d/link", b"", {"type": tarfile.SYMTYPE, "linkname": "f"}),
                  ("d/hard", b"", {"type": tarfile.LNKTYPE, "linkname": "d/f"}), ("dev", b"", {"type": tarfile.CHRTYPE}), ("caf\u00e9", b"x", {}))
    look = "import os,hashlib; s=os.stat('%s/d/f'); print(oct(s.st_mode), s.st_uid, s.st_gid, int(s.st_mtime), s.st_nlink, hashlib.sha256(open('%s/d/f','rb').read()).hexdigest(), os.readlink('%s/d/link'), sorted(os.listdir('%s')))"
    for compression, squeeze in (("none", lambda data: data), ("gzip", gzip.compress), ("zstd", lambda data: subprocess.run(["zstd", "-q"], input=data, capture_output=True, check=True).stdout)):
        top = "/srv/" + compression
        told = unpack(id, top, squeeze(archive), compression=compression)
        same((told["entries"], told["size_bytes"], told["left_out"], told["sha256"]), (5, len(big) + 1, ["dev"], hashlib.sha256(archive).hexdigest()))
        same(inside(id, look % ((top,) * 4)), f"0o104755 1000 5 1000000000 2 {hashlib.sha256(big).hexdigest()} f ['caf\u00e9', 'd']\n")
        answer = expect(call("GET", at(id, top, "/archive", compression=compression)), 200)
        same(answer.headers["Content-Type"], TYPES[compression])
        plain = subprocess.run(["zstd", "-qd"], input=answer.content, capture_output=True, check=True).stdout if compression == "zstd" else answer.content
        with tarfile.open(fileobj=io.BytesIO(plain)) as packed:
            same(sorted(packed.getnames()), [".", "caf\u00e9", "d", "d/f", "d/hard", "d/link"])
            same((packed.extractfile("d/f").read(), packed.getmember("d/f").mode, packed.getmember("d/f").uid), (big, 0o4755, 1000))
    # As one of the sandbox's users: what is unpacked is theirs.
    unpack(id, "/tmp/nobodys", archive, user="nobody")
    same(inside(id, "import os; s=os.stat('/tmp/nobodys/d/f'); print(s.st_uid, oct(s.st_mode & 0o7777))"), "65534 0o755\n")
    refused("permission_denied", 403, call("PUT", at(id, "/etc/x", "/archive", user="nobody"), data=archive[:1], headers={"Content-Type": TYPES["none"]}))
    for broken in (b"", b"no archive", archive[:700]):
        same(unpack(id, "/tmp/broken", broken, 400)["reason"], "archive_invalid")
    detail = unpack(id, "/tmp/broken", tar(("../up", b"", {})), 400)["detail"]
    assert "../up" in detail or ".." in detail, detail
    refused("not_found", 404, call("GET", at(id, "/no/such", "/archive")))
    refused("not_a_directory", 409, call("GET", at(id, "/srv/none/d/f", "/archive")))
    same(expect(call("GET", at(id, "/srv", "/archive", compression="lzma")), 400).json()["field"], "compression")
    # A body that breaks off is no archive: and the agent is gone with it.
    host, port = URL.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall((f"PUT /v1/sandboxes/{id}/files/archive?path=/tmp/cut HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
                            f"{os.environ['CORDON_TOKEN']}\r\nContent-Length: 9000000\r\n\r\n").encode() + archive[:1_000_000])
        time.sleep(0.5)
    unpack(id, "/tmp/on", archive)


def swapped():
    """Links that take a directory's place in the middle of an operation lead nowhere, and nothing waits for what is no file."""
    id = create(timeout_seconds=600)["id"]
    inside(id, "import os; os.makedirs('/tmp/outside'); os.makedirs('/tmp/t/a'); open('/tmp/outside/kept', 'w').write('kept')")
    swapper = start(id, "python3", "-c", """
import os, itertools
for turn in itertools.count():
    for make in (lambda: os.symlink('/tmp/outside', '/tmp/t/link'), lambda: os.mkfifo('/tmp/t/fifo'), lambda: os.mkdir('/tmp/t/other')):
        try: make()
        except OSError: pass
    for name in ('link', 'fifo', 'other'):
        try: os.rename('/tmp/t/a', '/tmp/t/was'); os.rename('/tmp/t/' + name, '/tmp/t/a'); os.rename('/tmp/t/was', '/tmp/t/' + name)
        except OSError: pass
        if turn % 50 == 0:
            with open('/tmp/t/size', 'wb') as file: file.truncate(turn * 97 % 3_000_000)
""")
    archive = tar(*((f"a/f{number}", b"x" * 3000, {}) for number in range(200)))
    statuses = {"unpack": set(), "pack": set(), "remove": set()}
    deadline = time.time() + 25
    while time.time() < deadline:
        statuses["unpack"].add(call("PUT", at(id, "/tmp/t", "/archive"), data=archive, headers={"Content-Type": TYPES["none"]}, timeout=60).status_code)
        try:
            answer = call("GET", at(id, "/tmp/t", "/archive"), timeout=60)
            statuses["pack"].add(answer.status_code)
            with tarfile.open(fileobj=io.BytesIO(answer.content)) as packed:
                assert not any(name.endswith("kept") for name in packed.getnames())
        except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError):
            # A file became shorter while it was packed: the answer must not seem whole.
            statuses["pack"].add("broken off")
        statuses["remove"].add(call("DELETE", at(id, "/tmp/t/a", recursive="true"), timeout=60).status_code)
    call("POST", swapper + "/signal", json={"signal": "KILL"})
    assert statuses["unpack"] <= {200, 400, 404, 409} and statuses["pack"] <= {200, 404, "broken off"} and statuses["remove"] <= {204, 404, 409}, statuses
    same(inside(id, "import os; print(os.listdir('/tmp/outside'), open('/tmp/outside/kept').read())"), "['kept'] kept\n", f"{statuses}")


def watching():
    """What happens inside is told as it happens: in a directory, in a tree, in a new part of it, to a file."""
    id = create(timeout_seconds=600)["id"]
    inside(id, "import os; os.makedirs('/tmp/w/sub'); open('/tmp/w/f', 'w')")
    with call("GET", at(id, "/tmp/w", "/watch", recursive="true"), stream=True) as answer:
        lines = expect(answer, 200).iter_lines()
        tell = lambda: json.loads(next(lines))
        same(tell(), {"kind": "watching"})

        def happens(code, *wanted):
            inside(id, "import os\n" + code)
            told, missing = [], list(wanted)
            while missing:
                told.append(tell())
                missing = [one for one in missing if not all(told[-1].get(key) == value for key, value in one.items())]
            return told

        happens("open('/tmp/w/g', 'w').write('x')", {"kind": "created", "path": "g", "is_directory": False}, {"kind": "modified", "path": "g"})
        happens("os.rename('/tmp/w/g', '/tmp/w/sub/h')", {"kind": "renamed", "path": "g", "new_path": "sub/h"})
        happens("open('/tmp/w/sub/h', 'a').write('x')", {"kind": "modified", "path": "sub/h"})
        happens("os.remove('/tmp/w/sub/h')", {"kind": "removed", "path": "sub/h"})
        # Made at once, and watched from then on.
        happens("os.makedirs('/tmp/w/new/deep/er'); open('/tmp/w/new/deep/er/f', 'w')", {"kind": "created", "path": "new", "is_directory": True}, {"kind": "created", "path": "new/deep/er/f"})
        happens("os.rename('/tmp/w/new', '/tmp/w/sub/moved')", {"kind": "renamed", "path": "new", "new_path": "sub/moved", "is_directory": True})
        happens("open('/tmp/w/sub/moved/deep/er/f', 'w').write('y')", {"kind": "modified", "path": "sub/moved/deep/er/f"})
        happens("os.rename('/tmp/w/sub/moved', '/tmp/gone')", {"kind": "removed", "path": "sub/moved"})
        told = happens("open('/tmp/gone/deep/er/f', 'w').write('z'); open(b'/tmp/w/\\xff', 'w')", {"kind": "created", "path_base64": "/w=="})
        assert not any("gone" in str(one) or "moved" in str(one) for one in told), told
        happens("os.chmod('/tmp/w/f', 0o600)", {"kind": "modified", "path": "f"})
        # More than anybody can be told: said, and it goes on.
        happens("for n in range(120_000): open('/tmp/w/flood', 'w').close(); os.remove('/tmp/w/flood')", {"kind": "overflow"})
        # What is watched goes: that is the end.
        inside(id, "import shutil; shutil.rmtree('/tmp/w')")
        last = [json.loads(line) for line in lines]
        same(last[-1]["kind"], "removed")
        same(last[-1]["path"], "")
    # A file; and as events, whose silence is told too.
    inside(id, "open('/tmp/file', 'w')")
    with call("GET", at(id, "/tmp/file", "/watch"), stream=True, headers={"Accept": "text/event-stream"}) as answer:
        lines = answer.iter_lines()
        same([next(lines), next(lines), next(lines)], [b"event: watching", b'data: {"kind":"watching"}', b""])
        same(next(lines), b": ")
        inside(id, "open('/tmp/file', 'w').write('x')")
        while (line := next(lines)) != b"event: modified":
            assert line in (b"", b": "), line
    refused("not_found", 404, call("GET", at(id, "/no/such", "/watch")))
    # Too much to watch is refused, and costs nothing that stays.
    inside(id, "import os\nfor n in range(8300): os.makedirs(f'/tmp/many/{n}')")
    refused("over_budget", 429, call("GET", at(id, "/tmp/many", "/watch", recursive="true")))
    with call("GET", at(id, "/tmp/many", "/watch"), stream=True) as answer:
        expect(answer, 200)
    # Sixteen at a time, and one more once one is over.
    busy = create()["id"]
    watches = [expect(call("GET", at(busy, "/tmp", "/watch"), stream=True), 200) for _ in range(16)]
    told = [watch.iter_lines() for watch in watches]
    for lines in told:
        same(json.loads(next(lines)), {"kind": "watching"})
    full = call("GET", at(busy, "/etc/hostname"))
    same((full.status_code, full.json()["code"]), (429, "resource_exhausted"), full.text)
    watches.pop().close()
    for _ in range(300):
        if (answer := call("GET", at(busy, "/etc/hostname"))).status_code == 200:
            break
        time.sleep(0.1)
    expect(answer, 200)
    for watch in watches:
        watch.close()


def million():
    """A directory of a million entries is listed in pages and removed, and makes nobody wait."""
    id = create(timeout_seconds=600)["id"]
    inside(id, "import os\nos.mkdir('/tmp/many'); os.chdir('/tmp/many')\nfor n in range(1_000_000): os.mknod(f'{n:07}')")
    first = expect(call("GET", at(id, "/tmp/many", "/list", limit="10000")), 200).json()
    second = expect(call("GET", at(id, "/tmp/many", "/list", limit="10000", cursor=first["next_cursor"])), 200).json()
    same([entry["name"] for page in (first, second) for entry in page["entries"]], [f"{number:07}" for number in range(20_000)])
    with call("GET", at(id, "/tmp/many", "/archive", compression="zstd"), stream=True) as answer:
        next(expect(answer, 200).iter_content(1 << 16))
    expect(call("DELETE", at(id, "/tmp/many", recursive="true"), timeout=300), 204)


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
    elif op == 'chmod': os.chmod(a, int(b.rpartition('/')[2], 8))
    elif op == 'stat':
        found = os.stat(a)
        return ['directory', oct(found.st_mode & 0o777)] if os.path.isdir(a) else ['file', oct(found.st_mode & 0o777), found.st_size]
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
        op, a, b = dice.choice(["put", "get", "mkdir", "remove", "rename", "list", "chmod", "stat"]), dice.choice(names), dice.choice(names)
        if op == "rename" and (b + "/").startswith(a + "/"):
            continue
        if op == "chmod":
            b = dice.choice(["700", "755", "711"])
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
        elif op == "chmod":
            answer = call("POST", f"/v1/sandboxes/{id}/files/chmod", json={"path": path, "mode": b})
        elif op == "stat":
            answer = call("GET", at(id, path, "/stat", follow="true"))
        else:
            answer = call("GET", at(id, path, "/list"))
        if answer.status_code >= 300:
            outcomes.append(["error", answer.json()["reason"]])
        elif op == "get":
            outcomes.append(["ok", answer.text])
        elif op == "list":
            outcomes.append(["ok", [entry["name"] for entry in answer.json()["entries"]]])
        elif op == "stat":
            info = answer.json()
            outcomes.append(["ok", [info["kind"], oct(int(info["mode"], 8))] + ([info["size_bytes"]] if info["kind"] == "file" else [])])
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
