"""Autobahn's cases (categories 1-7, 9, 10 of `autobahntestsuite` from PyPI) against a WebSocket echo server.

The package is for Python 2, and its fuzzing client for a Twisted of that time. Its cases aren't tied to either: each is a
class that calls a protocol object and is called back. They are taken from the package as they are, with the few words changed
that Python 3 doesn't know; the protocol object, a WebSocket client on bare sockets that can do wrong, is this program's.

autobahn.py HOST PORT PATH: exits with 0 when every case behaves as its class asks.
"""

import base64
import collections
import concurrent.futures
import glob
import heapq
import io
import os
import re
import select
import socket
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import types

PACKAGE = "autobahntestsuite==25.10.1"


def case_sources():
    """The cases' sources in the package, in the order of their names."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", "--no-binary", ":all:",
             PACKAGE, "-d", folder], check=True, stdout=subprocess.DEVNULL)
        with tarfile.open(glob.glob(folder + "/*.tar.gz")[0]) as archive:
            wanted = re.compile(r"autobahntestsuite/case/case(_?[0-9x_X]*)\.py$")
            files = {m.group(1): f for f in archive.getmembers() if (m := wanted.search(f.name))}
            base = archive.extractfile(files.pop("")).read().decode("latin-1")
            # The text as latin-1: each character of a string is a byte, as in Python 2.
            return [base] + [archive.extractfile(files[n]).read().decode("latin-1") for n in sorted(files) if not n.startswith("12")]


def ported(source):
    source = re.sub(r"^from case\S* import .*$|^from zope.*$|^from twisted.*$|^from autobahn.*$", "", source, flags=re.M)
    source = re.sub(r"^( *)print .*$", r"\1pass", source, flags=re.M)
    source = source.replace("binascii.b2a_hex(", "hexadecimal(")
    source = source.replace("xrange", "range").replace("(object, Case, )", "(Case, )")
    # Python 2 divides whole numbers to whole numbers.
    return source.replace("len(self.payload) / self.p.autoFragmentSize", "len(self.payload) // self.p.autoFragmentSize")


class Utf8Validator:
    """What the cases ask of Autobahn's own: (valid so far, ends with a whole character)."""

    def reset(self):
        pass

    def validate(self, text):
        data = as_bytes(text)
        try:
            data.decode("utf-8")
            return True, True, 0, 0
        except UnicodeDecodeError as error:
            return error.reason == "unexpected end of data", False, 0, 0


class WebSocketProtocol:
    STATE_CLOSED, STATE_CONNECTING, STATE_CLOSING, STATE_OPEN = range(4)
    MESSAGE_TYPE_TEXT, MESSAGE_TYPE_BINARY = 1, 2
    CLOSE_STATUS_CODE_NORMAL = 1000
    CLOSE_STATUS_CODE_GOING_AWAY = 1001
    CLOSE_STATUS_CODE_PROTOCOL_ERROR = 1002
    CLOSE_STATUS_CODE_UNSUPPORTED_DATA = 1003
    CLOSE_STATUS_CODE_NULL = 1005
    CLOSE_STATUS_CODE_ABNORMAL_CLOSE = 1006
    CLOSE_STATUS_CODE_INVALID_PAYLOAD = 1007
    CLOSE_STATUS_CODE_POLICY_VIOLATION = 1008
    CLOSE_STATUS_CODE_MESSAGE_TOO_BIG = 1009
    CLOSE_STATUS_CODES_ALLOWED = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011]


def as_bytes(text):
    if isinstance(text, bytes):
        return text
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8")


def normal(value):
    """Bytes and text of the cases made comparable."""
    if isinstance(value, (list, tuple)):
        return [normal(item) for item in value]
    return as_bytes(value) if isinstance(value, str) else value


