"""What differs between images, and what came of what."""

import base64
import json
import os
import random
import subprocess
import tempfile

from cordon_rest import *


def snapshot(id, **order):
    return expect(call("POST", f"/v1/sandboxes/{id}/snapshots", json=order), 201).json()


def shell(id, script):
    done = complete(id, "sh", "-euc", script)
    assert done["result"]["exit_code"] == 0, (script, done)
    return done["stdout"]


def diff(before, after, status=200, **parameters):
    """All pages of it, as bytes of paths and what they became."""
    changes, cursor = [], None
    while True:
        more = {"cursor": cursor} if cursor else {}
        page = expect(call("GET", f"/v1/images/{before}/diff/{after}", params={**parameters, **more}), status).json()
        if status != 200:
            return page
        changes += page["changes"]
        cursor = page["next_cursor"]
        if not cursor:
            return changes


def path_of(change):
    return base64.b64decode(change["path_base64"]) if "path_base64" in change else change["path"].encode()


def command_line(*arguments, status=0):
    program = os.path.join(os.environ["CORDON_PROGRAMS"], "cordon")
    ran = subprocess.run([program, *arguments], capture_output=True, text=True)
    assert ran.returncode == status, (arguments, ran)
    return ran.stdout


# Makes a tree from a seed, changes one in every way there is, and describes one.
TREE = r"""
import hashlib, json, os, random, shutil, stat, sys

def content(r): return r.randbytes(r.randrange(60)) if r.random() < .5 else b"line\n" * r.randrange(9)

def write(path, r):
    with open(path, "wb") as f: f.write(content(r))

def fill(top, r, count):
    directories = [top]
    for _ in range(count):
        name = b"bad\xff%d" % r.randrange(99) if r.random() < .04 else r.choice([b"n%d", b"n-%d", b"n %d", "ü%d".encode()]) % r.randrange(10 ** 6)
        path = os.path.join(r.choice(directories), name)
        if os.path.lexists(path): continue
        kind = r.random()
        if kind < .3: os.mkdir(path); directories.append(path)
        elif kind < .4: os.symlink(r.choice([b"a", b"b", b"/nowhere"]), path)
        elif kind < .43: os.mkfifo(path)
        else: write(path, r)

def make(top, seed):
    top = os.fsencode(top)
    os.mkdir(top)
    fill(top, random.Random(seed), 400)

def decodable(path):
    try: path.decode(); return True
    except UnicodeDecodeError: return False

def change(top, seed):
    r, top = random.Random(seed), os.fsencode(top)
    for _ in range(40):
        all = [os.path.join(d, n) for d, ds, fs in os.walk(top) for n in ds + fs]
        path = r.choice(all)
        kind = r.random()
        if kind < .2: shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
        elif not decodable(path): continue
        elif os.path.isdir(path) and not os.path.islink(path):
            other = os.path.join(r.choice([top, os.path.dirname(path)]), b"moved%d" % r.randrange(99))
            if kind < .4: os.chmod(path, r.choice([0o700, 0o755, 0o711]))
            elif kind < .6: shutil.rmtree(path); os.mkdir(path); fill(path, r, 9)
            elif kind < .8 and not os.path.lexists(other): os.rename(path, other)
            else: shutil.rmtree(path); write(path, r)
        elif kind < .3: os.lchown(path, r.randrange(99), r.randrange(99))
        elif kind < .5: os.unlink(path); os.symlink(r.choice([b"a", b"b"]), path)
        elif kind < .6: os.unlink(path); os.mkdir(path); fill(path, r, 5)
        elif os.path.isfile(path) and not os.path.islink(path):
            if kind < .7: same = open(path, "rb").read(); open(path, "wb").write(same)
            else: write(path, r)
    fill(top, r, 30)

def describe(top):
    known = {}
    for directory, names, others in os.walk(os.fsencode(top)):
        for name in names + others:
            path = os.path.join(directory, name)
            s = os.lstat(path)
            said = [oct(s.st_mode), s.st_uid, s.st_gid]
            if stat.S_ISLNK(s.st_mode): said.append(os.readlink(path).hex())
            elif stat.S_ISREG(s.st_mode): said.append(open(path, "rb").read().hex())
            known[path.hex()] = said
    print(json.dumps(known))

{"make": make, "change": change, "describe": describe}[sys.argv[1]](sys.argv[2], *map(int, sys.argv[3:]))
"""


