#!/usr/bin/env python3
"""An agent's tool: runs code that a model wrote, and tells what came of it.

Expects the service's address in CORDON_URL and a token in CORDON_TOKEN.
"""

import os

import requests


def run(code, language="python", **options):
    """Runs `code`; returns what a model should see of it. Raises when the request itself was wrong."""
    answer = requests.post(
        os.environ["CORDON_URL"] + "/v1/run",
        headers={"Authorization": "Bearer " + os.environ["CORDON_TOKEN"]},
        json={"language": language, "code": code, "timeout_seconds": 20, **options},
        timeout=60)
    answer.raise_for_status()
    result = answer.json()
    # Bytes that aren't text come as base64 under another name.
    seen = {name: result.get(name, "(binary)") for name in ("stdout", "stderr")}
    seen["ending"] = result["result"]["reason"]
    seen["exit_code"] = result.get("exit_code")
    seen["files"] = {file["path"]: file.get("content") for file in result["output_files"]}
    return seen


if __name__ == "__main__":
    print(run("print(sum(range(10)))"))
    print(run("raise SystemExit(3)"))
    print(run("while True: pass", timeout_seconds=1)["ending"])
    print(run("open('answer', 'w').write('42')", output_files=["answer"])["files"])
