"""Attaching over WebSocket, through clients that we did not write: `websockets`, `websocket-client`, `kubernetes`, and bare sockets."""

import wheels

wheels.need("websockets==15.0.1", "websocket-client==1.9.0", "kubernetes==34.1.0", "h2==4.3.0")

import base64
import hashlib
import json
import os
import random
import signal
import socket
import struct
import sys
import threading
import time

import websocket
from websockets.sync.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from cordon_rest import DATA_DIRECTORY, URL, call, create, ending, expect, run_check, same, start, terminate

HOST, PORT = URL.split("//")[1].split(":")[0], int(URL.rsplit(":", 1)[1])
TOKEN = os.environ["CORDON_TOKEN"]
HEADERS = {"Authorization": "Bearer " + TOKEN}


def attach(path, query="", protocol="cordon.v1", **options):
    options.setdefault("max_size", None)
    return connect(
        URL.replace("http", "ws", 1) + path + "/attach" + (query and "?" + query), additional_headers=HEADERS,
        subprotocols=[protocol], compression=None, **options)


def stdin(offset, data):
    return b"\0" + struct.pack(">Q", offset) + data


class Reader:
    """What came on one attached connection: bytes by stream, checked for their offsets, and events."""

    def __init__(self, socket, stdout=0, stderr=0):
        self.socket, self.events, self.closed = socket, [], None
        self.offsets = {1: stdout, 2: stderr}
        self.bytes = {1: bytearray(), 2: bytearray()}

    def next(self, timeout=60):
        """Takes one message: its event, or the stream's number."""
        message = self.socket.recv(timeout)
        if isinstance(message, str):
            event = json.loads(message)
            self.events.append(event)
            if event["type"] == "gap":
                number = {"stdout": 1, "stderr": 2}[event["stream"]]
                assert event["from"] == self.offsets[number] and event["dropped"] == event["to"] - event["from"], event
                self.offsets[number] = event["to"]
            return event
        number, offset = message[0], int.from_bytes(message[1:9], "big")
        assert offset == self.offsets[number], f"offset {offset} instead of {self.offsets[number]}"
        self.offsets[number] += len(message) - 9
        self.take(number, message[9:])
        return number

    def take(self, number, data):
        self.bytes[number] += data

    def until(self, kind):
        while True:
            event = self.next()
            if isinstance(event, dict) and event["type"] == kind:
                return event

    def drain(self):
        """Everything to the orderly end."""
        try:
            while True:
                self.next()
        except ConnectionClosed as closed:
            self.closed = closed.rcvd and closed.rcvd.code
        same(self.closed, 1000, "close code")
        return self

    def event(self, kind):
        return next(event for event in self.events if event["type"] == kind)


def echo_of_ten_megabytes():
    id = create()["id"]
    data = random.Random(1).randbytes(10_000_000)
    with attach(start(id, "cat")) as socket:
        reader = Reader(socket)

        def write():
            for offset in range(0, len(data), 50_000):
                socket.send(stdin(offset, data[offset:offset + 50_000]))
            socket.send(json.dumps({"type": "eof", "offset": len(data)}))

        writer = threading.Thread(target=write)
        writer.start()
        reader.drain()
        writer.join()
    same(bytes(reader.bytes[1]), data, "echo")
    same(reader.event("exit")["result"]["exit_code"], 0, "exit")
    same([e["accepted"] for e in reader.events if e["type"] == "stdin"][-1], len(data), "accepted")
    terminate(id)