def tree(id, *arguments):
    done = complete(id, "python3", "-c", TREE, *arguments)
    assert done["result"]["exit_code"] == 0, done["stderr"][-2000:]
    return done["stdout"]


def described(id, top):
    return {bytes.fromhex(path): said for path, said in json.loads(tree(id, "describe", top)).items()}


def expected(before, after):
    """What differs, with what lies below names that no path leads to left out."""
    def hidden(path):
        try:
            os.path.dirname(path).decode()
        except UnicodeDecodeError:
            return True
        return False
    kinds = {}
    for path in before.keys() | after.keys():
        if before.get(path) != after.get(path) and not hidden(path):
            kinds[path] = "added" if path not in before else "removed" if path not in after else "modified"
    return kinds


def random_changes(seed):
    seed = int(seed)
    id = create(timeout_seconds=600)["id"]
    tree(id, "make", "/srv/t", str(seed))
    first = described(id, "/srv/t")
    one = snapshot(id)["id"]
    # On the image, so that there is a layer below to be hidden, moved and opened anew.
    other = create(image=one, timeout_seconds=600)["id"]
    tree(other, "change", "/srv/t", str(seed * 100))
    second = described(other, "/srv/t")
    two = snapshot(other)["id"]
    third_box = create(image=two, timeout_seconds=600)["id"]
    tree(third_box, "change", "/srv/t", str(seed * 100 + 1))
    third = described(third_box, "/srv/t")
    three = snapshot(third_box)["id"]
    known = {one: first, two: second, three: third}
    assert len(expected(first, second)) > 30, expected(first, second)
    for before, after in [(one, two), (two, three), (one, three), (three, one), (two, one)]:
        got = diff(before, after, path="/srv/t", limit=37)
        paths = [path_of(change) for change in got]
        same(len(set(paths)), len(paths), "each path once")
        kinds = {path_of(change): change["kind"] for change in got if path_of(change) != b"/srv/t"}
        differing({path: kind for path, kind in expected(known[before], known[after]).items()}, kinds, f"{before} {after}")
        for change in got:
            same(("before" in change, "after" in change), (change["kind"] != "added", change["kind"] != "removed"), change)
    # What a sandbox that runs has changed is what its image and its snapshot differ in: pages are the same as all at once.
    same(diff(one, two, path="/srv/t", limit=37), diff(one, two, path="/srv/t"), "pages")
    same(diff(one, one), [], "nothing")


def differing(wanted, got, what):
    if wanted != got:
        raise AssertionError(f"{what}: missing {sorted(wanted.items() - got.items())[:5]}, more {sorted(got.items() - wanted.items())[:5]}")


def of_host():
    id = create()["id"]
    licenses = shell(id, "cd /usr/share/common-licenses; find . -type f -o -type l | sort").split()
    assert licenses, "the host has some"
    shell(id, "echo a > /srv/new; rm /etc/issue; chmod 700 /opt; mv /usr/share/common-licenses /usr/share/moved; touch /etc/passwd")
    image = snapshot(id)["id"]
    got = {(change["kind"], change["path"]) for change in diff("host", image)}
    wanted = {("added", "/srv/new"), ("removed", "/etc/issue"), ("modified", "/opt"),
              ("removed", "/usr/share/common-licenses"), ("added", "/usr/share/moved")}
    wanted |= {("removed", os.path.normpath(f"/usr/share/common-licenses/{name}")) for name in licenses}
    wanted |= {("added", os.path.normpath(f"/usr/share/moved/{name}")) for name in licenses}
    assert got >= wanted, wanted - got
    assert all(path.split("/")[1] in ("srv", "etc", "opt", "usr", "var", "run", "tmp", "root") for _, path in got - wanted), got - wanted
    assert not {path for _, path in got - wanted if path.startswith(("/etc", "/usr", "/srv"))}, got - wanted
    new = next(change for change in diff("host", image) if change["path"] == "/srv/new")
    same((new["after"]["type"], new["after"]["size_bytes"], new["after"]["mode"]), ("file", 2, "0644"), "a new file")
    lines = command_line("snapshot", "diff", "host", image, status=1).splitlines()
    same(len(lines), len(got), "lines")
    assert "A /srv/new" in lines and "D /etc/issue" in lines and "M /opt" in lines, lines
    same(command_line("snapshot", "diff", image, image), "", "nothing")


