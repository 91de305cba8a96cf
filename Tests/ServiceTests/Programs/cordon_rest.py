"""What the test programs share: the REST API through `requests`, a client that we did not write.

A program is a set of checks, functions that raise when something is not as it should be; `run_check`
runs the one that the command line names and hands it the other arguments.
"""

import atexit
import json
import os
import signal
import sys
import tempfile
import threading
import time

import requests

URL = os.environ["CORDON_URL"]
DATA_DIRECTORY = os.environ.get("CORDON_DATA_DIR", "")
LOST = (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError, requests.exceptions.ReadTimeout)

_local = threading.local()


def session():
    """This thread's session: requests' own are not for several threads."""
    if not hasattr(_local, "session"):
        _local.session = requests.Session()
        _local.session.headers["Authorization"] = "Bearer " + os.environ["CORDON_TOKEN"]
        if URL.startswith("https:"):
            # What the environment says would come first.
            _local.session.trust_env = False
            _local.session.verify = trusted()
    return _local.session


def trusted():
    """A file with the certificate that the service's is to be believed by: its CA's, or an operator's own."""
    if "CORDON_TRUSTED" in os.environ:
        return os.environ["CORDON_TRUSTED"]
    with open(os.environ["CORDON_CREDENTIALS"]) as file:
        certificate = json.load(file)["ca_certificate"]
    with tempfile.NamedTemporaryFile("w", suffix=".pem", delete=False) as file:
        file.write(certificate)
    atexit.register(os.unlink, file.name)
    return file.name


def call(method, path, **arguments):
    arguments.setdefault("timeout", 120)
    return session().request(method, URL + path, **arguments)


def patiently(method, path, **arguments):
    """The same, tried again while the service is away or not ready: for requests that may be repeated."""
    for _ in range(3000):
        try:
            answer = call(method, path, **arguments)
            whole = len(answer.content) == int(answer.headers.get("Content-Length", len(answer.content)))
            if answer.status_code != 503 and whole:
                return answer
        except LOST:
            session().close()
        time.sleep(0.02)
    raise AssertionError(f"{method} {path}: no answer for a minute")


def expect(answer, *statuses):
    assert answer.status_code in statuses, f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text[:600]}"
    return answer


def same(got, wanted, what=""):
    """Fails with the first place where two byte strings, or two values, differ."""
    if got == wanted:
        return
    if isinstance(got, bytes) and isinstance(wanted, bytes):
        place = next((i for i, (a, b) in enumerate(zip(got, wanted)) if a != b), min(len(got), len(wanted)))
        raise AssertionError(
            f"{what}: {len(got)} bytes instead of {len(wanted)}, different from {place} on: "
            f"{got[place:place + 40]!r} instead of {wanted[place:place + 40]!r}")
    raise AssertionError(f"{what}: {str(got)[:600]!r} instead of {str(wanted)[:600]!r}")


# Sandboxes and execs


def create(**spec):
    return expect(call("POST", "/v1/sandboxes", json=spec), 201).json()


def sandbox(id):
    return expect(call("GET", f"/v1/sandboxes/{id}"), 200).json()


def terminate(id):
    return expect(call("DELETE", f"/v1/sandboxes/{id}"), 200).json()


def start(id, *argv, **spec):
    """Starts an exec; returns its path."""
    answer = expect(call("POST", f"/v1/sandboxes/{id}/execs", json={"argv": list(argv), **spec}), 201)
    return f"/v1/sandboxes/{id}/execs/{answer.json()['id']}"


def complete(id, *argv, **spec):
    """Runs an exec to its end; returns the whole answer."""
    return expect(call("POST", f"/v1/sandboxes/{id}/execs", json={"argv": list(argv), "wait": True, **spec}), 200).json()


def ending(path):
    """Waits for the end of a sandbox or exec; returns its result."""
    while True:
        result = expect(patiently("GET", path + "/wait?timeout_seconds=30"), 200).json()["result"]
        if result:
            return result


# Streams


class Lost(Exception):
    """Bytes of a stream are gone."""


def follow(path, stream="stdout", offset=0, patient=False, pieces=None):
    """Yields a stream's bytes from `offset` to its end, and goes on by offset whenever an answer ends.

    `patient` also goes on when the connection is lost. `pieces` is called with each answer and cuts it
    off by returning True.
    """
    while True:
        try:
            with session().get(
                URL + path + "/" + stream, params={"offset": offset, "follow": "true"}, stream=True, timeout=120
            ) as answer:
                if patient and answer.status_code == 503:
                    time.sleep(0.02)
                    continue
                expect(answer, 200)
                if answer.headers["Cordon-Dropped"] != "0" or int(answer.headers["Cordon-Offset"]) != offset:
                    raise Lost(f"{answer.headers['Cordon-Dropped']} bytes from {offset} on")
                for piece in answer.iter_content(65536):
                    yield piece
                    offset += len(piece)
                    if pieces and pieces(piece):
                        break
                if answer.headers.get("Cordon-End") == str(offset):
                    return
        except LOST:
            if not patient:
                raise
            session().close()
            time.sleep(0.01)


def whole(path, stream="stdout", **arguments):
    return b"".join(follow(path, stream, **arguments))


def in_parallel(count, work):
    """Calls work(0…count-1), each on a thread of its own; returns the results, raises the first failure."""
    results, failures = [None] * count, []

    def one(number):
        try:
            results[number] = work(number)
        except BaseException as error:  # Told below, on the thread that waits.
            failures.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return results


def run_check(checks):
    # Where the tests run in the background these are ignored, and whatever is started inherits that (nohup(1), bash(1)).
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    checks[sys.argv[1]](*sys.argv[2:])
