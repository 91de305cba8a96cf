"""What a sandbox costs through Modal's SDK, beside the same over REST from the same Python."""

import json
import os
import pathlib
import subprocess
import sys

WHAT = "A new sandbox, the output of `echo x`, and gone, from Python"
VERSION = "1.6.4"

# Runs with the SDK's Python; takes both ways in turn, so that both see the same machine. Prints their times.
PROGRAM = r"""
import http.client, json, os, sys, time
import modal
count = int(sys.argv[1])
connection = http.client.HTTPConnection(os.environ["CORDON_HOST"])
fields = {"Authorization": "Bearer " + os.environ["CORDON_TOKEN"], "Content-Type": "application/json"}

def call(method, path, body=None):
    connection.request(method, "/v1/sandboxes" + path, None if body is None else json.dumps(body), fields)
    answer = connection.getresponse()
    content = answer.read()
    assert answer.status < 300, content
    return json.loads(content)

app = modal.App.lookup("bench", create_if_missing=True)
image = modal.Image.from_registry("host")

def over_rest():
    id = call("POST", "", {"app": "bench"})["id"]
    done = call("POST", f"/{id}/execs", {"argv": ["echo", "x"], "wait": True})
    assert done["stdout"] == "x\n", done
    call("DELETE", f"/{id}")

def with_sdk():
    sandbox = modal.Sandbox.create(app=app, image=image)
    process = sandbox.exec("echo", "x")
    assert process.stdout.read() == "x\n" and process.wait() == 0
    sandbox.terminate()

times = {"rest": [], "sdk": []}
for number in range(-10, count):
    for name, work in (("rest", over_rest), ("sdk", with_sdk)):
        started = time.perf_counter()
        work()
        if number >= 0:
            times[name].append((time.perf_counter() - started) * 1000)
        time.sleep(0.02)
print(json.dumps(times))
sys.stdout.flush()
os._exit(0)
"""


def python():
    """The Python of an environment with the SDK, which the tests use too."""
    maker = pathlib.Path(__file__).parent.parent / "Tests/ModalSDKTests/Programs/make_venv.py"
    return subprocess.run(
        [sys.executable, "-B", maker, VERSION], check=True, capture_output=True, text=True).stdout.strip()


def measure(report, service, count):
    credentials = f"{service.directory}/data/credentials.json"
    exports = subprocess.run(
        [service.programs / "cordon", "modal-env"], check=True, capture_output=True, text=True,
        env={**os.environ, "CORDON_CREDENTIALS": credentials}).stdout
    variables = dict(
        line.removeprefix("export ").split("=", 1) for line in exports.splitlines() if line.startswith("export "))
    done = subprocess.run(
        [python(), "-B", "-c", PROGRAM, str(count)], check=True, capture_output=True, text=True,
        env={**os.environ, **{name: value.strip("'\"") for name, value in variables.items()},
             "CORDON_HOST": service.host, "CORDON_TOKEN": service.token, "MODAL_CONFIG_PATH": "/nonexistent"})
    times = json.loads(done.stdout.splitlines()[-1])
    report.add(WHAT, "REST: create, exec, delete", times["rest"])
    median = sorted(times["rest"])[len(times["rest"]) // 2]
    report.add(WHAT, f"modal {VERSION}: create, exec, read, wait, terminate", times["sdk"], target=3 * median)