def texts():
    id, r = create()["id"], random.Random(7)
    words = ["", "x", "}", "return 1", "ü" * 9, "  indented"]

    def text(lines):
        return "\n".join(lines) + ("\n" if r.random() < .8 and lines else "")

    def edited(lines):
        lines = list(lines)
        for _ in range(r.randrange(1, 6)):
            at = r.randrange(len(lines) + 1)
            lines[at:at + r.randrange(4)] = [r.choice(words) for _ in range(r.randrange(4))]
        return lines

    before, after = {}, {}
    for number in range(60):
        lines = [r.choice(words) + (str(r.randrange(99)) if r.random() < .6 else "") for _ in range(r.randrange(60))]
        before[f"f{number}"], after[f"f{number}"] = text(lines), text(edited(lines))
    before["gone"], after["new"] = "a\nb\n", "c\nd"
    shell(id, "mkdir /srv/t")
    for name, content in before.items():
        expect(call("PUT", f"/v1/sandboxes/{id}/files", params={"path": f"/srv/t/{name}"}, data=content.encode(),
                    headers={"Content-Type": "application/octet-stream"}), 200, 201)
    shell(id, "printf 'a\\0b' > /srv/t/binary; head -c 300000 /dev/zero | tr '\\0' a > /srv/t/large")
    one = snapshot(id)["id"]
    other = create(image=one)["id"]
    for name, content in after.items():
        expect(call("PUT", f"/v1/sandboxes/{other}/files", params={"path": f"/srv/t/{name}"}, data=content.encode(),
                    headers={"Content-Type": "application/octet-stream"}), 200, 201)
    shell(other, "rm /srv/t/gone; printf 'a\\0c' > /srv/t/binary; echo b >> /srv/t/large; chmod 600 /srv/t/f0")
    two = snapshot(other)["id"]
    changes = {change["path"]: change for change in diff(one, two, path="/srv/t", unified="true")}
    same((changes["/srv/t/binary"].get("unified_omitted"), changes["/srv/t/large"].get("unified_omitted")),
         ("binary", "too_large"), "what is no text")
    printed = command_line("snapshot", "diff", "--unified", "--path", "/srv/t", one, two, status=1)
    with tempfile.TemporaryDirectory() as directory:
        os.makedirs(f"{directory}/srv/t")
        for name, content in before.items():
            with open(f"{directory}/srv/t/{name}", "w", newline="") as file:
                file.write(content)
        patch = "".join(change.get("unified", "") for change in changes.values())
        assert patch and patch in printed or all(line in printed for line in patch.splitlines()), "the command line's"
        ran = subprocess.run(["patch", "-p1", "--quiet", "--no-backup-if-mismatch", "-d", directory], input=patch.encode(), capture_output=True)
        assert ran.returncode == 0 and b"offset" not in ran.stdout and b"fuzz" not in ran.stdout, ran
        same(sorted(os.listdir(f"{directory}/srv/t")), sorted(after), "the files")
        for name, content in after.items():
            with open(f"{directory}/srv/t/{name}", newline="") as file:
                same(file.read(), content, name)


def trees():
    first = create()["id"]
    shell(first, "echo 1 > /srv/x")
    top = snapshot(first, name="top:1")
    boxes = [create(image=top["id"])["id"] for _ in range(2)]
    below = [snapshot(box)["id"] for box in boxes]
    leaf = snapshot(create(image=below[1])["id"])
    nodes = expect(call("GET", "/v1/images", params={"tree": ""}), 200).json()["nodes"]
    same([(node["depth"], node["id"], node.get("parent"), node.get("sandbox_id")) for node in nodes],
         [(0, top["id"], None, first), (1, below[0], top["id"], boxes[0]), (1, below[1], top["id"], boxes[1]),
          (2, leaf["id"], below[1], leaf["sandbox_id"])], "all")
    same((nodes[0]["names"], nodes[3]["layer_count"], nodes[0]["host_changed"]),
         (["docker.io/library/top:1"], 3, False), "what is told of them")
    part = expect(call("GET", "/v1/images", params={"tree": below[1]}), 200).json()["nodes"]
    same([(node["depth"], node["id"]) for node in part], [(0, below[1]), (1, leaf["id"])], "a part")
    lines = command_line("snapshot", "tree").splitlines()
    same([len(line) - len(line.lstrip()) for line in lines], [0, 2, 2, 4], "indents")
    expect(call("GET", "/v1/images", params={"tree": "none"}), 404)
    # One in the middle goes: what came of it stands by itself.
    expect(call("DELETE", f"/v1/images/{below[1]}"), 200)
    nodes = expect(call("GET", "/v1/images", params={"tree": ""}), 200).json()["nodes"]
    same([(node["depth"], node["id"]) for node in nodes], [(0, top["id"]), (1, below[0]), (0, leaf["id"])], "without it")


