"""Images from Debian's docker-registry, filled by skopeo; archives; builds; sandboxes made from them."""

import io
import json
import os
import subprocess
import tarfile
import tempfile

from cordon_rest import call, expect, patiently, run_check, same
from registry_side import FILE, LINK, Layout, with_registry

CORDON = os.environ.get("CORDON_PROGRAMS", "") + "/cordon"


def create(**spec):
    return expect(call("POST", "/v1/sandboxes", json=spec), 201).json()


def output(id, *argv, **exec):
    done = expect(call("POST", f"/v1/sandboxes/{id}/execs", json={"argv": argv, "wait": True, **exec}), 200).json()
    assert done["result"].get("exit_code") == 0, done
    return done["stdout"]


def pull(reference):
    return expect(call("POST", "/v1/images/pull", json={"reference": reference}), 200).json()


def image_path(name):
    return "/v1/images/" + name.replace("/", "%2F")


def pulled():
    """What was pulled is what was pushed: files, owners, removals, and what its configuration says."""
    def check(registry, _):
        small = pull(f"{registry.name}/small:1")
        base = pull(f"{registry.name}/base:1")
        same(small["layers"][0], base["layers"][0], "the shared layer")
        same(len(small["layers"]), 2)
        assert small["size_bytes"] > 500_000 and small["entries"] > 10, small
        same(expect(call("GET", image_path(small["id"])), 200).json(), small)
        names = [image["names"] for image in expect(call("GET", "/v1/images"), 200).json()["images"]]
        same(names, [[f"{registry.name}/base:1"], [f"{registry.name}/small:1"]])

        sandbox = create(image=f"{registry.name}/small:1", env={"COLOR": "red"})
        same((sandbox["image"], sandbox["image_id"]), (f"{registry.name}/small:1", small["id"]))
        same(sandbox["workdir"], "/srv")
        id = sandbox["id"]
        same(output(id, "cat", "/etc/first", "/etc/second"), "changed\nsecond\n")
        same(output(id, "id", "-u").strip() + ":" + output(id, "id", "-g").strip(), "12:34")
        same(output(id, "sh", "-c", "echo $COLOR; cat owned"), "red\nmine\n")
        same(output(id, "stat", "-c", "%u:%g:%a", "/srv/owned", "/etc/second", user="0"), "12:12:600\n34:34:640\n")
        assert "gone" not in output(id, "ls", "/").split()
        output(id, "sh", "-c", "echo more > /etc/first; rm /etc/second", user="0")
        # Another one sees nothing of that.
        other = create(image=small["id"], argv=["sh", "-c", "env > /srv/env; sleep 1000"])
        same(output(other["id"], "cat", "/etc/first", "/etc/second"), "changed\nsecond\n")
        run = expect(call("POST", "/v1/run", json={
            "image": small["id"], "argv": ["sh", "-c", "id -u; pwd"], "workdir": "/tmp/w"}), 200).json()
        same(run["stdout"], "12\n/tmp/w\n")
        same(other["argv"][:2], ["/bin/env", "VIA=entrypoint"])
        expect(call("DELETE", f"/v1/sandboxes/{id}"), 200)

        expect(call("POST", "/v1/sandboxes", json={"image": "nothing:1"}), 404)
        expect(call("POST", "/v1/images/pull", json={"reference": f"{registry.name}/nothing:1"}), 404)
        # Removed by name, it is still there for those that have it, and its layers go with the last of them.
        same(expect(call("DELETE", image_path(f"{registry.name}/small:1")), 200).json(), {"image": None})
        expect(call("POST", "/v1/sandboxes", json={"image": small["id"]}), 404)
        same(expect(call("POST", "/v1/images/collect"), 200).json()["layers_in_use"], 1)
        same(output(other["id"], "cat", "/etc/second"), "second\n")
        expect(call("DELETE", f"/v1/sandboxes/{other['id']}"), 200)
        same(expect(call("POST", "/v1/images/collect"), 200).json()["removed_layers"], 1)
        left = expect(call("GET", image_path(base["id"])), 200).json()
        same(output(create(image=left["id"])["id"], "cat", "/etc/first"), "first\n")
    with_registry(check)


