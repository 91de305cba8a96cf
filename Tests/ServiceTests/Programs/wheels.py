"""Python packages from PyPI for the programs that need some: in an environment of their own, made once."""

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile


def need(*packages):
    """Goes on in an environment with these packages beside the system's."""
    name = hashlib.sha256(repr((sys.version, packages)).encode()).hexdigest()[:16]
    folder = os.path.join(tempfile.gettempdir(), f"cordon-test-python-{os.getuid()}-{name}")
    if sys.prefix == folder:
        return
    # Nobody else's, in a directory that everybody may write.
    if os.path.lexists(folder) and os.lstat(folder).st_uid != os.getuid():
        raise SystemExit(f"{folder} belongs to somebody else")
    with open(folder + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(folder + "/complete"):
            subprocess.run([sys.executable, "-m", "venv", "--system-site-packages", folder], check=True, stdout=subprocess.DEVNULL)
            subprocess.run(
                [folder + "/bin/pip", "install", "-q", "--disable-pip-version-check", *packages], check=True,
                stdout=subprocess.DEVNULL)
            open(folder + "/complete", "w").close()
    os.execv(folder + "/bin/python", [folder + "/bin/python", "-B", *sys.argv])