class Client(WebSocketProtocol):
    """One connection on which one case runs; the methods and attributes are those that cases use."""

    def __init__(self, case_class, address, path):
        self.factory = types.SimpleNamespace(isServer=False)
        self.state = self.STATE_CONNECTING
        self.connectionWasOpen = self.closedByMe = self.failedByMe = self.droppedByMe = self.wasClean = False
        self.remoteCloseCode = self.remoteCloseReason = self.localCloseReason = None
        self.autoFragmentSize = 0
        self.txFrameStats = collections.Counter()
        self.createWirelog = False
        self.out, self.pieces, self.received = bytearray(), collections.deque(), bytearray()
        self.timers, self.counter = [], 0
        self.fragments = None
        self.case = case_class(self)
        self.run(address, path)

    # What cases call

    def enableWirelog(self, enable):
        pass

    def sendFrame(self, opcode, payload="", fin=True, rsv=0, mask=None, payload_len=None, chopsize=None, sync=False):
        data = as_bytes(payload)
        if payload_len is not None and data:
            data = (data * (payload_len // len(data) + 1))[:payload_len]
        self.txFrameStats[opcode] += 1
        frame = self.head(opcode, len(data), fin, rsv) + data
        if chopsize:
            self.pieces.extend(frame[i:i + chopsize] for i in range(0, len(frame), chopsize))
        else:
            self.pieces.append(frame)

    def head(self, opcode, length, fin=True, rsv=0):
        """A header with a mask of zeros, under which the payload stays as it is."""
        first = (0x80 if fin else 0) | rsv << 4 | opcode
        if length <= 125:
            head = struct.pack("!BB", first, 0x80 | length)
        elif length <= 0xFFFF:
            head = struct.pack("!BBH", first, 0xFE, length)
        else:
            head = struct.pack("!BBQ", first, 0xFF, length)
        return head + b"\0\0\0\0"

    def sendMessage(self, payload, isBinary=False, fragmentSize=None):
        data, size = as_bytes(payload), fragmentSize or self.autoFragmentSize or max(1, len(payload))
        parts = [data[i:i + size] for i in range(0, len(data), size)] or [b""]
        for number, part in enumerate(parts):
            opcode = 0 if number else (2 if isBinary else 1)
            self.txFrameStats[opcode] += 1
            self.pieces.append(self.head(opcode, len(part), fin=number == len(parts) - 1) + part)

    def beginMessage(self, opcode=1, isBinary=False):
        self.fragments = 2 if isBinary else opcode

    def beginMessageFrame(self, length):
        self.pieces.append(self.head(self.fragments, length, fin=False))
        self.fragments = 0

    def sendMessageFrameData(self, payload, sync=False):
        self.pieces.append(as_bytes(payload))

    def endMessage(self):
        self.pieces.append(self.head(0, 0))

    def sendCloseFrame(self, code=None, reasonUtf8=None, isReply=False):
        if self.state != self.STATE_OPEN:
            return
        self.closedByMe = not isReply
        self.state = self.STATE_CLOSING
        payload = (struct.pack("!H", code) if code is not None else b"") + as_bytes(reasonUtf8 or "")
        self.sendFrame(8, payload)

    def sendClose(self, code=None, reason=None):
        self.sendCloseFrame(code, reason)

    def continueLater(self, delay, function, tag=None):
        self.later(delay, function)

    def killAfter(self, delay):
        # A server that does as it should has closed long before: on a machine that is slow just now, too.
        self.later(delay * 10, self.kill)

    def closeAfter(self, delay):
        self.later(delay, lambda: self.sendClose(1000))

    def later(self, delay, function):
        self.counter += 1
        heapq.heappush(self.timers, (time.monotonic() + delay, self.counter, function))

    def kill(self):
        self.failedByMe = self.droppedByMe = True
        self.state = self.STATE_CLOSED

    # The connection

    def run(self, address, path):
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {address[0]}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
        while b"\r\n\r\n" not in self.received:
            data = self.socket.recv(65536)
            if not data:
                break
            self.received += data
        head, _, rest = bytes(self.received).partition(b"\r\n\r\n")
        self.received = bytearray(rest)
        if head.startswith(b"HTTP/1.1 101"):
            self.connectionWasOpen, self.state = True, self.STATE_OPEN
            self.socket.setblocking(False)
            self.incoming = None
            self.case.onOpen()
            while self.state != self.STATE_CLOSED:
                self.step()
        self.socket.close()
        self.case.onConnectionLost(self.failedByMe)

    def step(self):
        now = time.monotonic()
        while self.timers and self.timers[0][0] <= now and self.state != self.STATE_CLOSED:
            heapq.heappop(self.timers)[2]()
        if self.state == self.STATE_CLOSED:
            return
        if not self.out and self.pieces:
            self.out += self.pieces.popleft()
        wait = max(0, self.timers[0][0] - now) if self.timers else 30
        readable, writable, _ = select.select([self.socket], [self.socket] if self.out else [], [], wait)
        try:
            if writable:
                del self.out[:self.socket.send(self.out[:1 << 18])]
            if readable:
                data = self.socket.recv(1 << 18)
                if not data:
                    self.state = self.STATE_CLOSED
                self.received += data
                self.parse()
        except (ConnectionError, BrokenPipeError):
            self.state = self.STATE_CLOSED

    def parse(self):
        while len(self.received) >= 2 and self.connectionWasOpen:
            first, length, start = self.received[0], self.received[1], 2
            assert not first & 0x70 and not length & 0x80, "a server's frame has no reserved bits and no mask"
            if length >= 126:
                start = 4 if length == 126 else 10
                if len(self.received) < start:
                    return
                length = int.from_bytes(self.received[2:start], "big")
            if len(self.received) < start + length:
                return
            payload = bytes(self.received[start:start + length])
            del self.received[:start + length]
            self.took(first & 15, bool(first & 0x80), payload)

    def took(self, opcode, final, payload):
        if opcode in (0, 1, 2):
            if opcode:
                self.incoming = (opcode == 2, [])
            self.incoming[1].append(payload)
            if final:
                binary, parts = self.incoming
                self.case.onMessage(b"".join(parts), binary)
        elif opcode == 9:
            self.case.onPing(payload)
        elif opcode == 10:
            self.case.onPong(payload)
        elif opcode == 8:
            self.wasClean = True
            if payload:
                self.remoteCloseCode = struct.unpack("!H", payload[:2])[0]
            if self.state == self.STATE_OPEN:
                self.sendCloseFrame(self.remoteCloseCode, isReply=True)


def load():
    space = {"WebSocketProtocol": WebSocketProtocol, "Utf8Validator": Utf8Validator, "__name__": "cases",
             "hexadecimal": lambda text: as_bytes(text).hex(), "implements": lambda *_: None, "interfaces": types.SimpleNamespace(IPushProducer=None)}
    for source in case_sources():
        exec(compile(ported(source), "case.py", "exec"), space)
    space["Case"].compare = lambda self, one, other: normal(one) == normal(other)
    cases = {}
    for value in space.values():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, type) and (m := re.fullmatch(r"Case(\d+)_(\d+)(?:_(\d+))?", item.__name__)):
                cases[tuple(int(n) for n in m.groups() if n)] = item
    cases.pop((9, 9, 1), None)  # Not among those that the suite itself runs.
    return cases


def main():
    address, path = (sys.argv[1], int(sys.argv[2])), sys.argv[3]
    cases = load()
    good, bad = {"OK", "NON-STRICT", "INFORMATIONAL"}, []
    verdicts = collections.Counter()
    only = sys.argv[4:]
    numbers = [n for n in sorted(cases) if not only or ".".join(map(str, n)) in only]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for number, client in zip(numbers, pool.map(lambda n: Client(cases[n], address, path), numbers)):
            case = client.case
            verdicts[case.behavior, case.behaviorClose] += 1
            if case.behavior not in good or case.behaviorClose not in {"OK", "INFORMATIONAL"}:
                bad.append(f"{'.'.join(map(str, number))}: {case.behavior} ({case.result}), close {case.behaviorClose} ({case.resultClose})")
    print(f"{len(numbers)} cases:", ", ".join(f"{count} {one} and {two}" for (one, two), count in verdicts.items()))
    print("\n".join(bad))
    sys.exit(1 if bad or not only and len(numbers) < 290 else 0)


main()
