"""Snapshots, and images in sandboxes that run."""

import json
import os
import subprocess
import sys
import time
import uuid

from cordon_rest import *


def snapshot(id, status=201, **order):
    return expect(call("POST", f"/v1/sandboxes/{id}/snapshots", json=order), status).json()


def mount(id, path, status=204, **order):
    answer = expect(call("POST", f"/v1/sandboxes/{id}/mounts", json={"path": path, **order}), status)
    return answer.json() if status != 204 else None


def unmount(id, path, status=204):
    return expect(call("DELETE", f"/v1/sandboxes/{id}/mounts", params={"path": path}), status)


def shell(id, script):
    done = complete(id, "sh", "-euc", script)
    assert done["result"]["exit_code"] == 0, (script, done)
    return done["stdout"]


def filesystem():
    first = create(env={"WHO": "first"}, workdir="/srv")
    shell(first["id"], "echo base > note; mkdir -p deep/er; echo x > deep/er/file; rm /etc/motd 2> /dev/null || true")
    image = snapshot(first["id"], name="work:one")
    same((image["kind"], image["names"], image["sandbox_id"], image.get("base")),
         ("snapshot", ["docker.io/library/work:one"], first["id"], "host"), "the image")
    assert image["entries"] >= 4 and image["left_out_count"] == 0, image
    same(expect(call("GET", f"/v1/images/{image['id']}"), 200).json(), image, "the image by its id")
    # It goes on, and what comes after is not in the image.
    shell(first["id"], "echo later >> note")
    branches = [create(image=image["id"])["id"] for _ in range(7)] + [create(image="work:one")["id"]]
    for number, id in enumerate(branches):
        shell(id, f"cd /srv; echo branch {number} >> note; rm deep/er/file; test $(wc -l < note) = 2")
    for number, id in enumerate(branches):
        same(shell(id, "cat /srv/note; ls /srv/deep/er"), f"base\nbranch {number}\n", f"branch {number}")
    same(shell(first["id"], "cat note deep/er/file"), "base\nlater\nx\n", "the first")
    # A snapshot of a branch stands on the first one.
    second = snapshot(branches[3])
    same((second["parent"], second["layers"][:-1]), (image["id"], image["layers"]), "lineage")
    same(shell(create(image=second["id"])["id"], "cat /srv/note"), "base\nbranch 3\n", "the branch's own")
    # Removed: those that run go on.
    expect(call("DELETE", f"/v1/images/{image['id']}"), 200)
    same(create_refused(image["id"]), "not_found", "a removed image")
    expect(call("POST", "/v1/images/collect"), 200)
    same(shell(branches[0], "cat /srv/note"), "base\nbranch 0\n", "a sandbox whose image is gone")
    same(shell(create(image=second["id"])["id"], "cat /srv/note"), "base\nbranch 3\n", "one that shares its layers")
    tree = subprocess.run([program("cordon"), "snapshot", "tree"], env=os.environ | client_environment(),
                          capture_output=True, text=True, check=True).stdout
    assert second["id"] in tree, tree


def create_refused(image):
    return expect(call("POST", "/v1/sandboxes", json={"image": image}), 404).json()["code"]


def program(name):
    directory = os.environ["CORDON_PROGRAMS"]
    return os.path.join(directory, name)


def client_environment():
    return {key: value for key, value in os.environ.items() if key.startswith("CORDON_")}


