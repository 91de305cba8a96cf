"""Images: sandboxes from chains of layers, snapshots, branches and pulls, beside `docker commit`, `skopeo` and `umoci`."""

import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import time

from measures import measured
from service import Service

SNAPSHOT = "Snapshot of {}"
SMALL = "10 MB in 1,000 files"
LARGE = "1 GB in 10 files"
FILL = {
    SMALL: "mkdir -p /srv/d && cd /srv/d && for i in $(seq 1000); do head -c 10240 /dev/urandom > $i; done",
    LARGE: "cd /srv && for i in $(seq 10); do head -c 104857600 /dev/urandom > $i; done",
}


def measure(report, service, docker, runner, directory, programs, count):
    chains(report, service, count)
    snapshots(report, service, "Cordon, on the machine's own file system", targets={SMALL: 50}, small=9, large=3)
    with reflinking(runner, directory) as place:
        if place:
            other = Service(programs, place=place)
            try:
                snapshots(report, other, f"Cordon, on {kind(place)}", targets={LARGE: 15}, small=9, large=9)
            finally:
                other.down()
    if docker:
        commits(report, docker)
    branches(report, service)
    pulls(report, service, runner, directory)


def snapshot(connection, sandbox):
    return connection.call("POST", f"/v1/sandboxes/{sandbox}/snapshots", {})["id"]


def fill(connection, script):
    sandbox = connection.create(timeout_seconds=3600)
    connection.run(sandbox, "sh", "-ec", script)
    return sandbox


def chains(report, service, count):
    """Each layer is a snapshot of a sandbox that was made from those below."""
    connection = service.connection()
    chain, image = {}, "host"
    for depth in range(1, 101):
        sandbox = connection.create(image=image)
        connection.run(sandbox, "sh", "-c", f"echo {depth} > /srv/{depth}")
        image = snapshot(connection, sandbox)
        connection.remove(sandbox)
        chain[depth] = image
    for depth in (1, 10, 100):
        living = []

        def remove():
            connection.remove(living.pop())
            time.sleep(0.05)

        times = measured(lambda: living.append(connection.create(image=chain[depth])), min(count, 50), remove)
        report.add("Create a sandbox from a snapshot, over REST", f"Cordon, layers on the host's: {depth}", times)


def settle():
    """What was written before is on disk, so that nobody waits for it: snapshots are answered before they are."""
    os.sync()
    time.sleep(0.2)


def snapshots(report, service, who, targets, small, large):
    connection = service.connection()
    for what, rounds in ((SMALL, small), (LARGE, large)):
        sandbox = fill(connection, FILL[what])
        settle()
        times = measured(lambda: snapshot(connection, sandbox), rounds, settle, warm=1)
        report.add(SNAPSHOT.format(what), who, times, target=targets.get(what))
        connection.remove(sandbox)


def commits(report, docker):
    docker.start()
    try:
        for what, rounds in ((SMALL, 9), (LARGE, 3)):
            script = FILL[what].replace("head", "/bin/busybox head").replace("mkdir", "/bin/busybox mkdir")
            script = script.replace("seq", "/bin/busybox seq")
            docker.runner("docker", "--host", docker.socket, "exec", "bench", "/bin/busybox", "sh", "-c", "/bin/busybox mkdir -p /srv && " + script)
            settle()
            commit = ["docker", "--host", docker.socket, "commit", "bench", "bench-committed"]

            def forget():
                docker.runner("docker", "--host", docker.socket, "rmi", "-f", "bench-committed")
                settle()

            times = measured(lambda: docker.runner(*commit), rounds, forget, warm=1)
            report.add(SNAPSHOT.format(what), "docker commit", times)
            docker.runner("docker", "--host", docker.socket, "exec", "bench", "/bin/busybox", "rm", "-rf", "/srv")
    finally:
        docker.stop()


def branches(report, service):
    connection = service.connection()
    sandbox = fill(connection, "echo x > /srv/x")

    def branch():
        made = connection.call(
            "POST", f"/v1/sandboxes/{sandbox}/branches", {"count": 8, "argv": ["sh", "-c", "echo {i} > /srv/x"]})
        assert [one["exit_code"] for one in made["branches"]] == [0] * 8, made

    report.add("A snapshot, 8 branches from it, what they changed, and gone", "Cordon", measured(branch, 9, warm=1))
    connection.remove(sandbox)