def interleaved_streams_and_resumption():
    id = create()["id"]
    path = start(id, "bash", "-c", "for i in {1..2000}; do echo out $i; echo err $i >&2; done; exit 3")
    out = "".join(f"out {i}\n" for i in range(1, 2001)).encode()
    err = out.replace(b"out", b"err")
    with attach(path) as socket:
        whole = Reader(socket).drain()
    same(bytes(whole.bytes[1]), out, "stdout")
    same(bytes(whole.bytes[2]), err, "stderr")
    same(whole.event("exit")["result"]["exit_code"], 3, "exit")
    with attach(path, "stdout_offset=1000&stderr_offset=end") as socket:
        rest = Reader(socket, 1000, len(err)).drain()
    same(bytes(rest.bytes[1]), out[1000:], "stdout from 1000")
    same(bytes(rest.bytes[2]), b"", "stderr from its end")
    # Cut off again and again, and gone on where it was.
    got, offset = bytearray(), 0
    while offset < len(out):
        with attach(path, f"stdout_offset={offset}&stderr_offset=end") as socket:
            piece = Reader(socket, offset, len(err))
            while not piece.bytes[1]:
                piece.next()
            taken = bytes(piece.bytes[1])[:random.randint(1, 3000)]
            got += taken
            offset += len(taken)
            socket.close_socket()
    same(bytes(got), out, "resumed stdout")
    terminate(id)


def gap_told():
    id = create()["id"]
    path = start(id, "head", "-c", str(40 << 20), "/dev/zero", on_full="drop")
    ending(path)
    with attach(path) as socket:
        reader = Reader(socket).drain()
    gap = reader.event("gap")
    same(gap["from"], 0, "from")
    same(gap["to"] + len(reader.bytes[1]), 40 << 20, "gap and bytes")
    terminate(id)


def several_viewers():
    id = create()["id"]
    path = start(id, "bash", "-c", "read x; for i in {1..5000}; do echo $i $x; done")
    wanted = "".join(f"{i} go\n" for i in range(1, 5001)).encode()
    with attach(path) as driver, attach(path, "stdin=false") as one, attach(path, "stdin=false") as two:
        readers = [Reader(s) for s in (driver, one, two)]
        same([r.until("started")["read_only"] for r in readers], [False, True, True], "read_only")
        one.send(stdin(0, b"no\n"))
        same(readers[1].until("error")["problem"]["code"], "failed_precondition", "refusal")
        driver.send(stdin(0, b"go\n"))
        for reader in readers:
            same(bytes(reader.drain().bytes[1]), wanted, "viewer")
    terminate(id)


def signalled():
    id = create()["id"]
    path = start(id, "bash", "-c", "trap 'echo caught' TERM; echo ready; while :; do sleep 0.1; done")
    with attach(path) as socket:
        reader = Reader(socket)

        def until(text):
            while text not in bytes(reader.bytes[1]):
                reader.next()

        until(b"ready")
        socket.send(json.dumps({"type": "resize", "rows": 44, "cols": 133}))
        same(reader.until("error")["problem"]["code"], "failed_precondition", "a resize without a terminal")
        socket.send(json.dumps({"type": "signal", "signal": "TERM"}))
        until(b"caught")
        socket.send(json.dumps({"type": "signal", "signal": "KILL"}))
        same(reader.drain().event("exit")["result"]["signal"], 9, "signal")
    terminate(id)


def with_websocket_client():
    id = create()["id"]
    path = start(id, "cat")
    socket = websocket.create_connection(
        URL.replace("http", "ws", 1) + path + "/attach", header=[f"Authorization: Bearer {TOKEN}"], subprotocols=["cordon.v1"])
    same(socket.getsubprotocol(), "cordon.v1", "subprotocol")
    same(json.loads(socket.recv())["type"], "started", "first message")
    socket.send_binary(stdin(0, b"hello"))
    messages = {}
    while len(messages) < 2:
        opcode, data = socket.recv_data()
        messages[opcode] = data
    same(messages[2], b"\1" + struct.pack(">Q", 0) + b"hello", "echo")
    socket.ping(b"there?")
    opcode, frame = socket.recv_data(control_frame=True)
    same((opcode, bytes(frame)), (10, b"there?"), "pong")
    socket.close()
    terminate(id)


