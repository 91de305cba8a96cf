#!/usr/bin/env python3
"""An agent's loop with Modal's SDK: write a file, run it, read what it says, keep the state, try two ways from there.

    eval "$(sudo cordon modal-env)" && pip install modal==1.6.4 && python3 examples/agent_modal.py
"""

import modal

app = modal.App.lookup("agent", create_if_missing=True)
# The host's own /usr; any other image does as well: modal.Image.debian_slim().pip_install("numpy")
image = modal.Image.from_registry("host")

PROGRAM = """
import json, pathlib
state = pathlib.Path("state.json")
steps = json.loads(state.read_text()) if state.exists() else []
steps.append(len(steps) + 1)
state.write_text(json.dumps(steps))
print(sum(steps))
"""


def step(sandbox):
    """Runs the program once; answers what it printed."""
    process = sandbox.exec("python3", "program.py", timeout=30, workdir="/work")
    answer = process.stdout.read().strip()
    if process.wait() != 0:
        raise SystemExit(process.stderr.read())
    return answer


sandbox = modal.Sandbox.create(app=app, image=image, timeout=600)
sandbox.filesystem.write_text(PROGRAM, "/work/program.py")
print("first step:", step(sandbox))
kept = sandbox.snapshot_filesystem()
sandbox.terminate()

branches = [modal.Sandbox.create(app=app, image=kept, timeout=600) for _ in range(2)]
print("one branch, two steps:", [step(branches[0]), step(branches[0])])
print("the other, one step:", step(branches[1]))
print("its state:", branches[1].filesystem.read_text("/work/state.json"))
for branch in branches:
    branch.terminate()
