"""Disks of sandboxes' own, and the reserve of the host's."""

import contextlib
import fcntl
import glob
import os
import shutil
import subprocess
import sys
import tempfile
import time

import cordon_rest
from cordon_rest import *

FILL = """
import errno, os
os.makedirs(PLACE, exist_ok=True)
written, block = 0, b'x' * (1 << 20)
try:
    with open(PLACE + '/big', 'wb', buffering=0) as file:
        while True:
            written += file.write(block)
except OSError as error:
    print(errno.errorcode[error.errno], written >> 20)
"""
MANY = """
import errno, os
os.makedirs('/srv/many', exist_ok=True)
number = 0
try:
    while True:
        os.close(os.open(f'/srv/many/{number}', os.O_CREAT | os.O_WRONLY))
        number += 1
except OSError as error:
    print(errno.errorcode[error.errno], number)
"""


def python(id, program, **values):
    text = "".join(f"{name} = {value!r}\n" for name, value in values.items()) + program
    done = complete(id, "python3", "-c", text)
    assert done["result"].get("exit_code") == 0, done
    return done["stdout"].split()


def shell(id, script):
    done = complete(id, "sh", "-euc", script)
    assert done["result"].get("exit_code") == 0, (script, done)
    return done["stdout"]


RUN_DIRECTORY = DATA_DIRECTORY + "/../run"


def instance_in(run):
    return "cordon-" + open(run + "/instance").read().strip() + "/"


def devices(instance=None):
    """The slots whose disks are shown by loop devices, by the devices' labels (LOOP_GET_STATUS64, loop(4))."""
    instance = instance or instance_in(RUN_DIRECTORY)
    found = []
    for path in glob.glob("/sys/block/loop*/loop/backing_file"):
        status = bytearray(232)
        with contextlib.suppress(OSError), open("/dev/" + path.split("/")[3], "rb") as device:
            fcntl.ioctl(device, 0x4C05, status)
            label = bytes(status[56:120]).split(b"\0")[0].decode()
            if label.startswith(instance):
                found.append(label.removeprefix(instance))
    return found


def until(what, condition, seconds=60):
    end = time.monotonic() + seconds
    while not (got := condition()):
        assert time.monotonic() < end, what
        time.sleep(0.05)
    return got


def snapshot(id, **order):
    return expect(patiently("POST", f"/v1/sandboxes/{id}/snapshots", json=order), 201).json()


def mount(id, path, **order):
    expect(patiently("POST", f"/v1/sandboxes/{id}/mounts", json={"path": path, **order}), 204)


def limits():
    """Bytes and files end with ENOSPC inside, wherever they are written, and nowhere else."""
    full, free, small = create(disk_mib=64), create(), create(disk_mib=16)
    same((full["disk_mib"], free.get("disk_mib")), (64, None), "what is told")
    id = full["id"]
    # Several places, one disk: the image's own /usr and what is mounted into it later too.
    mount(id, "/mnt/empty")
    shell(id, "head -c 20M /dev/zero > /usr/lib/twenty; head -c 10M /dev/zero > /mnt/empty/ten; sync")
    error, written = python(id, FILL, PLACE="/srv")
    same(error, "ENOSPC", "bytes")
    assert 20 <= int(written) <= 33, written
    for place in ("/usr/lib", "/mnt/empty"):
        same(python(id, FILL, PLACE=place)[0], "ENOSPC", place)
    answer = call("PUT", f"/v1/sandboxes/{id}/files", params={"path": "/srv/put"}, data=b"x" * (4 << 20),
                  headers={"Content-Type": "application/octet-stream"})
    assert 400 <= answer.status_code < 600 and answer.json()["code"] == "resource_exhausted", answer.text
    # What wasn't read of a body ends its connection.
    session().close()
    # Others, and the disk of the host, have their room.
    shell(free["id"], "head -c 100M /dev/zero > /srv/hundred")
    shell(small["id"], "head -c 8M /dev/zero > /srv/eight")
    # What is full can be kept, and is then full nowhere else.
    image = snapshot(id)
    assert image["size_bytes"] >= 50 << 20, image
    other = create(image=image["id"], disk_mib=64)["id"]
    same(shell(other, "stat -c %s /usr/lib/twenty; head -c 30M /dev/zero > /srv/more; ls /srv"), f"{20 << 20}\nbig\nmore\nput\n")
    part = snapshot(id, kind="directory", path="/mnt/empty")
    assert part["size_bytes"] >= 10 << 20, part
    # What is removed is free again.
    shell(id, "rm /srv/big; head -c 15M /dev/zero > /srv/again")
    error, count = python(small["id"], MANY)
    same(error, "ENOSPC", "files")
    assert 500 <= int(count) <= 16 * 64, count
    for used in (id, small["id"], other):
        terminate(used)
    # Prepared ones of these sizes may be there for a minute: theirs are the only ones.
    def ours():
        slots = os.listdir(RUN_DIRECTORY + "/slots")
        owned = [slot for slot in slots if os.path.exists(f"{RUN_DIRECTORY}/slots/{slot}/owner")]
        return len(owned) == 1 and set(devices()) <= set(slots) - set(owned)

    until("disks of ended sandboxes are left", ours)