def as_a_browser():
    """A page's way: no Authorization, the token as a subprotocol, the page's own Origin."""
    id = create()["id"]
    path = start(id, "echo", "hi")
    token = "cordon.bearer." + base64.urlsafe_b64encode(TOKEN.encode()).decode().rstrip("=")
    target = URL.replace("http", "ws", 1) + path + "/attach"
    with connect(target, subprotocols=[token, "cordon.v1"], origin=URL) as socket:
        same(socket.subprotocol, "cordon.v1", "subprotocol")
        same(bytes(Reader(socket).drain().bytes[1]), b"hi\n", "stdout")
    for origin, subprotocols in [("https://evil.example", [token, "cordon.v1"]), (URL, ["cordon.v1"])]:
        try:
            connect(target, subprotocols=subprotocols, origin=origin)
            raise AssertionError(f"{origin} with {len(subprotocols)} subprotocols was let in")
        except InvalidHandshake:
            pass
    terminate(id)


def with_kubernetes():
    """The official Python client's stream."""
    from kubernetes import client
    from kubernetes.stream import ws_client

    id = create()["id"]
    configuration = client.Configuration()
    configuration.host = URL

    def stream(path):
        return ws_client.WSClient(
            configuration, URL.replace("http", "ws", 1) + path + "/attach?stdin=true&stdout=true&stderr=true", {"authorization": HEADERS["Authorization"]}, True)

    one = stream(start(id, "bash", "-c", "read x; echo got $x; echo oops >&2; exit 7"))
    one.write_stdin("hello\n")
    one.run_forever(timeout=20)
    same((one.read_stdout(), one.read_stderr()), ("got hello\n", "oops\n"), "streams")
    same(one.returncode, 7, "exit status")
    other = stream(start(id, "true"))
    other.run_forever(timeout=20)
    same(other.returncode, 0, "exit status of true")
    # v5 by the KEP: the client closes a channel with [255, channel].
    with attach(start(id, "wc", "-c"), protocol="v5.channel.k8s.io") as socket:
        same(socket.subprotocol, "v5.channel.k8s.io", "subprotocol")
        same(socket.recv(), b"\1", "first message")
        socket.send(b"\0" + b"x" * 1000)
        socket.send(b"\xff\0")
        messages = list(socket)
    same(b"".join(m[1:] for m in messages if m[0] == 1), b"1000\n", "stdout")
    same(json.loads(messages[-1][1:]) if messages[-1][0] == 3 else None, {"metadata": {}, "status": "Success"}, "status")
    terminate(id)


def over_http2():
    """RFC 8441, with the library `h2` for HTTP/2 and frames by hand; another stream of the connection is served meanwhile."""
    import h2.config
    import h2.connection
    import h2.events
    import h2.settings

    id = create()["id"]
    path = start(id, "cat")
    wire = socket.create_connection((HOST, PORT))
    http = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8", validate_outbound_headers=False))
    http.initiate_connection()
    wire.sendall(http.data_to_send())
    statuses, data, ended = {}, {}, set()

    def pump(until):
        while not until():
            received = wire.recv(65536)
            assert received, "the connection was closed"
            for event in http.receive_data(received):
                if isinstance(event, h2.events.ResponseReceived):
                    statuses[event.stream_id] = dict(event.headers)[":status"]
                elif isinstance(event, h2.events.DataReceived):
                    data[event.stream_id] = data.get(event.stream_id, b"") + event.data
                    http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
                    ended.add(event.stream_id)
            wire.sendall(http.data_to_send())

    def request(stream, headers, end):
        http.send_headers(stream, headers, end_stream=end)
        wire.sendall(http.data_to_send())

    place = [(":scheme", "http"), (":authority", f"{HOST}:{PORT}"), ("authorization", "Bearer " + TOKEN)]
    pump(lambda: http.remote_settings.get(h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL) == 1)
    request(1, [
        (":method", "CONNECT"), (":protocol", "websocket"), (":path", path + "/attach"), *place, ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "cordon.v1")], False)
    pump(lambda: 1 in statuses)
    same(statuses[1], "200", "status of the CONNECT")

    def send(opcode, payload):
        http.send_data(1, bytes([0x80 | opcode, 0x80 | len(payload)]) + b"\0\0\0\0" + payload)
        wire.sendall(http.data_to_send())

    send(2, stdin(0, b"over two"))
    pump(lambda: b"\1" + struct.pack(">Q", 0) + b"over two" in data.get(1, b""))
    request(3, [(":method", "GET"), (":path", "/healthz"), *place], True)
    pump(lambda: 3 in ended)
    same(statuses[3], "200", "status beside it")
    send(1, json.dumps({"type": "eof", "offset": 8}).encode())
    pump(lambda: data[1].endswith(b"\x88\x02\x03\xe8"))
    send(8, struct.pack(">H", 1000))
    pump(lambda: 1 in ended)
    terminate(id)