# MARK: a file system that shares blocks


def kind(place):
    return subprocess.run(["stat", "-f", "-c", "%T", place], check=True, capture_output=True, text=True).stdout.strip()


@contextlib.contextmanager
def reflinking(runner, directory):
    """A mounted file system with reflinks, on a loop device of our own; None where there can be none."""
    known = pathlib.Path("/proc/filesystems").read_text()
    # A module is loaded by its name as it is mounted.
    makers = [("xfs", ["mkfs.xfs", "-q", "-m", "reflink=1"]), ("btrfs", ["mkfs.btrfs", "-q"])]
    loadable = [
        name for name, _ in makers
        if f"\t{name}\n" in known or subprocess.run(["modprobe", "-q", name], capture_output=True).returncode == 0
    ]
    maker = next((maker for name, maker in makers if name in loadable and runner.has(maker[0])), None)
    if maker is None:
        print(f"  no file system with reflinks: the kernel has {loadable or 'none'}, and there is no program to make one")
        yield None
        return
    image, place = f"{directory}/reflinks.img", f"{directory}/reflinks"
    os.mkdir(place)
    with open(image, "wb") as file:
        file.truncate(8 << 30)
    runner(*maker, image)
    loop = subprocess.run(["losetup", "--find", "--show", image], check=True, capture_output=True, text=True).stdout.strip()
    try:
        subprocess.run(["mount", loop, place], check=True)
        os.chmod(place, 0o711)
        try:
            yield place
        finally:
            subprocess.run(["umount", place], check=True)
    finally:
        subprocess.run(["losetup", "--detach", loop], check=True)
        os.unlink(image)


# MARK: pulls


def pulls(report, service, runner, directory):
    programs = ["docker-registry", "skopeo", "umoci"]
    missing = [name for name in programs if not runner.has(name)]
    if missing:
        print(f"  pulls are left out: no {', '.join(missing)}")
        return
    work = pathlib.Path(directory) / "pulls"
    work.mkdir()
    layout = f"{work}/layout"
    with registry(runner, work) as name:
        archive = work / "root.tar"
        # Files of the host's, as they are in any image.
        subprocess.run(["tar", "-C", "/", "-cf", archive, "usr/lib/python3", "usr/share/perl", "usr/include"], check=True)
        runner("umoci", "init", "--layout", layout)
        runner("umoci", "new", "--image", f"{layout}:made")
        runner("umoci", "raw", "add-layer", "--image", f"{layout}:made", str(archive))
        runner("skopeo", "copy", "--insecure-policy", "--dest-tls-verify=false", f"oci:{layout}:made", f"docker://{name}/made:1")
        measure_name = f"Pull and unpack an image of {archive.stat().st_size >> 20} MiB"
        archive.unlink()
        connection = service.connection()

        def pull():
            connection.call("POST", "/v1/images/pull", {"reference": f"{name}/made:1"})

        def forget():
            connection.call("DELETE", f"/v1/images/{name.replace(':', '%3A')}%2Fmade%3A1")
            connection.call("POST", "/v1/images/collect")

        report.add(measure_name, "Cordon", measured(pull, 5, forget, warm=1), unit="ms")
        report.add(measure_name, "skopeo copy, umoci unpack", measured(lambda: by_hand(runner, name, work), 5, warm=1), unit="ms")


def by_hand(runner, name, work):
    copied, bundle = f"{work}/copied", f"{work}/bundle"
    for path in (copied, bundle):
        shutil.rmtree(path, ignore_errors=True)
    runner("skopeo", "copy", "--insecure-policy", "--src-tls-verify=false", f"docker://{name}/made:1", f"oci:{copied}:made")
    runner("umoci", "unpack", "--image", f"{copied}:made", bundle)


@contextlib.contextmanager
def registry(runner, work):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        name = "127.0.0.1:%d" % probe.getsockname()[1]
    configuration = work / "registry.yml"
    configuration.write_text(json.dumps({
        "version": "0.1", "log": {"level": "error"}, "http": {"addr": name},
        "storage": {"filesystem": {"rootdirectory": f"{work}/registry"}}}))
    process = subprocess.Popen(
        [runner.path("docker-registry"), "serve", str(configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", int(name.split(":")[1])), 1).close()
                break
            except OSError:
                time.sleep(0.02)
        yield name
    finally:
        process.kill()
        process.wait()