def killed():
    """A disk outlives the service and the launcher, holds its sandbox to its size, and goes with it."""
    id = create(disk_mib=64, timeout_seconds=600)["id"]
    shell(id, "echo mine > /srv/mine; head -c 20M /dev/urandom > /srv/twenty; sha256sum /srv/twenty > /srv/sum")
    print("ready", flush=True)
    sys.stdin.readline()
    same(expect(patiently("GET", f"/v1/sandboxes/{id}"), 200).json()["state"], "running")
    image = snapshot(id)
    other = expect(patiently("POST", "/v1/sandboxes", json={"image": image["id"]}), 201).json()["id"]
    shell(other, "cat /srv/mine; sha256sum -c /srv/sum")
    mount(id, "/mnt/more")
    shell(id, "head -c 5M /dev/zero > /mnt/more/five")
    same(python(id, FILL, PLACE="/srv")[0], "ENOSPC", "after the kills")
    terminate(id)


def usual():
    """With a default every sandbox has a disk, prepared ahead; builders have none."""
    until("prepared ones", lambda: len(devices()) >= 2)
    ids = [create()["id"] for _ in range(4)]
    for id in ids:
        same(python(id, FILL, PLACE="/srv")[0], "ENOSPC", "the default")
    larger = create(disk_mib=200)["id"]
    shell(larger, "head -c 150M /dev/zero > /srv/big")
    built = expect(call("POST", "/v1/images/build", json={
        "dockerfile": "FROM host\nRUN head -c 100M /dev/zero > /srv/big && echo built > /srv/said\n"}), 200).json()
    id = create(image=built["id"])["id"]
    same(shell(id, "cat /srv/said; wc -c < /srv/big"), f"built\n{100 << 20}\n")
    for used in [*ids, larger, id]:
        terminate(used)


def impossible():
    """Where no disk can be made, a limit is refused, and never just not held to."""
    refused = expect(call("POST", "/v1/sandboxes", json={"disk_mib": 64}), 409).json()
    same(refused["code"], "failed_precondition", refused)
    assert "mke2fs" in refused["detail"], refused
    same(shell(create()["id"], "echo fine"), "fine\n")
    for value in (0, 15, 262_145, "64", 1.5):
        same(expect(call("POST", "/v1/sandboxes", json={"disk_mib": value}), 400).json()["field"], "disk_mib", value)


def held():
    for line in expect(call("GET", "/metrics"), 200).text.splitlines():
        if line.startswith("cordon_sandboxes_held "):
            return float(line.split()[1])
    return None


def mebibytes_free(path):
    room = os.statvfs(path)
    return room.f_bavail * room.f_frsize >> 20