def directory():
    first, second, third = (create()["id"] for _ in range(3))
    shell(first, "mkdir -p /data/sub; echo one > /data/sub/one; ln /data/sub/one /data/two; chown -R 12:34 /data/sub; ln -s data /short")
    image = snapshot(first, kind="directory", path="/short")
    assert image.get("base") is None and image["entries"] == 3, image
    for id, read_only in [(second, False), (third, True), (first, False)]:
        mount(id, "/mnt/a b/data", image=image["id"], read_only=read_only)
        same(shell(id, "cd '/mnt/a b/data'; cat two; stat -c '%u:%g %h' sub/one"), "one\n12:34 2\n", id)
    shell(second, "echo changed > '/mnt/a b/data/two'")
    same(shell(first, "cat '/mnt/a b/data/two'"), "one\n", "another sandbox's writes")
    assert "Read-only" in complete(third, "sh", "-c", "echo x > '/mnt/a b/data/x'")["stderr"]
    mount(second, "/mnt/a b/data", status=409)
    unmount(second, "/mnt/a b/data")
    same(shell(second, "ls '/mnt/a b/data'"), "", "what is below")
    unmount(second, "/mnt/a b/data", status=404)
    mount(second, "/mnt/a b/data")
    shell(second, "echo mine > '/mnt/a b/data/mine'")
    # What is mounted is no part of the whole, and is what a directory is.
    whole = snapshot(second)
    same(shell(create(image=whole["id"])["id"], "ls '/mnt/a b/data'"), "", "a mount in a snapshot of all")
    part = snapshot(second, kind="directory", path="/mnt/a b/data")
    mount(first, "/other", image=part["id"])
    same(shell(first, "cat /other/mine"), "mine\n", "a mounted directory's snapshot")
    # A directory of a volume is what the sandbox sees of it: what was published, and what it has written since.
    volume = {"volume": expect(call("POST", "/v1/volumes", json={"name": "kept"}), 201).json()["id"], "path": "/v"}
    fourth = create(volumes=[volume])["id"]
    shell(fourth, "mkdir /v/sub; echo one > /v/sub/one; chown 12:34 /v/sub/one")
    expect(call("POST", f"/v1/sandboxes/{fourth}/volumes/commit"), 200)
    shell(fourth, "echo two > /v/sub/two; chmod 640 /v/sub/one")
    part = snapshot(fourth, kind="directory", path="/v/sub")
    mount(first, "/published", image=part["id"])
    same(shell(first, "cd /published; cat one two; stat -c '%u:%g %a' one"), "one\ntwo\n12:34 640\n", "of a volume")
    same(shell(create(image=snapshot(fourth)["id"])["id"], "ls /v"), "", "a volume in a snapshot of all")
    # In use.
    start(first, "sleep", "100", workdir="/other")
    same(unmount(first, "/other", status=409).json()["code"], "failed_precondition", "in use")


# Makes a tree of every kind of file from a seed, and describes one.
TREE = r"""
import hashlib, json, os, random, stat, sys

def make(top, seed):
    r = random.Random(seed)
    os.mkdir(top)
    directories, files = [os.fsencode(top)], []
    def name():
        kind = r.random()
        if kind < .1: return bytes(r.choice([c for c in range(1, 256) if c != 47]) for _ in range(r.randrange(1, 20)))
        if kind < .2: return ("ü" * r.randrange(1, 60)).encode()
        if kind < .25: return b"x" * 255
        return b"n%d" % r.randrange(10 ** 9)
    for _ in range(400):
        path = os.path.join(r.choice(directories), name())
        if os.path.lexists(path) or path.endswith((b"/.", b"/..")): continue
        kind = r.random()
        if kind < .25 and len(path) < 2000:
            os.mkdir(path); directories.append(path)
        elif kind < .35: os.symlink(r.choice([b"/etc/passwd", b"../..", b"no\xff where", path]), path)
        elif kind < .4: os.mkfifo(path)
        elif kind < .5 and files: os.link(r.choice(files), path)
        else:
            with open(path, "wb") as f:
                for _ in range(r.randrange(4)):
                    f.seek(r.randrange(1 << 20), 1); f.write(r.randbytes(r.randrange(9000)))
                if r.random() < .3: f.truncate(f.tell() + r.randrange(1 << 20))
            files.append(path)
    for path in sorted(set(files + directories[1:])):
        if r.random() < .3: os.chown(path, r.randrange(65536), r.randrange(65536))
        if r.random() < .5: os.chmod(path, r.randrange(0o10000) | (0o700 if os.path.isdir(path) else 0))
        if r.random() < .2: os.setxattr(path, b"user.k%d" % r.randrange(99), r.randbytes(r.randrange(500)))
        if r.random() < .1: os.setxattr(path, "system.posix_acl_access", bytes.fromhex("02000000" "01000700ffffffff" "02000500e8030000" "04000500ffffffff" "10000500ffffffff" "20000400ffffffff"))
        if r.random() < .05 and os.path.isfile(path): os.setxattr(path, "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
    for path in sorted(files + directories, key=len, reverse=True):
        if r.random() < .7: os.utime(path, ns=(r.randrange(2 ** 61), r.randrange(2 ** 61)))

def describe(top):
    all, inodes = [], {}
    for path, names, others in os.walk(os.fsencode(top)):
        for entry in [b"."] + sorted(others + [n for n in names if os.path.islink(os.path.join(path, n))]):
            full = os.path.join(path, entry)
            s = os.lstat(full)
            first = inodes.setdefault(s.st_ino, full) if not stat.S_ISDIR(s.st_mode) else full
            said = [repr(full[len(top):]), oct(s.st_mode), s.st_uid, s.st_gid, s.st_mtime_ns, repr(first[len(top):])]
            if not stat.S_ISDIR(s.st_mode): said.append(s.st_nlink)
            if stat.S_ISLNK(s.st_mode): said.append(repr(os.readlink(full)))
            else: said.append({a: os.getxattr(full, a).hex() for a in sorted(os.listxattr(full))})
            if stat.S_ISREG(s.st_mode): said += [s.st_size, hashlib.sha1(open(full, "rb").read()).hexdigest(), s.st_blocks * 512 <= s.st_size + 65536]
            all.append(json.dumps(said))
        names.sort()
    print("\n".join(sorted(all)))

{"make": make, "describe": describe}[sys.argv[1]](sys.argv[2], *map(int, sys.argv[3:]))
"""


