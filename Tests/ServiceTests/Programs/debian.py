"""Debian from scratch: debootstrapped, pushed, pulled, built upon, kept, and branched. What its packages come from is the host's network."""

import fcntl
import io
import os
import shutil
import subprocess
import tarfile
import tempfile

from cordon_rest import call, expect, run_check, same, session, URL
from images import create, output, pull
from registry_side import Registry

CACHE = os.environ.get("CORDON_TEST_CACHE", "/var/cache/cordon-tests")
# A change of this makes the cache anew.
SUITE, PACKAGES, VERSION = "bookworm", "python3-venv", 1
CA = "/etc/ssl/certs/ca-certificates.crt"


def layout():
    """An OCI layout with Debian in it, made by mmdebstrap and umoci; made once on a machine, and kept."""
    path = f"{CACHE}/debian-{SUITE}-{VERSION}"
    os.makedirs(CACHE, exist_ok=True)
    with open(f"{CACHE}/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(path):
            with tempfile.TemporaryDirectory(dir=CACHE) as directory:
                root, made = f"{directory}/root.tar", f"{directory}/layout"
                excluded = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "locale", "man")]
                subprocess.run(["mmdebstrap", "--quiet", "--mode=root", "--variant=apt", f"--include={PACKAGES}", *excluded,
                                SUITE, root, "http://deb.debian.org/debian"], check=True, stdin=subprocess.DEVNULL)
                for command in (["init", "--layout", made], ["new", "--image", f"{made}:debian"],
                                ["raw", "add-layer", "--image", f"{made}:debian", root],
                                ["config", "--image", f"{made}:debian", "--config.env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]):
                    subprocess.run(["umoci", *command], check=True, capture_output=True)
                os.rename(made, path)
    return path


def context():
    """A build context: a script, and the certificates that the host trusts."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, content, mode in [("ca.crt", open(CA, "rb").read(), 0o644),
                                    ("job.py", b"import six, sys\nprint('job', six.__name__, *sys.argv[1:])\n", 0o755)]:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    answer = call("POST", "/v1/images/contexts", data=raw.getvalue(), headers={"Content-Type": "application/octet-stream"})
    return expect(answer, 201).json()["id"]


# RUN reaches what the host reaches, by the proxies that the host uses, if it does.
PROXIES = {name: os.environ[name] for name in ("http_proxy", "https_proxy", "no_proxy") if os.environ.get(name)}
DOCKERFILE = """
FROM {base}
{proxies}
ENV PIP_CERT=/etc/cordon-ca.crt PIP_DISABLE_PIP_VERSION_CHECK=1 DEBIAN_FRONTEND=noninteractive
COPY ca.crt /etc/cordon-ca.crt
RUN apt-get -qq update && apt-get -qq install -y --no-install-recommends jq > /dev/null && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /venv && /venv/bin/pip install -q six
COPY job.py /srv/
WORKDIR /srv
ENV PATH=/venv/bin:/usr/sbin:/usr/bin:/sbin:/bin
"""


def build(dockerfile, status=200, **order):
    return expect(call("POST", "/v1/images/build", json={"dockerfile": dockerfile, **order}, timeout=600), status).json()


def whole():
    path = layout()
    with tempfile.TemporaryDirectory() as directory, Registry(directory) as registry:
        subprocess.run(["skopeo", "copy", "--quiet", "--insecure-policy", "--dest-tls-verify=false", f"oci:{path}:debian",
                        f"docker://{registry.name}/debian:1"], check=True)
        base = pull(f"{registry.name}/debian:1")
        same(base["entries"] > 3000, True, base["entries"])
        given = " ".join(f'{name}="{value}"' for name, value in PROXIES.items())
        text = DOCKERFILE.format(base=f"{registry.name}/debian:1", proxies="ENV " + given if given else "")
        image = build(text, context=context(), tags=["app:1"])
        same(image["parent"], base["id"], "the parent")
    # Built again it is all there, and asks nobody: the registry is gone.
    box = create(image="app:1", block_network=True)["id"]
    same(output(box, "python3", "job.py", "x"), "job six x\n", "what was copied runs what was installed")
    same(output(box, "jq", "-n", "6 * 7"), "42\n", "what apt-get installed")
    output(box, "sh", "-c", "echo '{\"state\": 1}' > /srv/state.json; mv /srv/job.py /srv/work.py")
    kept = expect(call("POST", f"/v1/sandboxes/{box}/snapshots", json={"name": "app:kept"}), 201).json()
    made = expect(call("POST", f"/v1/sandboxes/{box}/branches", timeout=300, json={
        "count": 8, "winners": "snapshot",
        "argv": ["sh", "-c", "jq '.state += {i}' state.json > new && mv new state.json && python3 work.py {i} > out && cat out state.json"]}), 200).json()
    same([one["exit_code"] for one in made["branches"]], [0] * 8, made)
    for one in made["branches"]:
        number = one["number"]
        assert one["stdout"].split() == ["job", "six", str(number), "{", '"state":', str(1 + number), "}"], one["stdout"]
        changed = {(change["kind"], change["path"]) for change in one["changes"] if change["path"].startswith("/srv/")}
        assert changed >= {("added", "/srv/out"), ("modified", "/srv/state.json")}, changed
        # The image of each is its own, on the snapshot.
        diff = expect(call("GET", f"/v1/images/{kept['id']}/diff/{one['image_id']}", params={"path": "/srv/state.json", "unified": "true"}), 200).json()
        assert f'+  "state": {1 + number}\n' in diff["changes"][0]["unified"], diff
    same(len({one["image_id"] for one in made["branches"]}), 8, "images")
    # What stands on a whole image, and on nothing of the host's, is compared as well.
    whole_diff = expect(call("GET", f"/v1/images/{base['id']}/diff/{image['id']}", params={"path": "/srv"}), 200).json()
    same([(change["kind"], change["path"]) for change in whole_diff["changes"]], [("added", "/srv/job.py")], "what the build added")


def networks():
    """RUN has the network that sandboxes have, and none where it is blocked."""
    refused = "RUN python3 -c \"import socket; socket.create_connection(('1.1.1.1', 53), 10)\" || echo none > /srv/none"
    image = build(f"FROM host\n{refused}", block_network=True)
    same(output(create(image=image["id"])["id"], "cat", "/srv/none"), "none\n", "without a network")
    names = "RUN python3 -c \"import socket; print(socket.getaddrinfo('deb.debian.org', 80)[0][4][0])\" > /srv/address"
    image = build(f"FROM host\n{names}")
    assert output(create(image=image["id"])["id"], "cat", "/srv/address").strip(), "names resolve"
    failed = build(f"FROM host\n{names}", status=409, block_network=True, no_cache=True)
    assert failed["code"] == "failed_precondition", failed


if __name__ == "__main__":
    run_check({f.__name__: f for f in (whole, networks)})
