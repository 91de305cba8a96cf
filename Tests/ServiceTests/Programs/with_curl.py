"""The same service through curl: what a shell script would do."""

import hashlib
import json
import os
import subprocess
import tempfile

from cordon_rest import *


def curl(path, *arguments, status=200):
    """Returns the body; the status is checked."""
    with tempfile.NamedTemporaryFile() as body:
        command = ["curl", "-sS", "-o", body.name, "-w", "%{http_code}", "-H", "Authorization: Bearer " + os.environ["CORDON_TOKEN"]]
        done = subprocess.run(command + list(arguments) + [URL + path], capture_output=True, timeout=120)
        same((done.returncode, done.stdout.decode()), (0, str(status)), f"curl {path}: {done.stderr.decode()} {body.read(300)}")
        body.seek(0)
        return body.read()


def from_create_to_terminate():
    answer = json.loads(curl("/v1/sandboxes", "--json", '{"name": "from-curl", "tags": {"a": "b"}}', status=201))
    path = "/v1/sandboxes/" + answer["id"]
    done = json.loads(curl(path + "/execs", "--json", '{"argv": ["sh", "-c", "echo out; echo err >&2; exit 3"], "wait": true}'))
    same((done["stdout"], done["stderr"], done["result"]["exit_code"]), ("out\n", "err\n", 3))
    same(json.loads(curl("/v1/sandboxes?tag=a%3Db"))["sandboxes"][0]["id"], answer["id"])
    same(json.loads(curl(path, "-X", "DELETE"))["result"]["reason"], "terminated")
    same(json.loads(curl(path, "-X", "DELETE"))["state"], "ended")
    problem = json.loads(curl(path + "/execs", "--json", '{"argv": ["true"]}', status=409))
    same(problem["code"], "failed_precondition")


def ten_megabytes():
    data = os.urandom(10 << 20)
    exec = start(create()["id"], "cat")
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        # Read by one curl while another writes, chunked, as `-T` does.
        reader = subprocess.Popen(
            ["curl", "-sSN", "-H", "Authorization: Bearer " + os.environ["CORDON_TOKEN"], URL + exec + "/stdout?follow=true"],
            stdout=subprocess.PIPE)
        curl(exec + "/stdin?eof=true", "-X", "POST", "-H", "Content-Type: application/octet-stream",
             "-H", "Transfer-Encoding: chunked", "-T", file.name)
        got = reader.stdout.read()
    same((reader.wait(), hashlib.sha256(got).hexdigest()), (0, hashlib.sha256(data).hexdigest()), "cat's output")
    same(curl(exec + "/stdout?offset=5000000&limit=1000"), data[5000000:5001000], "a part")


def trailers_tell_the_end():
    """`Cordon-End` follows the body when the stream ended while it was sent; curl shows trailers."""
    id = create()["id"]
    exec = start(id, "sh", "-c", "echo one; sleep 0.3; echo two")
    curl_arguments = ["curl", "-sSi", "-H", "Authorization: Bearer " + os.environ["CORDON_TOKEN"]]
    done = subprocess.run(curl_arguments + ["-D", "-", URL + exec + "/stdout?follow=true"], capture_output=True, timeout=60)
    head, _, rest = done.stdout.partition(b"\r\n\r\n")
    assert b"cordon-offset: 0" in head.lower() and b"one\ntwo\n" in rest, done.stdout
    assert b"cordon-end: 8" in done.stdout.lower(), done.stdout


def resumed_with_curl():
    """A transfer that is cut off by curl's own limits goes on by offset."""
    exec = start(create()["id"], "sh", "-c", "for i in $(seq 100000 120000); do echo $i; done; sleep 0.2; echo end")
    wanted = "".join(f"{n}\n" for n in range(100000, 120001)).encode() + b"end\n"
    got = b""
    while True:
        with tempfile.NamedTemporaryFile() as head:
            done = subprocess.run(
                ["curl", "-sSN", "-D", head.name, "--max-time", "0.15", "-H", "Authorization: Bearer " + os.environ["CORDON_TOKEN"],
                 f"{URL}{exec}/stdout?follow=true&limit=30000&offset={len(got)}"], capture_output=True, timeout=60)
            assert done.returncode in (0, 28), done.stderr
            got += done.stdout
            if f"cordon-end: {len(got)}" in head.read().decode().lower():
                break
    same(got, wanted, "stdout")


run_check(globals())
