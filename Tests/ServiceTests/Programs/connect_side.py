"""What the programs for connect tokens share: servers inside, tokens, and sockets to the proxy."""

import io
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import zipfile
from urllib.parse import urlsplit

from cordon_rest import call, expect, start

SECRET_NAME = "_modal_connect_token"


def token(id, **wanted):
    """A token, and the address of the proxy."""
    answer = expect(call("POST", f"/v1/sandboxes/{id}/connect-tokens", json=wanted), 201).json()
    return answer["token"], answer["url"]


def place(url):
    parts = urlsplit(url)
    return parts.hostname, parts.port or {"http": 80, "https": 443}[parts.scheme]


def put(id, path, content):
    expect(call("PUT", f"/v1/sandboxes/{id}/files", params={"path": path}, data=content,
                headers={"Content-Type": "application/octet-stream"}), 200)


def get(id, path):
    return expect(call("GET", f"/v1/sandboxes/{id}/files", params={"path": path}), 200).content


def serve(id, program, *arguments, port=8080, packages=()):
    """Starts a Python server inside, and waits until it listens; returns its exec."""
    environment = {}
    if packages:
        put(id, "/root/packages.zip", pure_packages(*packages))
        environment["PYTHONPATH"] = "/root/packages.zip"
    exec_path = start(id, "python3", "-c", program, *arguments, env=environment)
    probe = "import socket, sys, time\n" \
            "for _ in range(600):\n" \
            "    try: socket.create_connection(('localhost', int(sys.argv[1]))).close(); break\n" \
            "    except OSError: time.sleep(0.05)\n" \
            "else: raise SystemExit('nobody listens')"
    answer = expect(call("POST", f"/v1/sandboxes/{id}/execs", json={"argv": ["python3", "-c", probe, str(port)], "wait": True}), 200).json()
    if answer["result"]["exit_code"] != 0:
        raise AssertionError(answer["stderr"] + expect(call("GET", exec_path + "/stderr"), 200).text)
    return exec_path


def pure_packages(*packages):
    """The packages, without anything that is compiled, as one file that Python imports from."""
    kept = pathlib.Path(tempfile.gettempdir()) / ("cordon-test-packages-" + str(os.getuid()) + "-" + "-".join(packages).replace("==", "-") + ".zip")
    if not kept.exists():
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(
                [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--target", folder, *packages], check=True,
                stdout=subprocess.DEVNULL)
            content = io.BytesIO()
            with zipfile.ZipFile(content, "w") as archive:
                for file in pathlib.Path(folder).rglob("*.py"):
                    archive.write(file, file.relative_to(folder))
            fresh = kept.with_suffix(f".{os.getpid()}")
            fresh.write_bytes(content.getvalue())
            fresh.rename(kept)
    return kept.read_bytes()


def connect(url, alpn=None):
    connection = socket.create_connection(place(url), timeout=30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if url.startswith("https:"):
        context = ssl._create_unverified_context()
        if alpn:
            context.set_alpn_protocols(alpn)
        connection = context.wrap_socket(connection, server_hostname=place(url)[0])
    return connection


class Answers:
    """Reads answers of HTTP/1.1 off a socket, one by one."""

    def __init__(self, connection):
        self.connection = connection
        self.rest = b""

    def more(self):
        piece = self.connection.recv(65536)
        self.rest += piece
        return piece

    def until(self, mark):
        while mark not in self.rest:
            if not self.more():
                raise EOFError(f"{self.rest[:200]!r}")
        found, self.rest = self.rest.split(mark, 1)
        return found

    def exactly(self, count):
        while len(self.rest) < count:
            if not self.more():
                raise EOFError(f"{len(self.rest)} of {count} bytes")
        found, self.rest = self.rest[:count], self.rest[count:]
        return found

    def head(self):
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        fields = {}
        for line in lines[1:]:
            name, value = line.split(":", 1)
            fields.setdefault(name.lower(), []).append(value.strip())
        return int(lines[0].split()[1]), fields

    def next(self, method="GET"):
        status, fields = self.head()
        while status in (100, 102, 103):
            status, fields = self.head()
        if method == "HEAD" or status in (204, 304) or status == 101:
            return status, fields, b""
        if "content-length" in fields:
            return status, fields, self.exactly(int(fields["content-length"][0]))
        if fields.get("transfer-encoding") == ["chunked"]:
            body = b""
            while size := int(self.until(b"\r\n"), 16):
                body += self.exactly(size)
                assert self.exactly(2) == b"\r\n"
            assert self.until(b"\r\n") == b""
            return status, fields, body
        while self.more():
            pass
        body, self.rest = self.rest, b""
        return status, fields, body


def eventually(look, what, seconds=30):
    limit = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < limit, f"there never was {what}"
        time.sleep(0.05)
    return seen