def tree(id, *arguments):
    done = complete(id, "python3", "-c", TREE, *arguments)
    assert done["result"]["exit_code"] == 0, done["stderr"][-2000:]
    return done["stdout"].splitlines()


def random_trees(seed):
    id = create(timeout_seconds=600)["id"]
    for number in range(3):
        tree(id, "make", f"/srv/t{number}", str(int(seed) * 100 + number))
    known = [tree(id, "describe", f"/srv/t{number}") for number in range(3)]
    assert all(len(lines) > 200 for lines in known), [len(lines) for lines in known]
    image = snapshot(id)
    part = snapshot(id, kind="directory", path="/srv/t1")
    other = create(image=image["id"])["id"]
    for number in range(3):
        differences(known[number], tree(other, "describe", f"/srv/t{number}"), f"tree {number}")
    mount(other, "/mnt/t1", image=part["id"])
    differences(known[1], tree(other, "describe", "/mnt/t1"), "a directory")
    # Once more on top: of a tree that came from a layer.
    again = snapshot(other, kind="directory", path="/srv/t2")
    third = create()["id"]
    mount(third, "/mnt/t2", image=again["id"])
    differences(known[2], tree(third, "describe", "/mnt/t2"), "a directory out of a layer")


def differences(wanted, got, what):
    missing, more = sorted(set(wanted) - set(got)), sorted(set(got) - set(wanted))
    assert not missing and not more, f"{what}: missing {missing[:3]}, more {more[:3]}"


def own_ids():
    id = create()["id"]
    shell(id, "for i in $(seq 500); do echo $i > /srv/$i; done")
    key = str(uuid.uuid4())
    made = in_parallel(4, lambda _: patiently("POST", f"/v1/sandboxes/{id}/snapshots", json={"snapshot_id": key}))
    good = [answer.json() for answer in made if answer.status_code == 201]
    assert good and len({image["id"] for image in good}) == 1, [answer.text for answer in made]
    assert all(answer.status_code in (201, 409) for answer in made), [answer.text for answer in made]
    shell(id, "echo more > /srv/more")
    same(snapshot(id, snapshot_id=key), good[0], "a repeat")
    assert snapshot(id)["id"] != snapshot(id)["id"]
    other = create()["id"]
    same(snapshot(other, status=409, snapshot_id=key)["code"], "already_exists", "another sandbox's")
    same(snapshot(id, status=409, snapshot_id=key, kind="directory", path="/srv")["code"], "already_exists", "another kind")
    brief = snapshot(id, ttl_seconds=0.5, name="brief")
    assert brief["expires_at"] > brief["created_at"], brief
    time.sleep(0.6)
    collected = expect(call("POST", "/v1/images/collect"), 200).json()
    same(collected["removed_images"], 1, "expired images")
    expect(call("GET", f"/v1/images/{brief['id']}"), 404)


