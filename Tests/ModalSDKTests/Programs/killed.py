"""A program in the middle of whose work the service is killed and started again: it finishes as if nothing had been."""

import sys
import threading

import modal
from sdk import app, host, run, same, sandbox, until


def program(control):
    with sandbox(timeout=600) as box:
        process = box.exec("sh", "-c", "i=0; while [ $i -lt 100 ]; do echo line $i; i=$((i+1)); sleep 0.05; done; exit 5", bufsize=1)
        said = []
        for line in process.stdout:
            said.append(line)
            if len(said) == 20:
                # The service is killed once this file is there.
                open(control, "w").close()
        same(said, [f"line {number}\n" for number in range(100)])
        same(process.wait(), 5)
        same(run(box, "echo", "after"), "after\n")
    box.wait(raise_on_termination=False)
    same(box.returncode, 137)


program(sys.argv[1])