@contextlib.contextmanager
def small_service(size, *options):
    """A service of its own, whose data directory is a small file system."""
    top = tempfile.mkdtemp(prefix="cordon-test-", dir="/tmp")
    os.chmod(top, 0o711)
    data, run, image = top + "/data", top + "/run", top + "/image"
    os.mkdir(data)
    with open(image, "wb") as file:
        file.truncate(size << 20)
    directories = ["--data-dir", data + "/d", "--run-dir", run]
    daemon = os.environ["CORDON_PROGRAMS"] + "/cordond"
    # Without the variables of the tests' own service.
    environment = {"PATH": os.environ["PATH"]}
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, data], check=True)
    service = instance = None
    try:
        os.chmod(data, 0o711)
        with open(top + "/log", "w") as log:
            service = subprocess.Popen([daemon, *directories, "--listen", "127.0.0.1:0", "--network=false", *options],
                                       env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

        def ready():
            assert service.poll() is None, open(top + "/log").read()
            with contextlib.suppress(OSError, ValueError, KeyError, requests.exceptions.RequestException):
                with open(data + "/d/credentials.json") as file:
                    told = json.load(file)
                if requests.get(told["url"] + "/readyz", timeout=10).status_code == 200:
                    return told
            return None

        told = until("the service isn't ready", ready)
        cordon_rest.URL = told["url"]
        session().headers["Authorization"] = f"Bearer {told['token_id']}.{told['token_secret']}"
        instance = instance_in(run)
        yield data
    finally:
        subprocess.run([daemon, "down", *directories], env=environment, timeout=120, check=True)
        if instance:
            until("disks are left", lambda: not devices(instance))
        if service:
            service.terminate()
            service.wait()
        until("the small file system is in use", lambda: subprocess.run(["umount", data]).returncode == 0)
        shutil.rmtree(top)


def reserve():
    """At the reserve those that write stand still, the others don't, and all go on once there is room."""
    with small_service(520, "--disk-reserve-mib", "200", "--pool-size", "2") as data:
        quiet = create()["id"]
        volume = expect(call("POST", "/v1/volumes", json={"name": "v"}), 201).json()["id"]
        # One that would be let have more than there is, one without a limit, and one whose volume is published meanwhile.
        for spec in ({"disk_mib": 4000}, {}, {"volumes": [{"volume": volume, "path": "/v"}]}):
            writer = create(**spec)["id"]
            start(writer, "sh", "-c", "mkdir -p /v; n=0; while :; do head -c 8M /dev/zero > /srv/f$n; "
                  "n=$((n+1)); echo $n > /v/last; sleep 0.05; done")

            def refused():
                answer = call("POST", "/v1/sandboxes", json={})
                if answer.status_code == 201:
                    terminate(answer.json()["id"])
                    return False
                same(answer.json()["code"], "resource_exhausted", answer.text)
                return True

            until("creates go on at the reserve", refused)
            until("nobody is told to be held", lambda: held() == 1)
            # It stands still, short of half of the reserve, and what it had not written yet comes to little.
            last = -1

            def still():
                nonlocal last
                before, last = last, mebibytes_free(data)
                time.sleep(1)
                return before == last

            until("the writer goes on", still)
            if "volumes" in spec:
                # The background's turns come, and somebody asks.
                for path, order in (("volumes/commit", None), ("snapshots", {})):
                    refusal = call("POST", f"/v1/sandboxes/{writer}/{path}", json=order)
                    same(refusal.json()["code"], "resource_exhausted", refusal.text)
                before = mebibytes_free(data)
                time.sleep(8)
                same((held(), before - mebibytes_free(data) < 2), (1, True), "it stands still")
            assert mebibytes_free(data) > 100, mebibytes_free(data)
            same(complete(quiet, "echo", "alive")["stdout"], "alive\n", "one that doesn't write")
            # One that is stopped can be ended, and what it wrote goes with it.
            same(terminate(writer)["result"]["reason"], "terminated")
            until("no room again", lambda: mebibytes_free(data) > 240)
            until("creates are refused still", lambda: not refused())
            same(held(), 0, "those that stand still")
        # One that is stopped goes on where it was, until there is no room once more.
        with open(data + "/ballast", "wb") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, 100 << 20)
        writer = create()["id"]
        start(writer, "sh", "-c", "n=0; while :; do head -c 4M /dev/zero > /srv/f$n; n=$((n+1)); sleep 0.05; done")
        until("creates go on at the reserve", refused)
        os.unlink(data + "/ballast")
        assert mebibytes_free(data) > 230, mebibytes_free(data)
        until("the writer doesn't go on", lambda: mebibytes_free(data) < 200)
        # Below half of it all stand still: nothing can be started in them, and their deadlines hold.
        with open(data + "/ballast", "wb") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, max(1, mebibytes_free(data) - 60) << 20)
        until("not all are stopped", lambda: held() == 2)
        late = call("POST", f"/v1/sandboxes/{quiet}/execs", json={"argv": ["true"]})
        same(late.json()["code"], "deadline_exceeded", late.text)
        expect(call("PATCH", f"/v1/sandboxes/{quiet}", json={"timeout_seconds": 1}), 200)
        same(ending(f"/v1/sandboxes/{quiet}")["reason"], "timed_out")


run_check({f.__name__: f for f in (limits, killed, usual, impossible, reserve)})
