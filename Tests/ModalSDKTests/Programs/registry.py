"""Debian's docker-registry with a small Debian on which Python and pip run, made of this machine's own files. Prints its
port, and lives until its stdin ends."""

import base64
import hashlib
import io
import json
import os
import platform
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
PYTHON = "/usr/bin/python3.11" if os.path.exists("/usr/bin/python3.11") else os.path.realpath("/usr/bin/python3")
LIBRARY = subprocess.run(
    [PYTHON, "-c", "import sysconfig; print(sysconfig.get_path('stdlib'))"], check=True, capture_output=True,
    text=True).stdout.strip()
# Nothing here needs these, and they are large.
LEFT_OUT = {"test", "idlelib", "tkinter", "turtledemo", "lib2to3", "__pycache__", "dist-packages", "config-3.11-x86_64-linux-gnu"}
# What Modal's recipe for Debian runs beside Python; nothing is fetched.
STUBS = {"apt-get": "#!/bin/sh\necho apt-get $*\n", "debconf-set-selections": "#!/bin/sh\ncat\n"}
TOOLS = "sh cat ls echo id mkdir rm env sleep stat wc tr head ln chmod printenv test pwd touch true false".split()
PIP = """import base64, csv, glob, os, sys, zipfile
# Enough of pip for the checks: installs wheels by name from a directory.
arguments = sys.argv[1:]
assert arguments[0] == "install", arguments
places = [arguments[i + 1] for i, a in enumerate(arguments[:-1]) if a in ("--find-links", "-f")]
names, skip = [], False
for argument in arguments[1:]:
    if skip or argument.startswith("-"):
        skip = argument in ("--find-links", "-f", "--python", "-r") and not skip
        continue
    names.append(argument)
for i, argument in enumerate(arguments[:-1]):
    if argument == "-r":
        names += [line.strip() for line in open(arguments[i + 1]) if line.strip()]
if "--upgrade" in arguments:
    sys.exit(0)
for name in names:
    found = [f for p in places for f in glob.glob(p + "/*.whl") if os.path.basename(f).startswith(name.replace("-", "_") + "-")]
    if not found:
        sys.exit("ERROR: No matching distribution found for " + name)
    zipfile.ZipFile(found[0]).extractall(next(p for p in sys.path if p.endswith("dist-packages")))
    print("Successfully installed", name)
"""


def wheel():
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        archive.writestr("cordon_check.py", "ANSWER = 42\n")
        archive.writestr("cordon_check-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: cordon-check\nVersion: 1.0\n")
        archive.writestr("cordon_check-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("cordon_check-1.0.dist-info/RECORD", "")
    return raw.getvalue()


def libraries(path):
    out = subprocess.run(["/usr/bin/ldd", path], capture_output=True, text=True).stdout
    return {word for line in out.splitlines() for word in line.split() if word.startswith("/")}


def layer():
    """The whole system as one layer, compressed."""
    raw = io.BytesIO()
    tar = tarfile.open(fileobj=raw, mode="w:gz", compresslevel=1)
    made = set()

    def directories(path):
        parts = path.strip("/").split("/")[:-1]
        for count in range(1, len(parts) + 1):
            name = "/".join(parts[:count])
            if name not in made:
                made.add(name)
                entry = tarfile.TarInfo(name)
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(entry)

    def put(path, content, mode=0o644):
        directories(path)
        entry = tarfile.TarInfo(path.strip("/"))
        entry.size, entry.mode = len(content), mode
        tar.addfile(entry, io.BytesIO(content))

    def copy(path):
        with open(path, "rb") as file:
            put(path, file.read(), os.stat(path).st_mode & 0o777)

    def link(path, target):
        directories(path)
        entry = tarfile.TarInfo(path.strip("/"))
        entry.type, entry.linkname = tarfile.SYMTYPE, target
        tar.addfile(entry)

    with open("/bin/busybox", "rb") as file:
        put("/bin/busybox", file.read(), 0o755)
    for tool in TOOLS:
        link(f"/bin/{tool}", "busybox")
    needed = libraries(PYTHON)
    copy(PYTHON)
    for name in ("python", "python3"):
        link(f"/usr/bin/{name}", os.path.basename(PYTHON))
    for directory, folders, names in os.walk(LIBRARY):
        folders[:] = [folder for folder in folders if folder not in LEFT_OUT]
        for name in names:
            path = os.path.join(directory, name)
            if not os.path.isfile(path) or name.endswith((".a", ".pyc")):
                continue
            copy(path)
            if name.endswith(".so"):
                needed |= libraries(path)
    for path in needed:
        copy(path)
    put("/usr/lib/python3/dist-packages/pip.py", PIP.encode())
    put("/usr/bin/pip", b"#!/bin/sh\nexec python3 -m pip \"$@\"\n", 0o755)
    put("/uv", b"#!/bin/sh\nshift\nexec python3 -m pip \"$@\"\n", 0o755)
    put("/wheels/cordon_check-1.0-py3-none-any.whl", wheel())
    for name, text in STUBS.items():
        put(f"/usr/bin/{name}", text.encode(), 0o755)
    put("/etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n")
    put("/etc/group", b"root:x:0:\n")
    for name in ("/root/.keep", "/tmp/.keep", "/srv/.keep"):
        put(name, b"")
    tar.close()
    return raw.getvalue()


def layout(path, blobs_of):
    os.makedirs(path + "/blobs/sha256")

    def blob(content, kind):
        digest = hashlib.sha256(content).hexdigest()
        with open(f"{path}/blobs/sha256/{digest}", "wb") as file:
            file.write(content)
        return {"mediaType": kind, "digest": "sha256:" + digest, "size": len(content)}

    import gzip
    config = {"architecture": ARCHITECTURE, "os": "linux",
              "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"], "Cmd": ["sh"]},
              "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(gzip.decompress(blobs_of)).hexdigest()]}}
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": blob(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
                "layers": [blob(blobs_of, "application/vnd.oci.image.layer.v1.tar+gzip")]}
    entry = blob(json.dumps(manifest).encode(), manifest["mediaType"])
    entry["annotations"] = {"org.opencontainers.image.ref.name": "base"}
    with open(path + "/index.json", "w") as file:
        json.dump({"schemaVersion": 2, "manifests": [entry]}, file)
    with open(path + "/oci-layout", "w") as file:
        json.dump({"imageLayoutVersion": "1.0.0"}, file)


def serve(directory):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with open(directory + "/registry.json", "w") as file:
        json.dump({"version": "0.1", "log": {"level": "error"}, "http": {"addr": f"127.0.0.1:{port}"},
                   "storage": {"filesystem": {"rootdirectory": directory + "/storage"}}}, file)
    process = subprocess.Popen(["/usr/bin/docker-registry", "serve", directory + "/registry.json"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(3000):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return process, port
        except OSError:
            time.sleep(0.02)
    raise SystemExit("docker-registry didn't start")


with tempfile.TemporaryDirectory() as directory:
    layout(directory + "/layout", layer())
    process, port = serve(directory)
    try:
        # The names by which the SDK's recipes ask for Debian with Python.
        for tag in sys.argv[1:]:
            subprocess.run(
                ["/usr/bin/skopeo", "copy", "--quiet", "--insecure-policy", "--dest-tls-verify=false",
                 f"oci:{directory}/layout:base", f"docker://127.0.0.1:{port}/library/{tag}"], check=True)
        print(port, flush=True)
        sys.stdin.read()
    finally:
        process.kill()
        process.wait()