def command_line():
    """`cordon image` pulls with progress, lists, inspects, imports, builds and removes."""
    def cordon(*arguments, **options):
        return subprocess.run([CORDON, *arguments], capture_output=True, text=True, timeout=120, **options)

    def check(registry, layout):
        name = f"{registry.name}/small:1"
        got = cordon("image", "pull", name)
        same(got.returncode, 0, got.stderr)
        assert "2 layers" in got.stderr and "done" in got.stderr, got.stderr
        id = got.stdout.strip()
        same(cordon("run", "--image", name, "--", "cat", "/etc/second").stdout, "second\n")
        assert id in cordon("image", "ls").stdout
        same(json.loads(cordon("image", "inspect", name).stdout)["id"], id)
        archive = layout.path + ".tar"
        subprocess.run(["/usr/bin/skopeo", "copy", "--quiet", "--insecure-policy", f"oci:{layout.path}:base",
                        f"docker-archive:{archive}:team/base:1"], check=True)
        imported = cordon("image", "import", archive)
        same(imported.returncode, 0, imported.stderr)
        same(json.loads(cordon("image", "inspect", "team/base:1").stdout)["kind"], "archive")
        context = layout.path + "-context"
        os.mkdir(context)
        with open(context + "/Dockerfile", "w") as file:
            file.write(f"FROM {name}\nUSER root\nCOPY hello /etc/hello\nRUN cat /etc/hello; echo built > /etc/built\n")
        with open(context + "/hello", "w") as file:
            file.write("hello\n")
        built = cordon("image", "build", "-t", "mine", context)
        same(built.returncode, 0, built.stderr)
        assert "hello" in built.stderr, built.stderr
        same(cordon("run", "--image", "mine", "--", "cat", "/etc/built", "/etc/hello").stdout, "built\nhello\n")
        again = cordon("image", "build", "-t", "mine:2", context)
        same(again.stdout, built.stdout)
        assert again.stderr.count("(cached)") == 2, again.stderr
        with open(context + "/Staged", "w") as file:
            file.write(f"FROM {name} AS one\nUSER root\nARG WORD=none\nRUN echo $WORD > /etc/word; ls /sys/class/net > /etc/nets\n"
                       "FROM one AS two\nRUN exit 1\n")
        staged = ("image", "build", "-q", "-f", context + "/Staged", "--target", "one", "--build-arg", "WORD=said", "--block-network")
        first = cordon(*staged, context)
        same((first.returncode, first.stderr), (0, ""))
        same(cordon("run", "--image", first.stdout.strip(), "--", "cat", "/etc/word", "/etc/nets").stdout, "said\nlo\n")
        same(cordon(*staged, context).stdout, first.stdout)
        assert cordon(*staged, "--no-cache", context).stdout != first.stdout, "every step was run again"
        same(cordon("image", "build", "-f", context + "/Staged", context).returncode, 125)
        same(cordon("image", "rm", "mine", "team/base:1").returncode, 0)
        same(cordon("image", "pull", f"{registry.name}/none:1").returncode, 125)
    with_registry(check)


def built():
    """A Dockerfile of every served instruction, on a pulled image and on the host's."""
    def check(registry, _):
        pull(f"{registry.name}/base:1")
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w:gz") as tar:
            for path, content, mode in [("app/run.sh", b"#!/bin/sh\necho ran $WHO\n", 0o755), ("app/data/x", b"x", 0o644),
                                        ("secret", b"no", 0o600), (".dockerignore", b"secret\n", 0o644)]:
                entry = tarfile.TarInfo(path)
                entry.size, entry.mode, entry.uid = len(content), mode, 1000
                tar.addfile(entry, io.BytesIO(content))
            link = tarfile.TarInfo("app/link")
            link.type, link.linkname = tarfile.SYMTYPE, "data/x"
            tar.addfile(link)
        context = expect(call("POST", "/v1/images/contexts", data=raw.getvalue(),
                              headers={"Content-Type": "application/octet-stream"}), 201).json()["id"]
        dockerfile = f"""
ARG BASE={registry.name}/base:1
FROM $BASE AS first
RUN mkdir /out && seq 1 100000 | wc -l > /out/count
FROM $BASE
ARG WHO=nobody
ENV WHO=$WHO
WORKDIR /app/deep
COPY . /copied/
COPY --chown=app:app --chmod=0700 app/run.sh /usr/run
COPY --from=first /out /out
RUN <<EOF
echo "text $WHO" > here
cat /etc/first >&2
EOF
RUN ["/bin/busybox", "touch", "/exec form"]
USER 12:34
ENTRYPOINT ["/usr/run"]
LABEL l="a b"
EXPOSE 80
"""
        body = {"dockerfile": dockerfile, "context": context, "tags": ["app:1"], "build_args": {"WHO": "you"}}
        answer = call("POST", "/v1/images/build", json=body, headers={"Accept": "application/x-ndjson"})
        events = [json.loads(line) for line in expect(answer, 200).text.splitlines()]
        image = events[-1].get("image")
        assert image, events[-1]
        assert any(e["event"] == "log" and "first" in e.get("text", "") for e in events), events
        same((image["config"]["labels"], image["config"]["exposed_ports"]), ({"l": "a b"}, ["80/tcp"]))
        sandbox = create(image="app:1")
        id = sandbox["id"]
        same(sandbox["workdir"], "/app/deep")
        same(output(id, "cat", "here", "/out/count", "/copied/app/link"), "text you\n100000\nx")
        same(output(id, "stat", "-c", "%u:%g:%a", "/usr/run", "/copied/app/data/x"), "12:34:700\n0:0:644\n")
        same(output(id, "readlink", "/copied/app/link"), "data/x\n")
        assert "secret" not in output(id, "ls", "/copied") and "exec form" in output(id, "ls", "/")
        main = create(image="app:1", argv=["argument"])
        expect(call("GET", f"/v1/sandboxes/{main['id']}/wait"), 200)
        same(call("GET", f"/v1/sandboxes/{main['id']}/stdout").text, "ran you\n")
        same(expect(call("POST", "/v1/images/build", json=body), 200).json()["id"], image["id"], "cached")

        on_host = expect(call("POST", "/v1/images/build", json={
            "dockerfile": "FROM host\nRUN python3 -c 'print(6*7)' > /opt/answer\n"}), 200).json()
        same(on_host["base"], "host")
        same(output(create(image=on_host["id"])["id"], "cat", "/opt/answer"), "42\n")
        for text, status, field in [("FROM host\nRUN exit 7", 409, "dockerfile"), ("FROM host\nVOLUME x", 400, "dockerfile"),
                                    ("FROM nothing:1", 404, "image"), ("FROM host\nCOPY x /", 400, "dockerfile")]:
            refused = expect(call("POST", "/v1/images/build", json={"dockerfile": text}), status).json()
            same(refused["field"], field, text)
    with_registry(check)


