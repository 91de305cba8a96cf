"""Debian's docker-registry on the loopback, and images made by hand to fill it with."""

import gzip
import hashlib
import io
import json
import os
import platform
import socket
import subprocess
import tarfile
import tempfile
import time

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


class Layout:
    """An OCI layout made by hand."""

    def __init__(self, path):
        self.path = path
        self.manifests = []
        os.makedirs(f"{path}/blobs/sha256")

    def blob(self, content, kind):
        digest = hashlib.sha256(content).hexdigest()
        with open(f"{self.path}/blobs/sha256/{digest}", "wb") as file:
            file.write(content)
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content)}

    def layer(self, entries):
        """Entries: (path, kind, content or target, mode, owner)."""
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w") as tar:
            for path, kind, content, mode, owner in entries:
                entry = tarfile.TarInfo(path)
                entry.type, entry.mode, entry.uid, entry.gid = kind, mode, owner, owner
                if kind == tarfile.REGTYPE:
                    entry.size = len(content)
                    tar.addfile(entry, io.BytesIO(content))
                else:
                    entry.linkname = content
                    tar.addfile(entry)
        plain = raw.getvalue()
        blob = self.blob(gzip.compress(plain, 1), "application/vnd.oci.image.layer.v1.tar+gzip")
        return blob, "sha256:" + hashlib.sha256(plain).hexdigest()

    def image(self, name, layers, **config):
        document = {"architecture": ARCHITECTURE, "os": "linux", "config": config,
                    "rootfs": {"type": "layers", "diff_ids": [diff for _, diff in layers]}}
        described = self.blob(json.dumps(document).encode(), "application/vnd.oci.image.config.v1+json")
        manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "config": described, "layers": [blob for blob, _ in layers]}
        entry = self.blob(json.dumps(manifest).encode(), manifest["mediaType"])
        entry["annotations"] = {"org.opencontainers.image.ref.name": name}
        self.manifests.append(entry)
        with open(f"{self.path}/index.json", "w") as file:
            json.dump({"schemaVersion": 2, "manifests": self.manifests}, file)
        with open(f"{self.path}/oci-layout", "w") as file:
            json.dump({"imageLayoutVersion": "1.0.0"}, file)

    def tar(self):
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w") as tar:
            tar.add(self.path, ".")
        return raw.getvalue()


FILE, DIRECTORY, LINK = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE


def busybox(layout):
    """A small system: one static program, and a layer on it that changes and removes."""
    program = open("/bin/busybox", "rb").read()
    tools = "sh cat ls echo id mkdir rm env sleep stat wc tr head seq readlink touch chmod".split()
    base = layout.layer(
        [(path, DIRECTORY, "", 0o755, 0) for path in ("bin", "etc", "srv", "gone")]
        + [("bin/busybox", FILE, program, 0o755, 0)]
        + [(f"bin/{tool}", LINK, "busybox", 0o777, 0) for tool in tools]
        + [("etc/passwd", FILE, b"root:x:0:0::/:/bin/sh\napp:x:12:34::/srv:/bin/sh\n", 0o644, 0),
           ("etc/group", FILE, b"root:x:0:\napp:x:34:\n", 0o644, 0), ("etc/first", FILE, b"first\n", 0o644, 0),
           ("gone/file", FILE, b"x", 0o644, 0), ("srv/owned", FILE, b"mine\n", 0o600, 12)])
    upper = layout.layer([("etc/first", FILE, b"changed\n", 0o644, 0), (".wh.gone", FILE, b"", 0o644, 0),
                          ("etc/second", FILE, b"second\n", 0o640, 34)])
    layout.image("small", [base, upper], Env=["COLOR=blue", "PATH=/bin"], WorkingDir="/srv", User="app",
                 Entrypoint=["/bin/env", "VIA=entrypoint"], Cmd=["never"], Labels={"a": "b"})
    layout.image("base", [base], Env=["PATH=/bin"])


class Registry:
    """Debian's docker-registry on a port of its own."""

    def __init__(self, directory):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.name = f"127.0.0.1:{self.port}"
        configuration = f"{directory}/registry.yml"
        with open(configuration, "w") as file:
            json.dump({"version": "0.1", "log": {"level": "error"}, "http": {"addr": self.name},
                       "storage": {"filesystem": {"rootdirectory": f"{directory}/registry"}}}, file)
        self.process = subprocess.Popen(["/usr/bin/docker-registry", "serve", configuration],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise AssertionError("docker-registry didn't start")

    def push(self, layout, name):
        subprocess.run(["/usr/bin/skopeo", "copy", "--quiet", "--insecure-policy", "--dest-tls-verify=false",
                        f"oci:{layout.path}:{name}", f"docker://{self.name}/{name}:1"], check=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def with_registry(check):
    """Gives a check a registry that has the images `small` and `base`."""
    with tempfile.TemporaryDirectory() as directory, Registry(directory) as registry:
        layout = Layout(directory + "/layout")
        busybox(layout)
        for name in ("small", "base"):
            registry.push(layout, name)
        return check(registry, layout)
