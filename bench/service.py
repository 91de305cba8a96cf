"""A service of the benchmark's own, and a client of it that costs as little as Python can."""

import base64
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import tempfile
import time


class Service:
    """`cordond` with directories and a port of its own."""

    def __init__(self, programs, *options, place="/tmp"):
        self.programs = programs
        self.directory = tempfile.mkdtemp(prefix="cordon-bench-", dir=place)
        os.chmod(self.directory, 0o711)
        self.places = ["--data-dir", f"{self.directory}/data", "--run-dir", f"{self.directory}/run"]
        self.options = options
        self.start()

    def start(self):
        """Starts the service and returns once it is ready."""
        self.process = subprocess.Popen(
            [self.programs / "cordond", *self.places, "--listen", "127.0.0.1:0", "--log-level", "error", *self.options])
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                credentials = json.loads(pathlib.Path(f"{self.directory}/data/credentials.json").read_text())
                self.host = credentials["url"].removeprefix("http://")
                self.token = f"{credentials['token_id']}.{credentials['token_secret']}"
                self.connection().call("GET", "/readyz")
                return
            except (OSError, ValueError, Refused):
                time.sleep(0.002)
        raise SystemExit("cordond did not become ready")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def connection(self):
        return Connection(self)

    def down(self):
        subprocess.run([self.programs / "cordond", "down", *self.places], check=True)
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.directory)


class Refused(Exception):
    """An answer that isn't a success: a benchmark with one has failed."""


class Connection:
    """One kept-alive connection to the REST API (RFC 9112), without what a general client costs for each request."""

    def __init__(self, service):
        self.service = service
        host, port = service.host.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = self.socket.makefile("rb", buffering=1 << 16)
        self.fields = f"Host: {service.host}\r\nAuthorization: Bearer {service.token}\r\nContent-Type: application/json\r\n"

    def send(self, method, path, body=None):
        """Sends a request; the answer's status and fields, whose names are in lower case."""
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\n{self.fields}Content-Length: {len(content)}\r\n\r\n"
        self.socket.sendall(head.encode() + content)
        status, fields = self.reader.readline(), {}
        if not status:
            raise ConnectionError("the service has closed the connection")
        while (line := self.reader.readline()) not in (b"\r\n", b""):
            name, value = line.split(b":", 1)
            fields[name.lower()] = value.strip()
        return int(status.split()[1]), fields

    def call(self, method, path, body=None):
        status, fields = self.send(method, path, body)
        content = b"".join(self.chunks()) if b"transfer-encoding" in fields else self.reader.read(
            int(fields.get(b"content-length", 0)))
        if status >= 300:
            raise Refused(f"{method} {path}: {status} {content.decode()}")
        return json.loads(content) if content[:1] == b"{" else content

    def chunks(self):
        while size := int(self.reader.readline(), 16):
            yield self.reader.read(size)
            self.reader.readline()
        while self.reader.readline() not in (b"\r\n", b""):
            pass

    def create(self, **spec):
        return self.call("POST", "/v1/sandboxes", spec)["id"]

    def start(self, sandbox, *argv, **spec):
        return self.call("POST", f"/v1/sandboxes/{sandbox}/execs", {"argv": argv, **spec})["id"]

    def run(self, sandbox, *argv):
        answer = self.call("POST", f"/v1/sandboxes/{sandbox}/execs", {"argv": argv, "wait": True})
        if answer["result"].get("exit_code") != 0:
            raise Refused(f"{argv} in {sandbox}: {answer}")
        return answer

    def remove(self, sandbox):
        self.call("DELETE", f"/v1/sandboxes/{sandbox}")

    def count_stdout(self, sandbox, exec):
        """How many bytes of the exec's stdout come over HTTP until its end."""
        status, fields = self.send("GET", f"/v1/sandboxes/{sandbox}/execs/{exec}/stdout?offset=0&follow=true")
        if status != 200 or fields[b"cordon-dropped"] != b"0":
            raise Refused(f"stdout of {exec}: {status}, {fields.get(b'cordon-dropped')} bytes dropped")
        total, buffer = 0, memoryview(bytearray(1 << 20))
        while size := int(self.reader.readline(), 16):
            total += size
            while size:
                size -= self.reader.readinto(buffer[:min(size, len(buffer))])
            self.reader.readline()
        while self.reader.readline() not in (b"\r\n", b""):
            pass
        return total


class Attachment:
    """An exec's streams on one WebSocket (RFC 6455), subprotocol `cordon.v1`."""

    def __init__(self, service, sandbox, exec, query=""):
        host, port = service.host.split(":")
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET /v1/sandboxes/{sandbox}/execs/{exec}/attach{query} HTTP/1.1\r\nHost: {service.host}\r\n"
            f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            f"Sec-WebSocket-Protocol: cordon.v1\r\nAuthorization: Bearer {service.token}\r\n\r\n".encode())
        self.reader = self.socket.makefile("rb", buffering=1 << 20)
        status = self.reader.readline()
        while self.reader.readline() not in (b"\r\n", b""):
            pass
        if b" 101 " not in status:
            raise Refused(f"attach: {status.decode().strip()}")
        self.sent = 0

    def frame(self):
        """The next frame: its opcode and the length of its payload, which is to be read."""
        first, second = self.reader.read(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack(">H", self.reader.read(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", self.reader.read(8))
        return first & 0x0F, length

    def next_output(self):
        """The next bytes of stdout or stderr; None at the end."""
        while True:
            opcode, length = self.frame()
            payload = self.reader.read(length)
            if opcode in (0, 2):
                return payload[9:]
            if opcode == 8:
                return None
            if opcode == 9:
                self.send(10, payload)
            if opcode == 1 and json.loads(payload)["type"] in ("gap", "error"):
                raise Refused(payload.decode())

    def count_output(self):
        """How many bytes of stdout come until the end."""
        total, buffer = 0, memoryview(bytearray(1 << 20))
        while True:
            opcode, length = self.frame()
            if opcode == 2:
                total += length - 9
                while length:
                    length -= self.reader.readinto(buffer[:min(length, len(buffer))])
                continue
            payload = self.reader.read(length)
            if opcode == 8:
                return total
            if opcode == 1 and json.loads(payload)["type"] in ("gap", "error"):
                raise Refused(payload.decode())

    def send(self, opcode, payload):
        mask = bytes(4)
        self.socket.sendall(bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + payload)

    def type(self, text):
        """Writes up to 100 bytes to stdin."""
        self.send(2, b"\0" + struct.pack(">Q", self.sent) + text)
        self.sent += len(text)

    def close(self):
        self.socket.close()
