"""What the programs share: checks written as users of Modal's SDK write them, run side by side in one process.

A program is a module of functions whose names begin with `check_`. Each is run once; those whose name ends with `_new`
only with the SDK's newer version, those with `_old` only with the older one, those with `_v2` as the newer one comes. What fails is printed with its traceback.
"""

import concurrent.futures
import inspect
import os
import sys
import threading
import time
import traceback

import modal

# Which of the SDK's ways: `v2` and `v1` of 1.6.4, `old` is 1.2.6.
MODE = os.environ["CORDON_SDK_MODE"]
OLD, V1, V2 = MODE == "old", MODE == "v1", MODE == "v2"
# The older SDK has none of its own for it.
ConflictError = getattr(modal.exception, "ConflictError", modal.exception.InvalidError)
_lock = threading.RLock()
_shared = {}


def app():
    """The app that most checks use."""
    return once("app", lambda: modal.App.lookup("checks", create_if_missing=True))


def host():
    """An image that is there without any registry: the host's own /usr."""
    return once("host", lambda: modal.Image.from_registry("host"))


def once(name, make):
    with _lock:
        if name not in _shared:
            _shared[name] = make()
        return _shared[name]


class sandbox:
    """A sandbox for as long as a `with` lasts."""

    def __init__(self, *args, **options):
        options.setdefault("app", app())
        options.setdefault("image", host())
        self.made = modal.Sandbox.create(*args, **options)

    def __enter__(self):
        return self.made

    def __exit__(self, *_):
        self.made.terminate()


def run(box, *argv, **options):
    """A command's stdout, once it has succeeded."""
    process = box.exec(*argv, **options)
    out = process.stdout.read()
    code = process.wait()
    assert code == 0, f"{argv}: {code}, {process.stderr.read()!r}"
    return out


def same(got, wanted, what=""):
    assert got == wanted, f"{what}: {str(got)[:600]!r} instead of {str(wanted)[:600]!r}"


class raises:
    """Expects an exception of a class, and perhaps a text in it."""

    def __init__(self, kind, text=""):
        self.kind, self.text = kind, text

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        assert error is not None, f"nothing was raised; {self.kind} was expected"
        if not isinstance(error, self.kind):
            return False
        assert self.text in str(error), f"{self.text!r} isn't in {error!r}"
        self.error = error
        return True


def until(condition, what, seconds=60):
    """Waits until something is so; answers what it was."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {seconds} seconds")


def main(namespace, workers=4):
    """Runs a program's checks, or those that the command line names."""
    checks = {
        name: check for name, check in namespace.items()
        if name.startswith("check_") and inspect.isfunction(check)
        and not (name.endswith("_v2") and not V2) and not (name.endswith("_new") and OLD) and not (name.endswith("_old") and not OLD)
    }
    if sys.argv[1:]:
        checks = {name: checks[name] for name in sys.argv[1:]}
    failures = []

    def one(name, check):
        started = time.monotonic()
        try:
            check()
        except BaseException:  # Told below, with all others.
            failures.append(f"--- {name} ({MODE})\n{traceback.format_exc()[-3000:]}")
        print(f"{time.monotonic() - started:6.2f} s  {name}", flush=True)

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        for future in [pool.submit(one, name, check) for name, check in checks.items()]:
            future.result()
    print("\n".join(failures))
    sys.stdout.flush()
    # Threads of the SDK's own may linger; what there is to say is said.
    os._exit(1 if failures or not checks else 0)