class Bare:
    """A WebSocket connection on a bare socket, for what no client library does."""

    def __init__(self, path, before=()):
        self.socket = socket.create_connection((HOST, PORT))
        for request in before:
            self.socket.sendall(f"GET {request} HTTP/1.1\r\nHost: {HOST}:{PORT}\r\n\r\n".encode())
            same(self.answer().split(b" ")[1], b"200", request)
        self.socket.sendall(
            f"GET {path}/attach HTTP/1.1\r\nHost: {HOST}:{PORT}\r\nAuthorization: Bearer {TOKEN}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {base64.b64encode(b'0' * 16).decode()}\r\n\r\n".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.socket.recv(1)
        same(head.split(b" ")[1], b"101", "handshake")

    def answer(self):
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self.socket.recv(65536)
        head, _, body = answer.partition(b"\r\n\r\n")
        length = int(next(l for l in head.lower().split(b"\r\n") if l.startswith(b"content-length")).split(b":")[1])
        while len(body) < length:
            body += self.socket.recv(65536)
        return head

    def send(self, opcode, payload=b"", length=None):
        size = len(payload) if length is None else length
        head = bytes([0x80 | opcode, 0x80 | size]) if size <= 125 else bytes([0x80 | opcode, 0xFF]) + struct.pack(">Q", size)
        self.socket.sendall(head + b"\0\0\0\0" + payload)

    def frames(self):
        """Frames to the connection's end."""
        data = b""
        while True:
            more = self.socket.recv(65536)
            if not more:
                return
            data += more
            while len(data) >= 2:
                size, start = data[1], 2
                if size >= 126:
                    start = 4 if size == 126 else 10
                    size = int.from_bytes(data[2:start], "big")
                if len(data) < start + size:
                    break
                yield data[0] & 15, data[start:start + size]
                data = data[start + size:]


def memory():
    """The service's memory of its own in MiB: not the pages of its program, which come and go."""
    pid = next(
        int(entry) for entry in os.listdir("/proc") if entry.isdigit() and serves(int(entry)))
    with open(f"/proc/{pid}/status") as file:
        return int(next(line for line in file if line.startswith("RssAnon")).split()[1]) / 1024


def serves(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
        with open(f"/proc/{pid}/status") as file:
            uid = int(next(line for line in file if line.startswith("Uid")).split()[1])
    except (OSError, StopIteration):
        return False
    return words[0].endswith(b"cordond") and DATA_DIRECTORY.encode() in words and uid != 0


def hostile_frames():
    """1 GiB claimed, 10,000 pings unread, a handshake on a reused connection: each gets what it is due, and nobody else notices."""
    id = create()["id"]
    path = start(id, "cat")
    with attach(path) as witness:
        reader = Reader(witness)
        reader.until("started")
        before = memory()
        large = Bare(path)
        large.send(2, b"x" * 1000, length=1 << 30)
        same([int.from_bytes(p[:2], "big") for o, p in large.frames() if o == 8], [1009], "close code")
        pings = Bare(path, before=["/healthz", "/readyz"])
        for number in range(10_000):
            pings.send(9, b"%05d" % number + b"p" * 120)
        pings.send(8, struct.pack(">H", 1000))
        pongs = [p for o, p in pings.frames() if o == 10]
        same(pongs[0][:5], b"00000", "first pong")
        assert all(one < other for one, other in zip(pongs, pongs[1:])), "pongs out of order"
        assert memory() - before < 32, f"{memory() - before} MiB more"
        witness.send(stdin(0, b"still here"))
        reader.until("stdin")
    terminate(id)


def half_open_peer():
    """A peer that is silent for a minute is cut off; one that answers pings isn't."""
    id = create()["id"]
    path = start(id, "sleep", "1000")
    bare = Bare(path)
    begun = time.monotonic()
    with attach(path, ping_interval=None) as there:
        reader = Reader(there)
        reader.until("started")

        def listen():
            try:
                reader.next(200)
            except TimeoutError:
                pass

        threading.Thread(target=listen, daemon=True).start()
        pings = sum(1 for opcode, _ in bare.frames() if opcode == 9)
        took = time.monotonic() - begun
        assert 50 < took < 100 and pings >= 2, f"closed after {took} s and {pings} pings"
        there.send(json.dumps({"type": "signal", "signal": "KILL"}))
    same(ending(path)["signal"], 9, "the other's signal")
    terminate(id)


class Digest(Reader):
    """Keeps a digest instead of the bytes."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.digest, self.count = hashlib.sha256(), 0

    def take(self, number, data):
        self.digest.update(data)
        self.count += len(data)


# Bytes that depend on their place, quickly made: counters of 8 bytes in blocks.
PRODUCER = """
import sys, array
total = int(sys.argv[1])
step = 1 << 20
base = array.array('Q', range(step // 8)).tobytes()
written = 0
while written < total:
    piece = (written).to_bytes(8, 'big') + base[8:]
    piece = piece[:total - written]
    sys.stdout.buffer.write(piece)
    written += len(piece)
"""


def produced(total):
    base = b"".join(i.to_bytes(8, "little") for i in range(1 << 17))
    digest, written = hashlib.sha256(), 0
    while written < total:
        piece = (written.to_bytes(8, "big") + base[8:])[:total - written]
        digest.update(piece)
        written += len(piece)
    return digest.hexdigest()


def a_lot_with_three_readers(total):
    """Through one attach, with a fast, a slow and a stalled reader: right to the last byte, in bounded memory."""
    total = int(total)
    id = create(timeout_seconds=3600)["id"]
    path = start(id, "python3", "-c", PRODUCER, str(total))
    before = peak = memory()
    with attach(path, "stdin=false") as fast, attach(path, "stdin=false") as slow:
        stalled = Bare(path)
        digest, lazy = Digest(fast), Reader(slow)
        lazy.take = lambda number, data: time.sleep(0.003)

        def dawdle():
            try:
                lazy.drain()
            except Exception:  # Cut off at the end.
                pass

        threading.Thread(target=dawdle, daemon=True).start()
        next_look = 0
        try:
            while True:
                digest.next()
                if digest.count >= next_look:
                    next_look += 16 << 20
                    peak = max(peak, memory())
        except ConnectionClosed as closed:
            same(closed.rcvd and closed.rcvd.code, 1000, "close code")
        stalled.socket.close()
    same(digest.count, total, "bytes")
    same(digest.digest.hexdigest(), produced(total), "SHA-256")
    assert peak - before < 32, f"the service grew by {peak - before:.1f} MiB"
    terminate(id)


def through_restarts(total, kill):
    """The service is killed in the middle, again and again (by who runs this: `kill` is a file to make): nothing lost or twice."""
    total = int(total)
    id = create(timeout_seconds=3600)["id"]
    path = start(id, "python3", "-c", PRODUCER, str(total))
    digest, count, breaks, step = hashlib.sha256(), 0, 0, total // 12
    asked = 0
    while True:
        try:
            with attach(path, f"stdin=false&stdout_offset={count}", open_timeout=5) as socket:
                piece = Reader(socket, count)
                piece.take = lambda number, data: digest.update(data)
                while True:
                    piece.next()
                    count = piece.offsets[1]
                    if asked < 10 and count >= (asked + 1) * step:
                        asked += 1
                        open(f"{kill}.{asked}", "w").close()
        except ConnectionClosed as closed:
            assert not any(event["type"] == "gap" for event in piece.events), "bytes were dropped"
            if closed.rcvd and closed.rcvd.code == 1000:
                break
            breaks += 1
        except (OSError, EOFError, InvalidHandshake, TimeoutError):
            time.sleep(0.02)
    same(count, total, "bytes")
    same(digest.hexdigest(), produced(total), "SHA-256")
    assert breaks >= 8, f"only {breaks} breaks"


run_check(globals())