def refusals():
    id = create()["id"]
    shell(id, "mkdir /srv/d; echo a > /srv/d/a")
    image, part = snapshot(id)["id"], snapshot(id, kind="directory", path="/srv/d")["id"]
    same(diff(image, part, status=409)["code"], "failed_precondition", "the host's and one that stands on nothing")
    same(diff(image, "none", status=404)["field"], "image", "no image")
    for parameters, field in [
        ({"path": "srv"}, "path"), ({"path": "/a/../b"}, "path"), ({"limit": 0}, "limit"), ({"limit": 1001}, "limit"),
        ({"cursor": "?"}, "cursor"), ({"unified": "maybe"}, "unified"), ({"other": "1"}, "other"),
    ]:
        same(diff("host", image, status=400, **parameters)["field"], field, parameters)
    same(expect(call("GET", "/v1/images", params={"tree": "", "limit": 1}), 400).json()["field"], "limit", "both")
    same(diff("host", image, path="/none"), [], "nowhere")
    same([change["path"] for change in diff("host", image, path="/srv/d/a")], ["/srv/d/a"], "one file")


def chains(seed):
    """With at most four layers: snapshots of snapshots' sandboxes go on and on, and what they show stays the same."""
    seed = int(seed)
    id, flattened = create(timeout_seconds=600)["id"], 0
    tree(id, "make", "/srv/t", str(seed))
    shell(id, "rm /etc/issue; mv /usr/share/common-licenses /usr/share/moved; chmod 711 /opt; setfattr -n user.a -v b /srv/t 2> /dev/null || true")
    previous = None
    for generation in range(11):
        wanted = described(id, "/srv/t")
        image = snapshot(id)
        flattened += len(image["layers"]) == 1 and generation > 0
        assert len(image["layers"]) <= 4, image["layers"]
        if previous:
            same(image["parent"], previous["id"], "the parent")
            paths = {path_of(change): change["kind"] for change in diff(previous["id"], image["id"], path="/srv/t")}
            paths.pop(b"/srv/t", None)
            differing(expected(before, wanted), paths, f"generation {generation}")
        terminate(id)
        id, before, previous = create(image=image["id"], timeout_seconds=600)["id"], wanted, image
        same(described(id, "/srv/t") == wanted, True, f"generation {generation}")
        same(shell(id, "ls /etc/issue /usr/share/common-licenses 2> /dev/null || true; ls -d /usr/share/moved; stat -c %a /opt"),
             "/usr/share/moved\n711\n", "what was removed and renamed")
        tree(id, "change", "/srv/t", str(seed * 1000 + generation))
    assert flattened >= 2, flattened
    # What is mounted is no part of it, and hides something: it has to go first.
    expect(call("POST", f"/v1/sandboxes/{id}/mounts", json={"path": "/mnt/x"}), 204)
    while len(previous["layers"]) < 4:
        previous = snapshot(id)
        terminate(id)
        id = create(image=previous["id"])["id"]
        expect(call("POST", f"/v1/sandboxes/{id}/mounts", json={"path": "/mnt/x"}), 204)
    refused = expect(call("POST", f"/v1/sandboxes/{id}/snapshots", json={}), 409).json()
    assert "unmount" in refused["detail"], refused
    expect(call("DELETE", f"/v1/sandboxes/{id}/mounts", params={"path": "/mnt/x"}), 204)
    same(len(snapshot(id)["layers"]), 1, "layers")


run_check({f.__name__: f for f in (random_changes, of_host, texts, trees, refusals, chains)})