def hostile():
    """Layers that lead out, or lie, hurt nothing but themselves."""
    marker = "/tmp/cordon-hostile-" + os.urandom(4).hex()
    with tempfile.TemporaryDirectory() as directory:
        attempts = {
            "up": [("../" * 9 + marker[1:], FILE, b"x", 0o644, 0)],
            "absolute": [(marker, FILE, b"x", 0o644, 0)],
            "link": [("l", LINK, "/../../../../../../tmp", 0o777, 0), ("l/" + marker[5:], FILE, b"x", 0o644, 0)],
            "proc": [("proc", LINK, "/", 0o777, 0)],
            "device": [("d", tarfile.CHRTYPE, "", 0o666, 0), ("ok", FILE, b"x", 0o644, 0)],
            "setuid": [("s", FILE, b"#!", 0o6755, 0)],
        }
        for name, entries in attempts.items():
            layout = Layout(f"{directory}/{name}")
            layout.image("hostile:1", [layout.layer(entries)])
            answer = call("POST", "/v1/images/import", data=layout.tar(),
                          headers={"Content-Type": "application/octet-stream"})
            assert answer.status_code in (200, 400, 409), (name, answer.text)
            assert not os.path.lexists(marker), name
            if name == "device":
                same(answer.json()["images"][0]["left_out"], ["d"], answer.text)
        lying = Layout(directory + "/lying")
        blob, _ = lying.layer([("a", FILE, b"x", 0o644, 0)])
        lying.image("lying:1", [(blob, "sha256:" + "0" * 64)])
        answer = call("POST", "/v1/images/import", data=lying.tar(), headers={"Content-Type": "application/octet-stream"})
        same((answer.status_code, answer.json()["code"]), (500, "data_loss"))
        same([s for s in expect(call("GET", "/v1/sandboxes"), 200).json()["sandboxes"]], [])


def killed():
    """A service that is killed again and again while it pulls and collects loses nothing and leaves nothing."""
    def check(registry, _):
        reference = f"{registry.name}/small:1"
        image = None
        for _ in range(40):
            answer = patiently("POST", "/v1/images/pull", json={"reference": reference})
            if answer.status_code == 200:
                image = answer.json()
                break
        assert image, answer.text
        patiently("POST", "/v1/images/collect")
        same(patiently("GET", image_path(reference)).json()["id"], image["id"])
        # Kills go on: what is asked again must be the same sandbox, and the same exec.
        id = expect(patiently("POST", "/v1/sandboxes", json={"image": reference},
                              headers={"Idempotency-Key": "the-one"}), 201).json()["id"]
        exec = {"argv": ["cat", "/etc/second"], "exec_id": "the-one", "wait": True}
        same(expect(patiently("POST", f"/v1/sandboxes/{id}/execs", json=exec), 200).json()["stdout"], "second\n")
    with_registry(check)


if __name__ == "__main__":
    run_check(globals())
