#!/usr/bin/env python3
"""An agent's loop over plain REST: write a file, run it, read what it says, keep the state, try two ways from there.

Expects the service's address in CORDON_URL and a token in CORDON_TOKEN.
"""

import os

import requests

PROGRAM = """
import json, pathlib
state = pathlib.Path("state.json")
steps = json.loads(state.read_text()) if state.exists() else []
steps.append(len(steps) + 1)
state.write_text(json.dumps(steps))
print(sum(steps))
"""


def call(method, path, **options):
    """One request; its answer, from JSON where it is that."""
    answer = requests.request(
        method, os.environ["CORDON_URL"] + "/v1/sandboxes" + path,
        headers={"Authorization": "Bearer " + os.environ["CORDON_TOKEN"], **options.pop("headers", {})},
        timeout=120, **options)
    answer.raise_for_status()
    return answer.json() if answer.headers["Content-Type"].startswith("application/json") else answer.text


def create(**spec):
    return call("POST", "", json={"app": "agent", "timeout_seconds": 600, **spec})["id"]


def step(id):
    """Runs the program once; answers what it printed."""
    done = call("POST", f"/{id}/execs", json={
        "argv": ["python3", "program.py"], "workdir": "/work", "timeout_seconds": 30, "wait": True})
    if done["result"].get("exit_code") != 0:
        raise SystemExit(done["stderr"])
    return done["stdout"].strip()


sandbox = create()
call("PUT", f"/{sandbox}/files", params={"path": "/work/program.py", "parents": "true"}, data=PROGRAM.encode(),
     headers={"Content-Type": "application/octet-stream"})
print("first step:", step(sandbox))
kept = call("POST", f"/{sandbox}/snapshots", json={})["id"]
call("DELETE", f"/{sandbox}")

branches = [create(image=kept) for _ in range(2)]
print("one branch, two steps:", [step(branches[0]), step(branches[0])])
print("the other, one step:", step(branches[1]))
print("its state:", call("GET", f"/{branches[1]}/files", params={"path": "/work/state.json"}))
for branch in branches:
    call("DELETE", f"/{branch}")
