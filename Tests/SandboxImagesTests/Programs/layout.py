"""Writes an OCI layout of images: layout.py DIRECTORY, which must not be there.

Two images stand on the same first layer: `one` has two layers, `two` another second one with a whiteout.
"""
import gzip, hashlib, io, json, os, platform, sys, tarfile

root = sys.argv[1]
os.makedirs(f"{root}/blobs/sha256")
architecture = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


def blob(content):
    digest = hashlib.sha256(content).hexdigest()
    with open(f"{root}/blobs/sha256/{digest}", "wb") as file:
        file.write(content)
    return {"digest": f"sha256:{digest}", "size": len(content)}


def layer(files):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    plain = raw.getvalue()
    described = blob(gzip.compress(plain, mtime=0))
    described["mediaType"] = "application/vnd.oci.image.layer.v1.tar+gzip"
    return described, "sha256:" + hashlib.sha256(plain).hexdigest()


def image(name, *layers):
    config = {
        "architecture": architecture, "os": "linux", "rootfs": {"type": "layers", "diff_ids": [d for _, d in layers]},
        "config": {"Env": [f"NAME={name}", "PATH=/bin"], "WorkingDir": "/srv", "User": "7:8", "Entrypoint": ["/bin/env"],
                   "Labels": {"of": name}},
    }
    described = blob(json.dumps(config).encode())
    described["mediaType"] = "application/vnd.oci.image.config.v1+json"
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": described,
                "layers": [l for l, _ in layers]}
    entry = blob(json.dumps(manifest).encode())
    entry["mediaType"] = manifest["mediaType"]
    entry["annotations"] = {"org.opencontainers.image.ref.name": name}
    return entry


base = layer({"etc/base": b"base\n", "bin/large": os.urandom(3 << 20)})
index = {"schemaVersion": 2, "manifests": [
    image("one", base, layer({"etc/one": b"one\n"})), image("two", base, layer({"etc/two": b"two\n"}))]}
with open(f"{root}/index.json", "w") as file:
    json.dump(index, file)
with open(f"{root}/oci-layout", "w") as file:
    json.dump({"imageLayoutVersion": "1.0.0"}, file)