def refusals():
    id = create()["id"]
    for order, field in [
        ({"kind": "memory"}, "kind"), ({"kind": "directory"}, "path"), ({"path": "/srv"}, "path"),
        ({"kind": "directory", "path": "srv"}, "path"), ({"ttl_seconds": 0}, "ttl_seconds"),
        ({"ttl_seconds": -1}, "ttl_seconds"), ({"snapshot_id": ""}, "snapshot_id"), ({"snapshot_id": "a b"}, "snapshot_id"),
        ({"snapshot_id": "x" * 129}, "snapshot_id"), ({"name": "UPPER CASE"}, "name"), ({"none": 1}, "none"),
    ]:
        same(snapshot(id, status=400, **order)["field"], field, order)
    same(snapshot(id, status=404, kind="directory", path="/none")["code"], "not_found", "no directory")
    for path in ["/etc/passwd"]:
        assert snapshot(id, status=404, kind="directory", path=path), path
    for order, field in [({}, "path"), ({"path": "mnt"}, "path"), ({"path": "/m", "image": "!"}, "image"), ({"path": "/m", "read_only": 1}, "read_only")]:
        same(expect(call("POST", f"/v1/sandboxes/{id}/mounts", json=order), 400).json()["field"], field, order)
    mount(id, "/m", status=404, image="im-" + "a" * 22)
    mount(id, "/m", status=409, image=snapshot(id)["id"])
    for path in ["/", "/proc", "/dev/shm", "/sys/fs"]:
        answer = call("POST", f"/v1/sandboxes/{id}/mounts", json={"path": path})
        assert answer.status_code in (400, 409), (path, answer.text)
    unmount(id, "/proc", status=404)
    for number in range(64):
        mount(id, f"/m{number}")
    same(mount(id, "/m64", status=429)["code"], "resource_exhausted", "the 65th mount")
    unmount(id, "/m0")
    mount(id, "/m64")
    terminate(id)
    same(snapshot(id, status=409)["code"], "failed_precondition", "of one that is over")
    mount(id, "/m", status=409)


DEEP = """
import os, sys
os.makedirs(sys.argv[1]); os.chdir(sys.argv[1])
for _ in range(int(sys.argv[2])):
    os.mkdir('d'); os.chdir('d')
open('end', 'w').write('the end')
"""


def deep():
    """Directories 2,000 deep are kept, deeper ones refused, and the sandbox goes on."""
    id = create()["id"]

    def dig(path, depth):
        same(complete(id, "python3", "-c", DEEP, path, str(depth))["result"]["exit_code"], 0, path)

    dig("/srv/kept", 1997)
    image = snapshot(id)
    # The top, /srv and /srv/kept are the first three of them.
    same(shell(create(image=image["id"])["id"], "cat /srv/kept/$(yes d/ | head -n 1997 | tr -d '\\n')end"), "the end")
    for depth in (1998,):
        dig(f"/srv/deep{depth}", depth)
        refused = snapshot(id, status=409)
        assert "2000 deep" in refused["detail"], refused
        same(shell(id, f"echo on; rm -r /srv/deep{depth}"), "on\n")
    # Nothing of them is left, which Foundation, for one, couldn't remove.
    for image in (image, snapshot(id)):
        expect(call("DELETE", f"/v1/images/{image['id']}"), 200)
    for sandbox in expect(call("GET", "/v1/sandboxes", params={"state": "running"}), 200).json()["sandboxes"]:
        terminate(sandbox["id"])
    expect(call("POST", "/v1/images/collect"), 200)
    end = time.monotonic() + 60
    while any(os.listdir(f"{DATA_DIRECTORY}/storage/{place}") for place in ("layers", "trash")):
        assert time.monotonic() < end, "they can't be removed"
        time.sleep(0.1)


def closed_to_others():
    id = create()["id"]
    shell(id, "cp /bin/id /srv/id; chmod 4755 /srv/id; echo secret > /srv/open; chmod 666 /srv/open")
    image = snapshot(id)
    layer = os.path.join(DATA_DIRECTORY, "storage/layers", image["layers"][-1], "root/srv")
    # As root it is there; the mount through which a launcher sees it honours no setuid bit.
    assert os.stat(os.path.join(layer, "id")).st_mode & 0o4000
    for argv in [[os.path.join(layer, "id")], ["cat", os.path.join(layer, "open")], ["ls", layer]]:
        try:
            tried = subprocess.run(argv, capture_output=True, text=True, user=12345, group=12345, extra_groups=[])
            assert tried.returncode != 0 and "ermission denied" in tried.stderr, (argv, tried)
        except PermissionError:
            pass


run_check({f.__name__: f for f in (filesystem, directory, random_trees, own_ids, refusals, deep, closed_to_others)})
