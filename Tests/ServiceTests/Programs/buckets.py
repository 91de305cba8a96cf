"""Buckets: what sandboxes see of an S3 service, who else hears of its keys, and what its death does."""

import wheels

wheels.need("moto[s3]==5.2.5", "flask==3.1.3", "flask-cors==6.0.5")

import glob
import os
import signal
import socket
import subprocess
import sys
import time
import uuid

import boto3
import botocore.config

from cordon_rest import *

CORDON = os.environ["CORDON_PROGRAMS"] + "/cordon"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDOFATEST", "AWS_SECRET_ACCESS_KEY": "a/secret+key="}


class S3:
    """An S3 service on loopback (moto), in a process of its own."""

    def __init__(self, port=None):
        if port is None:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
        self.port, self.url = port, f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self.accepts, "moto serves")
        self.client = boto3.client(
            "s3", endpoint_url=self.url, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x",
            config=botocore.config.Config(s3={"addressing_style": "path"}))

    def accepts(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def bucket(self, versions=False, **objects):
        name = "b-" + uuid.uuid4().hex[:12]
        self.client.create_bucket(Bucket=name)
        if versions:
            self.client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        for key, content in objects.items():
            self.put(name, key, content)
        return name

    def put(self, bucket, key, content):
        self.client.put_object(Bucket=bucket, Key=key, Body=content)

    def get(self, bucket, key):
        return self.client.get_object(Bucket=bucket, Key=key)["Body"].read()

    def keys(self, bucket):
        return sorted(one["Key"] for one in self.client.list_objects_v2(Bucket=bucket).get("Contents", []))

    def stop(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def until(condition, what, limit=60):
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, f"not within {limit} s: {what}"
        time.sleep(0.05)


def mount(s3, name, path="/b", **more):
    return {"bucket": name, "path": path, "endpoint_url": s3.url, "force_path_style": True, "secrets": [{"env": KEYS}], **more}


def box(*buckets, **spec):
    return create(cloud_buckets=list(buckets), timeout_seconds=600, **spec)["id"]


def shell(id, script, code=0, **spec):
    done = complete(id, "bash", "-c", script, **spec)
    same(done["result"]["exit_code"], code, (script, done["stdout"], done["stderr"]))
    return done["stdout"]


def programs():
    """Processes that serve buckets."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            words = open(path, "rb").read().split(b"\0")
        except OSError:
            continue
        if os.path.basename(words[0]) == b"rclone":
            found.append((int(path.split("/")[2]), b" ".join(words).decode()))
    return found


def serving(bucket):
    return [pid for pid, line in programs() if f"bucket:{bucket}/" in line]


def basics():
    with S3() as s3:
        name = s3.bucket(versions=True, one=b"1\n")
        s3.put(name, "deep/er/two", b"2\n")
        made = create(cloud_buckets=[mount(s3, name)], argv=["sh", "-c", "cat /b/one; sleep 1000"], timeout_seconds=600)
        id = made["id"]
        same(made["cloud_buckets"], [{
            "bucket": name, "path": "/b", "endpoint_url": s3.url, "read_only": False, "force_path_style": True,
            "requester_pays": False, "signed": True}], "what is shown")
        for piece in follow(f"/v1/sandboxes/{id}", pieces=lambda piece: True):
            same(piece, b"1\n", "what the main command sees as it starts")
            break
        same(shell(id, "cd /b && ls && cat deep/er/two && stat -c '%u %g %a' one deep"),
             "deep\none\n2\n0 0 644\n0 0 755\n", "read")
        shell(id, "cd /b && echo new > made && echo over > one && mkdir dir && echo in > dir/file && mv made moved && rm -r deep")
        same(s3.keys(name), ["dir/file", "moved", "one"], "keys")
        same((s3.get(name, "one"), s3.get(name, "moved"), s3.get(name, "dir/file")), (b"over\n", b"new\n", b"in\n"), "objects")
        shell(id, "head -c 13000000 /dev/zero | tr '\\0' x > /b/big && cmp /b/big <(head -c 13000000 /dev/zero | tr '\\0' x)")
        same(s3.client.head_object(Bucket=name, Key="big")["ContentLength"], 13000000, "parts")
        same(shell(id, "cat /b/one", user="nobody"), "over\n", "another user reads")
        shell(id, "echo x > /b/no", 1, user="nobody")
        # Appending, and writing anywhere but behind what was written, takes a whole copy: refused.
        shell(id, "echo more >> /b/one", 1)
        shell(id, "python3 -c 'with open(\"/b/one\", \"r+\") as file: file.write(\"x\")'", 1)
        shell(id, "truncate -s 1 /b/one", 1)
        same(s3.get(name, "one"), b"over\n", "not appended to, nor changed in the middle, nor cut")
        shell(id, "truncate -s 0 /b/moved && : > /b/dir/file")
        # Of a file into which nothing was written the object comes after its close.
        until(lambda: (s3.get(name, "moved"), s3.get(name, "dir/file")) == (b"", b""), "cut to nothing")
        # Over with the first close of any descriptor.
        shell(id, "{ /bin/echo a; /bin/echo b; } > /b/shared", 1)
        # Nothing but files and directories can be made.
        shell(id, "cd /b; ln -s /etc/passwd l; ln one h; mkfifo f; mknod d c 1 3; ls -l | grep -v -e ^- -e ^d -e total", 1)
        shell(id, "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"/b/s\")'", 1)
        s3.put(name, "later", b"3\n")
        until(lambda: shell(id, "cat /b/later 2> /dev/null; true") == "3\n", "what others write shows")
        # Mounts of a bucket's stay as they are, and what is copied of the sandbox leaves it out.
        expect(call("DELETE", f"/v1/sandboxes/{id}/mounts", params={"path": "/b"}), 404, 409)
        kept = expect(call("POST", f"/v1/sandboxes/{id}/snapshots", json={}), 201).json()
        same(shell(create(image=kept["id"])["id"], "ls -A /b"), "", "a snapshot")
        terminate(id)
        until(lambda: not serving(name), "the program ends with its sandbox")


def places():
    """Prefixes, read-only, several buckets, in runs, beside volumes, unsigned."""
    with S3() as s3:
        first, second = s3.bucket(top=b"top"), s3.bucket(other=b"other")
        s3.put(first, "a/b/c", b"c")
        keys = [{"env": {**KEYS, "AWS_REGION": "eu-central-1"}}]
        id = box(mount(s3, first, "/in/part", prefix="a/b/", secrets=keys), mount(s3, second, "/second", read_only=True, secrets=[]))
        same(shell(id, "ls /in/part /second; echo d > /in/part/d"), "/in/part:\nc\n\n/second:\nother\n", "both")
        same(s3.keys(first), ["a/b/c", "a/b/d", "top"], "below the prefix")
        shell(id, "echo x > /second/x || rm /second/other", 1)
        same([(one["signed"], one.get("region")) for one in sandbox(id)["cloud_buckets"]],
             [(True, "eu-central-1"), (False, None)], "whether they are signed, and where they are by their secrets")
        ran = expect(call("POST", "/v1/run", json={
            "argv": ["sh", "-c", "cat /b/top; echo ran > /b/ran"], "cloud_buckets": [mount(s3, first)]}), 200).json()
        same((ran["stdout"], s3.get(first, "ran")), ("top", b"ran\n"), "a run")
        expect(call("POST", "/v1/secrets", json={"name": "keys-" + first, "env": KEYS}), 201)
        line = [CORDON, "run", "--bucket", f"{first}/a:/a:ro", "--bucket", f"{second}:/s", "--bucket-endpoint", s3.url,
                "--bucket-path-style", "--bucket-secret", "keys-" + first, "--", "sh", "-c", "cat /a/b/c /s/other; touch /a/x || echo no"]
        same(subprocess.run(line, check=True, stdout=subprocess.PIPE).stdout, b"cotherno\n", "the command line")
        volume = expect(call("POST", "/v1/volumes", json={"name": "v" + uuid.uuid4().hex[:12]}), 201).json()["id"]
        id = box(mount(s3, second, "/v/bucket", region="auto", secrets=keys), mount(s3, first, "/top/bucket"),
                 volumes=[{"volume": volume, "path": "/v"}])
        same(sandbox(id)["cloud_buckets"][0]["region"], "auto", "not what the secrets say")
        shell(id, "echo own > /v/own; ls /v/bucket")
        # It stands still for this while its bucket is being read.
        start(id, "sh", "-c", "while cat /v/bucket/other > /dev/null; do :; done")
        expect(call("POST", f"/v1/sandboxes/{id}/volumes/commit"), 200)
        same(call("GET", f"/v1/volumes/{volume}/files", params={"path": "/own"}).text, "own\n", "a commit")
        expect(call("PUT", f"/v1/volumes/{volume}/files", params={"path": "/later"}, data=b"later",
                    headers={"Content-Type": "application/octet-stream"}), 200)
        same(expect(call("POST", f"/v1/sandboxes/{id}/volumes/reload"), 409).json()["code"], "failed_precondition", "a reload")
        # Copies of directories lead into no mount while it has a bucket.
        shell(id, "mkdir /srv/d; echo d > /srv/d/file; ln -s /v/bucket /srv/link")

        def copied(path, status):
            return expect(call("POST", f"/v1/sandboxes/{id}/snapshots", json={"kind": "directory", "path": path}), status).json()

        same((copied("/srv/d", 201)["entries"], copied("/top", 201)["entries"]), (1, 1), "what lies beside a bucket, and around one")
        for path in ["/v", "/v/bucket", "/srv/link", "/usr/lib", "/lib"]:
            refused = copied(path, 409)
            assert refused["code"] == "failed_precondition" and "a sandbox with a bucket" in refused["detail"], refused


def refusals():
    with S3() as s3:
        name = s3.bucket()

        def refused(status, words, **change):
            answer = expect(call("POST", "/v1/sandboxes", json={"cloud_buckets": [{**mount(s3, name), **change}]}), status)
            assert words in answer.text, answer.text
            return answer.json()

        refused(409, "no such bucket", bucket="none-" + name)
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            refused(409, "doesn't answer", endpoint_url=f"http://127.0.0.1:{nobody.getsockname()[1]}")
        # The host's own addresses, others' networks and metadata: whatever they would answer.
        for address in ["169.254.169.254", "10.255.0.1", "[::1]", "[::ffff:10.255.0.1]"]:
            refused(409, "may not reach", endpoint_url=f"http://{address}:{s3.port}")
        for change, field in [
            ({"bucket": "A_b"}, "bucket"), ({"bucket": None}, "bucket"), ({"path": "/proc/b"}, "path"), ({"path": "b"}, "path"),
            ({"prefix": "a//b"}, "prefix"), ({"prefix": "../x"}, "prefix"), ({"prefix": "a\nb"}, "prefix"),
            ({"endpoint_url": "ftp://x"}, "endpoint_url"), ({"endpoint_url": "http://a:b@c"}, "endpoint_url"),
            ({"endpoint_url": "http://x/y"}, "endpoint_url"), ({"endpoint_url": "http://x:0"}, "endpoint_url"),
            ({"region": "a\nb"}, "region"), ({"read_only": "yes"}, "read_only"),
            ({"secrets": [{"env": {**KEYS, "AWS_SECRET_ACCESS_KEY": "planted\nendpoint = x"}}]}, "secrets"),
            ({"secrets": [{"env": {**KEYS, "AWS_REGION": "planted east"}}]}, "secrets"),
        ]:
            answer = refused(400, field, **change)
            same(answer["field"], f"cloud_buckets[0].{field}", change)
            assert "planted" not in json.dumps(answer), answer
        refused(409, "AWS_SECRET_ACCESS_KEY", secrets=[{"env": {"AWS_ACCESS_KEY_ID": "x"}}])
        refused(409, "AWS_ACCESS_KEY_ID", secrets=[{"env": {"OTHER": "x"}}])
        refused(404, "no secret", secrets=["none-of-that-name"])
        both = [mount(s3, name), mount(s3, name, "/b/c")]
        expect(call("POST", "/v1/sandboxes", json={"cloud_buckets": both}), 400)
        expect(call("POST", "/v1/sandboxes", json={"cloud_buckets": [mount(s3, name, f"/{n}") for n in range(5)]}), 400)
        until(lambda: not serving(name), "nothing is left of what was refused")


def planted(directory, value):
    """Keys are in nobody's command line, environment, files or words, and the program reaches nothing."""
    with S3() as s3:
        name = s3.bucket(one=b"1")
        keys = {**KEYS, "AWS_SECRET_ACCESS_KEY": value, "AWS_SESSION_TOKEN": value}
        stored = expect(call("POST", "/v1/secrets", json={"name": "keys-" + name, "env": keys}), 201).json()["name"]
        id = box(mount(s3, name, secrets=[stored]))
        assert value not in shell(id, "env; cat /proc/*/environ /proc/*/cmdline /proc/*/mountinfo 2> /dev/null | tr '\\0' ' '; ls /b")
        # One that fails says nothing of them either.
        assert value not in call("POST", "/v1/sandboxes", json={"cloud_buckets": [mount(s3, "none-" + name, secrets=[stored])]}).text
        assert value not in json.dumps(sandbox(id)) + call("GET", f"/v1/sandboxes/{id}/events").text
        wanted = value.encode()
        mine, pid = set(), os.getpid()
        while pid > 1:
            mine.add(pid)
            pid = int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1])
        for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ"):
            # This program's own command line has it, and maybe those of who started it.
            if int(path.split("/")[2]) in mine:
                continue
            try:
                assert wanted not in open(path, "rb").read(), path
            except OSError:
                pass
        for top, _, files in os.walk(directory):
            for file in files:
                try:
                    assert wanted not in open(os.path.join(top, file), "rb").read(), (top, file)
                except OSError:
                    pass
        for pid in serving(name):
            status = dict(line.split(":\t", 1) for line in open(f"/proc/{pid}/status").read().splitlines() if ":\t" in line)
            users = set(status["Uid"].split())
            assert len(users) == 1 and int(users.pop()) >= 0x70200000, status["Uid"]
            same({status[f"Cap{kind}"].strip("0\n") for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")}, {""}, "capabilities")
            same((status["NoNewPrivs"].strip(), status["Seccomp"].strip()), ("1", "2"), "restrictions")
            seen = set(os.listdir(f"/proc/{pid}/root"))
            assert not seen & {"root", "home", "var", "tmp", "work", "srv"}, seen
        terminate(id)


def dead():
    """A service that doesn't answer, and a program that doesn't, keep no sandbox from ending; calls fail, and work later."""
    with S3() as s3:
        name, another = s3.bucket(one=b"1" * 1000), s3.bucket(unread=b"2")
        id, other, patient = box(mount(s3, name)), box(mount(s3, name)), box(mount(s3, another))
        shell(id, "cat /b/one")
        s3.process.send_signal(signal.SIGSTOP)
        start(id, "cat", "/b/one")
        began = time.monotonic()
        waiting = start(patient, "cat", "/b/unread", timeout_seconds=150)
        # Whoever is created now hears within its time that nobody answers; who is there goes on meanwhile.
        late = expect(call("POST", "/v1/sandboxes", json={"cloud_buckets": [mount(s3, name)]}), 409)
        assert "doesn't answer" in late.text, late.text
        same(shell(id, "echo on"), "on\n")
        # With the program itself stopped nobody would ever answer.
        for pid in serving(name):
            os.kill(pid, signal.SIGSTOP)
        stuck = start(id, "sh", "-c", "cat /b/one & ls /b & wait")
        time.sleep(0.5)
        same("result" in expect(call("GET", stuck), 200).json(), False, "it waits")
        same(expect(call("DELETE", f"/v1/sandboxes/{id}", timeout=60), 200).json()["result"]["reason"], "terminated", "the end")
        timed = expect(call("PATCH", f"/v1/sandboxes/{other}", json={"timeout_seconds": 1}), 200).json()["id"]
        start_path = f"/v1/sandboxes/{timed}"
        same(ending(start_path)["reason"], "timed_out", "its lifetime")
        until(lambda: not serving(name), "nothing is left")
        # Who waits hears after about a minute, and finds it all there when the service goes on.
        result = ending(waiting)
        assert time.monotonic() - began < 120, "it took too long"
        same((result["exit_code"], "Input/output error" in whole(waiting, "stderr").decode()), (1, True), result)
        s3.process.send_signal(signal.SIGCONT)
        until(lambda: shell(patient, "cat /b/unread 2> /dev/null; true") == "2", "it works again")
    with S3(s3.port) as s3:
        name = s3.bucket(one=b"again")
        id = box(mount(s3, name))
        same(shell(id, "cat /b/one"), "again", "a new one")
        # A program that dies alone ends what it serves, and nothing else.
        for pid in serving(name):
            os.kill(pid, signal.SIGKILL)
        until(lambda: complete(id, "ls", "/b")["result"]["exit_code"] != 0, "nobody serves it")
        assert "not connected" in shell(id, "ls /b 2>&1; true")
        same(shell(id, "echo on"), "on\n")
        terminate(id)


def before_the_kill(port):
    s3 = S3(int(port))
    name = s3.bucket(one=b"1")
    print(box(mount(s3, name)), name, s3.process.pid)


def after_the_kill(port, id, name, pid):
    try:
        same(shell(id, "cat /b/one; echo x > /b/x"), "1", "it is served on")
        same(len(serving(name)), 1, "programs")
        terminate(id)
        until(lambda: not serving(name), "the program ends with its sandbox")
    finally:
        os.kill(int(pid), signal.SIGKILL)


if __name__ == "__main__":
    run_check({f.__name__: f for f in (basics, places, refusals, planted, dead, before_the_kill, after_the_kill)})
