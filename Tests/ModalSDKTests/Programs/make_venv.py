"""An environment with one version of Modal's SDK from PyPI, made once: prints where its Python is."""

import fcntl
import os
import subprocess
import sys
import tempfile


def make(version):
    folder = os.path.join(tempfile.gettempdir(), f"cordon-modal-sdk-{os.getuid()}-{version}")
    # Nobody else's, in a directory that everybody may write.
    if os.path.lexists(folder) and os.lstat(folder).st_uid != os.getuid():
        raise SystemExit(f"{folder} belongs to somebody else")
    with open(folder + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # One that was interrupted isn't complete, and is made over.
        if not os.path.exists(folder + "/complete"):
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True, stdout=sys.stderr)
            subprocess.run(
                [folder + "/bin/pip", "install", "-q", "--disable-pip-version-check", f"modal=={version}"],
                check=True, stdout=sys.stderr)
            open(folder + "/complete", "w").close()
    return folder + "/bin/python"


print(make(sys.argv[1]))
