"""Hostile requests to the connect proxy over bare sockets. A server inside writes down every byte that it gets, one
file for each connection; what counts is what stands there."""

import base64
import json
import os
import re
import struct
import time

import wheels

wheels.need("h2==4.1.0")

import h2.config  # noqa: E402
import h2.connection  # noqa: E402
import h2.events  # noqa: E402

from connect_side import SECRET_NAME, Answers, connect, eventually, place, serve, token  # noqa: E402
from cordon_rest import complete, create, run_check  # noqa: E402

RECORDER = r'''
import os, socket, threading
os.makedirs("/tmp/record", exist_ok=True)
listener = socket.create_server(("127.0.0.1", 8080), backlog=512)
def one(connection, number):
    with open(f"/tmp/record/{number:06}", "wb", buffering=0) as record:
        seen, answered = b"", False
        connection.settimeout(20)
        while True:
            try: piece = connection.recv(65536)
            except TimeoutError:
                if not answered and b"\r\n\r\n" in seen:
                    answered = True
                    connection.settimeout(20)
                    try: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Reached: yes\r\n\r\nok")
                    except OSError: return
                    continue
                return
            except OSError: return
            if not piece: return
            record.write(piece)
            seen += piece
            if not answered and b"\r\n\r\n" in seen: connection.settimeout(0.15)
number = 0
while True:
    number += 1
    threading.Thread(target=one, args=(listener.accept()[0], number), daemon=True).start()
'''

WHO = json.dumps({"user": "alice", "role": "reader"})
FRAMING = ("content-length", "transfer-encoding")


class Recorder:
    """A sandbox with a server that writes down what it gets."""

    def __init__(self):
        self.id = create()["id"]
        serve(self.id, RECORDER)
        self.token, self.url = token(self.id, user_metadata=WHO)
        self.host = "%s:%d" % place(self.url)

    def records(self):
        listing = complete(self.id, "bash", "-c", "for f in /tmp/record/*; do base64 -w0 $f; echo; done")["stdout"]
        # The probe that waited for the server sent nothing.
        return [base64.b64decode(line) for line in listing.split("\n") if line]

    def send(self, raw, wait=3.0):
        """Sends bytes as they are; returns the statuses that came back until the connection ended or was silent."""
        with connect(self.url) as connection:
            connection.settimeout(wait)
            try:
                connection.sendall(raw)
            except OSError:
                pass
            seen = b""
            try:
                while piece := connection.recv(65536):
                    seen += piece
                    if self.is_answered(seen, raw):
                        break
            except (TimeoutError, OSError):
                pass
        return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d\d\d) ", seen)], seen

    @staticmethod
    def is_answered(seen, raw):
        return seen.endswith(b"ok") and raw.count(b"HTTP/") == seen.count(b"HTTP/1.1 ")


def one_request(record):
    """The single request that a record must be: its request line, fields and body; anything else is a failure."""
    head, separator, rest = record.partition(b"\r\n\r\n")
    assert separator, f"no whole head: {record[:300]!r}"
    assert b"\n" not in head.replace(b"\r\n", b"") and b"\r" not in head.replace(b"\r\n", b""), f"bare CR or LF: {record[:300]!r}"
    lines = head.decode("latin-1").split("\r\n")
    assert re.fullmatch(r"[!-~]+ (/[!-~]*|\*) HTTP/1\.1", lines[0]), lines[0]
    fields = []
    for line in lines[1:]:
        match = re.fullmatch(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+): (.*)", line)
        assert match, f"no field: {line!r}"
        fields.append((match[1].lower(), match[2]))
    framing = [(name, value) for name, value in fields if name in FRAMING]
    assert len(framing) <= 1, framing
    if not framing:
        body = b""
        assert rest == b"", f"bytes behind a request without a body: {rest[:200]!r}"
    elif framing[0][0] == "content-length":
        assert re.fullmatch(r"\d+", framing[0][1]), framing
        body = rest
        # A client that broke off sends less; nothing sends more.
        assert len(rest) <= int(framing[0][1]), f"more than its length: {rest[:200]!r}"
    else:
        assert framing[0][1] == "chunked", framing
        body, left = b"", rest
        while left:
            size, separator, left = left.partition(b"\r\n")
            assert re.fullmatch(rb"[0-9a-f]+", size), f"a chunk's size: {size!r}"
            if int(size, 16) == 0:
                assert left == b"\r\n", f"bytes behind the last chunk: {left[:200]!r}"
                break
            body, left = body + left[:int(size, 16)], left[int(size, 16) + 2:]
    return lines[0], fields, body


def canonical(name):
    return re.sub(r"[^a-z0-9]", "-", name.lower())


def check_clean(recorder, record, who=WHO):
    """What holds of every request that reaches a server, whatever the client sent."""
    line, fields, body = one_request(record)
    names = [canonical(name) for name, _ in fields]
    said = [value for name, value in fields if canonical(name) == "x-verified-user-data"]
    assert said == [who], f"{line}: {said}"
    assert recorder.token.encode() not in record, f"{line}: the token"
    assert SECRET_NAME.encode() not in record, f"{line}: the token's name"
    for name in ("host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded", "connection"):
        assert names.count(name) == 1, f"{line}: {name}: {names}"
    values = dict(fields)
    assert values["x-forwarded-for"] == "127.0.0.1", values
    assert "spoofed" not in str(fields), f"{line}: {fields}"
    for name in ("te", "trailer", "keep-alive", "proxy-authorization", "proxy-connection", "http2-settings", "x-real-ip"):
        assert name not in names, f"{line}: {name}"
    assert values["connection"] in ("close", "Upgrade"), values
    assert "/smuggled" not in line, line
    return line, values, body


def hostile_requests(recorder):
    """Name, bytes, and what has to come of it: refused (nothing reaches the sandbox) or clean (one request that is
    what it seems). `{n}` is the case's number, `{a}` the lines that every good request has."""
    good = f"Host: {recorder.host}\r\nAuthorization: Bearer {recorder.token}\r\n"
    inner = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    cases = []

    def add(what, request, *lines, body="", first=None, a=good):
        head = (first or request) + "".join(line + "\r\n" for line in lines)
        cases.append((what, head, a, body))

    def post(what, *lines, body=""):
        cases.append((what, "POST /case-{n} HTTP/1.1\r\n", good + "".join(line + "\r\n" for line in lines), body))

    def plain(what, *lines, line="GET /case-{n} HTTP/1.1\r\n", a=good):
        cases.append((what, line, a + "".join(text + "\r\n" for text in lines), ""))

    R, C = "refused", "clean"
    # Where the body ends.
    post((R, "both lengths"), "Content-Length: 5", "Transfer-Encoding: chunked", body="0\r\n\r\n" + inner)
    post((R, "both lengths, the other way round"), "Transfer-Encoding: chunked", "Content-Length: 5", body="0\r\n\r\n" + inner)
    post((R, "two equal lengths"), "Content-Length: 5", "Content-Length: 5", body="12345")
    post((R, "two lengths"), "Content-Length: 0", "Content-Length: 39", body=inner)
    post((R, "a list of lengths"), "Content-Length: 5, 5", body="12345")
    for length in ("+5", "-1", "0x5", "5 5", "1e1", "", "99999999999999999999", "\u0665", "5;", "5.0", "'5'", " 5\t6"):
        post((R, f"length {length!r}"), f"Content-Length: {length}", body="12345" + inner)
    post((R, "blank before the colon of a length"), "Content-Length : 5", body="12345")
    for coding in ("xchunked", "chunked, identity", "gzip, chunked", "identity", "chunked;q=1", "\"chunked\"", "chunked,", "\x0bchunked",
                   "chunked\x00", "chun ked", "identity, chunked"):
        post((R, f"coding {coding!r}"), f"Transfer-Encoding: {coding}", body="0\r\n\r\n" + inner)
    post((R, "two codings"), "Transfer-Encoding: chunked", "Transfer-Encoding: identity", body="0\r\n\r\n")
    post((R, "the same coding twice"), "Transfer-Encoding: chunked", "Transfer-Encoding: chunked", body="0\r\n\r\n")
    post((R, "blank before the colon of a coding"), "Transfer-Encoding : chunked", body="0\r\n\r\n" + inner)
    post((R, "a coding on a line that goes on"), "Transfer-Encoding:", " chunked", body="0\r\n\r\n" + inner)
    post((R, "a coding in the line after"), "X: y\n Transfer-Encoding: chunked", body="0\r\n\r\n")
    post((C, "a coding in capitals"), "Transfer-Encoding: CHUNKED", body="0\r\n\r\n")
    post((C, "a coding behind a tab"), "Transfer-Encoding:\tchunked", body="5\r\n12345\r\n0\r\n\r\n")
    post((C, "a coding with an underscore"), "Content-Length: 5", "Transfer_Encoding: chunked", body="12345")
    post((C, "a length with an underscore"), "Content-Length: 5", "Content_Length: 3", body="12345")
    plain((R, "a coding in HTTP/1.0"), "Transfer-Encoding: chunked", line="POST /case-{n} HTTP/1.0\r\n")
    # Within chunks.
    for size in ("0x5", "-5", "5 ", " 5", "+5", "", "11111111111111111", "5\n", "5;a=\nb", "5\r", "g", "5;" + "x" * 300):
        post((R, f"chunk of size {size[:20]!r}"), "Transfer-Encoding: chunked", body=f"{size}\r\n12345\r\n0\r\n\r\n")
    post((R, "a chunk longer than its size"), "Transfer-Encoding: chunked", body="3\r\n12345\r\n0\r\n\r\n")
    post((R, "chunks with LF alone"), "Transfer-Encoding: chunked", body="5\n12345\n0\n\n" + inner)
    post((R, "a trailer that is no field"), "Transfer-Encoding: chunked", body="0\r\nno field\r\n\r\n")
    post((R, "a trailer with LF alone"), "Transfer-Encoding: chunked", body="0\r\na: b\n\r\n\r\n")
    post((C, "a chunk with an extension"), "Transfer-Encoding: chunked", body="5;a=b\r\n12345\r\n0\r\n\r\n")
    post((C, "a trailer that spoofs"), "Transfer-Encoding: chunked", "Trailer: X-Verified-User-Data",
         body="5\r\n12345\r\n0\r\nX-Verified-User-Data: spoofed\r\n\r\n")
    # Lines.
    plain((R, "LF alone"), "A: b\nX-Verified-User-Data: spoofed")
    plain((R, "CR alone"), "A: b\rX-Verified-User-Data: spoofed")
    plain((R, "CR CR LF"), "A: b\r")
    plain((R, "a folded field"), "A: b", " X-Verified-User-Data: spoofed")
    plain((R, "a field folded by a tab"), "A: b", "\tc")
    plain((R, "a NUL"), "A: b\x00c")
    plain((R, "another control"), "A: b\x01c")
    plain((R, "DEL"), "A: b\x7fc")
    plain((R, "a blank before a colon"), "A : b")
    plain((R, "a name with a blank"), "A b: c")
    plain((R, "no name"), ": c")
    plain((R, "no colon"), "Abc")
    plain((R, "a name with a bracket"), "A(b): c")
    plain((R, "a name that isn't ASCII"), "\u00c4: c")
    cases.append(((R, "a blank before the first field"), "GET /case-{n} HTTP/1.1\r\n", " A: b\r\n" + good, ""))
    cases.append(((R, "an empty line before the request"), "\r\nGET /case-{n} HTTP/1.1\r\n", good, ""))
    for line in ("GET  /case-{n} HTTP/1.1", "GET\t/case-{n}\tHTTP/1.1", "GET /case-{n}", "GET /case-{n} HTTP/1.2", "GET /case-{n} HTTP/2.0",
                 "GET /case-{n} http/1.1", "GET /case-{n} HTTP/1.1 ", " GET /case-{n} HTTP/1.1", "GET case-{n} HTTP/1.1",
                 "GET /case-{n}#a HTTP/1.1", "GET /case-{n}\u00e4 HTTP/1.1", "GET * HTTP/1.1", "G@T /case-{n} HTTP/1.1",
                 "CONNECT x:80 HTTP/1.1", "TRACE /case-{n} HTTP/1.1", "GET /case-{n}?a b HTTP/1.1", "GET /case-{n} HTTP/1.1\x00",
                 "GET http://elsewhere/case-{n} HTTP/1.1", "GET ftp://x/case-{n} HTTP/1.1", "GET /case-{n} XTTP/1.1"):
        plain((R, f"request line {line!r}"), line=line + "\r\n")
    plain((C, "absolute form"), line=f"GET http://{recorder.host}/case-{{n}} HTTP/1.1\r\n")
    auth = f"Authorization: Bearer {recorder.token}\r\n"
    plain((R, "no Host"), a=auth)
    for host in ("a@b", "a/b", "a b", "", "a:b", "a:999999", "[::1", "a,b", "a\\b"):
        plain((R, f"Host {host!r}"), a=auth + f"Host: {host}\r\n")
    plain((R, "two Hosts"), "Host: spoofed")
    plain((R, "many fields"), *[f"A{i}: b" for i in range(120)])
    plain((R, "a large field"), "A: " + "b" * 20_000)
    plain((R, "a large head"), *["A: " + "b" * 8_000 for _ in range(10)])
    # In somebody else's name.
    for name in ("X-Verified-User-Data", "x-verified-user-data", "X_Verified_User_Data", "X-Verified-User_Data", "x_VERIFIED-user-Data",
                 "X.Verified.User.Data", "X-Verified-User+Data", "X-Forwarded-For", "X_Forwarded_For", "Forwarded", "X-Real-IP",
                 "X-Forwarded-Host", "X-Forwarded-Proto"):
        plain((C, f"{name} of the client's"), f"{name}: spoofed")
    plain((C, "the same twice"), "X-Verified-User-Data: spoofed", "x-verified-user-data: spoofed too")
    plain((C, "ours named by Connection"), "Connection: X-Verified-User-Data, Host, X-Forwarded-For, Forwarded")
    plain((C, "fields named by Connection"), "Connection: close, X-Secret", "X-Secret: spoofed", "TE: trailers", "Keep-Alive: spoofed",
          "Proxy-Authorization: spoofed", "Proxy-Connection: spoofed")
    # Tokens.
    def bare(what, *lines, target="/case-{n}"):
        plain(what, *lines, line=f"GET {target} HTTP/1.1\r\n", a=f"Host: {recorder.host}\r\n")

    t = recorder.token
    bare((R, "no token"))
    for wrong in ("ct-", "ct-AAAA", t[:-1], t + "A", t[:20] + ("A" if t[20] != "A" else "B") + t[21:], t.upper(), t + "=", t[3:], "spoofed"):
        bare((R, f"token {wrong[:8]!r} of {len(wrong)}"), f"Authorization: Bearer {wrong}")
    bare((R, "Basic"), f"Authorization: Basic {t}")
    bare((R, "two Authorizations"), f"Authorization: Bearer {t}", f"Authorization: Bearer {t}")
    bare((R, "two tokens in the query"), target=f"/case-{{n}}?{SECRET_NAME}={t}&{SECRET_NAME}={t}")
    bare((R, "a bad token before a good one"), f"Cookie: {SECRET_NAME}={t}", f"Authorization: Bearer ct-{'A' * 100}")
    bare((R, "a bad token in the query before a good cookie"), f"Cookie: {SECRET_NAME}={t}", target=f"/case-{{n}}?{SECRET_NAME}=x")
    bare((R, "a cookie of another name"), f"Cookie: x{SECRET_NAME}={t}")
    bare((R, "a field of that name"), f"{SECRET_NAME}: {t}")
    bare((R, "the token in the path"), f"Authorization: Bearer {t}", target=f"/case-{{n}}/{t}")
    bare((C, "in the query"), target=f"/case-{{n}}?a=b&{SECRET_NAME}={t}&c=d")
    bare((C, "in the query, spelt otherwise"), target=f"/case-{{n}}?%5fmodal_connect%5Ftoken={t}")
    bare((C, "in a cookie"), f"Cookie: a=b; {SECRET_NAME}={t}; c=d")
    bare((C, "in one cookie of two lines"), "Cookie: a=b", f"Cookie: {SECRET_NAME}={t}")
    bare((C, "everywhere"), f"Cookie: a=b; {SECRET_NAME}={t}", f"Authorization: Bearer {t}", f"Referer: http://x/?{SECRET_NAME}={t}",
         f"X-Copy: {t}", target=f"/case-{{n}}?{SECRET_NAME}={t}")
    bare((C, "hidden in another cookie"), f'Cookie: a="b; c{SECRET_NAME}={t}"; {SECRET_NAME}={t}')
    # Other protocols.
    plain((C, "h2c"), "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA")
    plain((C, "an upgrade to something"), "Connection: Upgrade", "Upgrade: smuggle/1")
    plain((C, "two upgrades"), "Connection: Upgrade", "Upgrade: websocket, h2c")
    plain((C, "an upgrade that Connection doesn't name"), "Upgrade: websocket")
    plain((R, "a WebSocket with a body"), "Connection: Upgrade", "Upgrade: websocket", "Content-Length: 5")
    return cases


def http1():
    """Every hostile request of HTTP/1.1 is refused, or reaches the sandbox as the one that it is."""
    recorder = Recorder()
    cases = hostile_requests(recorder)
    assert len(cases) >= 120, len(cases)
    wanted = {}
    for number, ((outcome, what), line, lines, body) in enumerate(cases):
        raw = (line.replace("{n}", str(number)) + lines + "\r\n" + body).encode()
        statuses, seen = recorder.send(raw)
        wanted[number] = (outcome, what)
        if outcome == "refused":
            assert statuses and statuses[0] >= 400 and b"X-Reached" not in seen, f"{what}: {seen[:300]!r}"
        else:
            assert statuses and statuses[0] == 200, f"{what}: {seen[:300]!r}"
        assert b"X-Reached" not in seen or seen.count(b"X-Reached") == 1, f"{what}: {seen[:600]!r}"
    reached = {}
    for record in recorder.records():
        if not record:
            continue
        # A body that turns out to be malformed breaks off what had begun; the rest holds of it too.
        line, _, _ = check_clean(recorder, record)
        number = int(re.search(r"/case-(\d+)", line)[1])
        reached[number] = reached.get(number, 0) + 1
    for number, (outcome, what) in wanted.items():
        line, lines, body = cases[number][1:]
        begun = outcome == "refused" and "Transfer-Encoding: chunked\r\n" in lines and body
        if outcome == "clean":
            assert reached.get(number) == 1, f"{what}: reached {reached.get(number)} times"
        elif not begun:
            assert number not in reached, f"{what}: reached the sandbox"
    print(len(cases), "requests,", len(reached), "reached")


def one_by_one():
    """On a connection that is kept, every request needs its own token, and an early answer leaves nothing behind."""
    recorder = Recorder()
    good = f"Host: {recorder.host}\r\nAuthorization: Bearer {recorder.token}\r\n"
    with connect(recorder.url) as connection:
        answers = Answers(connection)
        connection.sendall(f"GET /first HTTP/1.1\r\n{good}\r\nGET /second HTTP/1.1\r\nHost: x\r\n\r\nGET /third HTTP/1.1\r\n{good}\r\n".encode())
        assert [answers.next()[0] for _ in range(3)] == [200, 401, 200]
        # What was good before is no token for what follows.
        connection.sendall(f"POST /fourth HTTP/1.1\r\n{good}Content-Length: 5\r\n\r\n12345GET /fifth HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert [answers.next()[0] for _ in range(2)] == [200, 401]
    # A refused request with a body: what follows the head is never taken for a request.
    statuses, _ = recorder.send(f"POST /sixth HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\nGET /smuggled HTTP/1.1\r\n{good}\r\n".encode())
    assert statuses == [401], statuses
    # A WebSocket that the server doesn't accept: what comes behind it is one more request, which needs a token.
    statuses, _ = recorder.send(
        f"GET /seventh HTTP/1.1\r\n{good}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert statuses == [200, 401], statuses
    # HTTP/2's preface where a request belongs.
    statuses, _ = recorder.send(f"GET /eighth HTTP/1.1\r\n{good}\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".encode())
    assert statuses[0] == 200 and statuses[1] >= 400, statuses
    lines = sorted(check_clean(recorder, record)[0].split()[1] for record in recorder.records() if record)
    assert lines == sorted(["/first", "/third", "/fourth", "/seventh", "/eighth"]), lines


def expired():
    """A token that has expired, and one of another sandbox: good for nothing here."""
    recorder, other = Recorder(), Recorder()
    brief, _ = token(recorder.id, expires_seconds=1)
    time.sleep(1.2)
    statuses, seen = recorder.send(f"GET /late HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {brief}\r\n\r\n".encode())
    assert statuses == [401] and b"expired" in seen, seen
    both = f"Host: x\r\nCookie: {SECRET_NAME}={recorder.token}; {SECRET_NAME}={other.token}\r\n"
    statuses, _ = recorder.send(f"GET /both HTTP/1.1\r\n{both}\r\n".encode())
    assert statuses == [400], statuses
    statuses, _ = recorder.send(f"GET /other HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {other.token}\r\n\r\n".encode())
    assert statuses == [200], statuses
    assert not any(recorder.records())
    assert [check_clean(other, record)[0] for record in other.records() if record] == ["GET /other HTTP/1.1"]


class Client2:
    """HTTP/2 that says whatever it is told to."""

    def __init__(self, recorder):
        self.socket = connect(recorder.url, alpn=["h2"])
        self.socket.settimeout(3)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            validate_outbound_headers=False, normalize_outbound_headers=False, validate_inbound_headers=False, header_encoding=None))
        self.h2.initiate_connection()
        self.socket.sendall(self.h2.data_to_send())

    def ask(self, headers, body=None, ends=True):
        """The status, or what became of the stream instead."""
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, [(a.encode() if isinstance(a, str) else a, b.encode() if isinstance(b, str) else b) for a, b in headers],
                             end_stream=body is None and ends)
        if body is not None:
            self.h2.send_data(stream, body, end_stream=ends)
        self.socket.sendall(self.h2.data_to_send())
        status, content = None, b""
        try:
            while piece := self.socket.recv(65536):
                for event in self.h2.receive_data(piece):
                    if isinstance(event, h2.events.ResponseReceived):
                        status = int(dict(event.headers)[b":status"])
                    elif isinstance(event, h2.events.DataReceived):
                        content += event.data
                        self.h2.acknowledge_received_data(event.flow_controlled_length, stream)
                    elif isinstance(event, h2.events.StreamReset):
                        return status or "reset", content
                    elif isinstance(event, h2.events.ConnectionTerminated):
                        return status or "terminated", content
                    elif isinstance(event, h2.events.StreamEnded):
                        return status, content
                self.socket.sendall(self.h2.data_to_send())
        except OSError:
            return status or "silence", content
        return status or "closed", content


def http2():
    """What HTTP/2 can carry and HTTP/1.1 can't."""
    recorder = Recorder()
    t = ("authorization", f"Bearer {recorder.token}")

    def head(number, *more, method="GET", path=None, authority=recorder.host, token=t):
        fields = [(":method", method), (":scheme", "http"), (":authority", authority), (":path", path or f"/case-{number}")]
        return fields + ([token] if token else []) + list(more)

    inner = "\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    R, C = "refused", "clean"
    cases = [
        (C, "a plain one", lambda n: head(n), None),
        (R, "no token", lambda n: head(n, token=None), None),
        (R, "CR LF in a value", lambda n: head(n, ("a", "b\r\nx-verified-user-data: spoofed")), None),
        (R, "a request in a value", lambda n: head(n, ("a", "b" + inner)), None),
        (R, "LF in a value", lambda n: head(n, ("a", "b\nc: spoofed")), None),
        (R, "NUL in a value", lambda n: head(n, ("a", "b\x00c")), None),
        (R, "CR LF in a name", lambda n: head(n, ("a: b\r\nx-verified-user-data", "spoofed")), None),
        (R, "a colon in a name", lambda n: head(n, ("a:", "b")), None),
        (R, "a blank in a name", lambda n: head(n, ("a b", "c")), None),
        (R, "capitals in a name", lambda n: head(n, ("Abc", "d")), None),
        (R, "no name", lambda n: head(n, ("", "d")), None),
        (R, "transfer-encoding", lambda n: head(n, ("transfer-encoding", "chunked"), method="POST"), b"0\r\n\r\n" + inner.encode()),
        (R, "connection", lambda n: head(n, ("connection", "x-verified-user-data")), None),
        (R, "keep-alive", lambda n: head(n, ("keep-alive", "1")), None),
        (R, "proxy-connection", lambda n: head(n, ("proxy-connection", "1")), None),
        (R, "upgrade", lambda n: head(n, ("upgrade", "websocket")), None),
        (R, "te", lambda n: head(n, ("te", "gzip")), None),
        (R, "a length that is too small", lambda n: head(n, ("content-length", "2"), method="POST"), b"12345" + inner.encode()),
        (R, "a length that is too large", lambda n: head(n, ("content-length", "50"), method="POST"), b"12345"),
        (R, "a length and no body", lambda n: head(n, ("content-length", "5"), method="POST"), None),
        (R, "two lengths", lambda n: head(n, ("content-length", "5"), ("content-length", "6"), method="POST"), b"12345"),
        (R, "a length that is no number", lambda n: head(n, ("content-length", "+5"), method="POST"), b"12345"),
        (R, "host beside another authority", lambda n: head(n, ("host", "elsewhere")), None),
        (R, "two hosts", lambda n: head(n, ("host", recorder.host), ("host", recorder.host)), None),
        (R, "an authority with a user", lambda n: head(n, authority="a@b"), None),
        (R, "an authority with a request", lambda n: head(n, authority="a" + inner), None),
        (R, "a path with a blank", lambda n: head(n, path=f"/case-{n} HTTP/1.1{inner}"), None),
        (R, "a path with CR LF", lambda n: head(n, path=f"/case-{n}\r\nx: y"), None),
        (R, "an empty path", lambda n: [(k, "" if k == ":path" else v) for k, v in head(n)], None),
        (R, "a path without a slash", lambda n: head(n, path=f"case-{n}"), None),
        (R, "a method with a request", lambda n: head(n, method=f"GET /smuggled HTTP/1.1{inner}"), None),
        (R, "a method with a blank", lambda n: head(n, method="GET /smuggled"), None),
        (R, "two paths", lambda n: head(n) [:4] + [(":path", "/smuggled"), t], None),
        (R, "two methods", lambda n: [(":method", "POST")] + head(n), None),
        (R, "a pseudo-header behind a field", lambda n: head(n, (":path", "/smuggled")), None),
        (R, "an unknown pseudo-header", lambda n: [(":x", "y")] + head(n), None),
        (R, "no path", lambda n: [field for field in head(n) if field[0] != ":path"], None),
        (R, "no method", lambda n: [field for field in head(n) if field[0] != ":method"], None),
        (R, "no scheme", lambda n: [field for field in head(n) if field[0] != ":scheme"], None),
        (R, "two schemes", lambda n: [(":scheme", "https")] + head(n), None),
        (R, "two authorities", lambda n: [(":authority", "elsewhere")] + head(n), None),
        (R, "an empty authority", lambda n: head(n, authority=""), None),
        (R, "a pseudo-header in capitals", lambda n: [(":Path", "/smuggled")] + head(n), None),
        (R, "a status in a request", lambda n: [(":status", "200")] + head(n), None),
        (R, "a protocol without CONNECT", lambda n: [(":protocol", "websocket")] + head(n), None),
        (R, "a WebSocket without a path", lambda n: [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"),
                                                     (":authority", recorder.host), t], None),
        (R, "an absolute path", lambda n: head(n, path=f"http://elsewhere/case-{n}"), None),
        (R, "a path that is a star", lambda n: head(n, path="*"), None),
        (R, "an empty method", lambda n: head(n, method=""), None),
        (R, "a tab in a path", lambda n: head(n, path=f"/case-{n}\tx"), None),
        (C, "a scheme of another kind", lambda n: [(k, "javascript" if k == ":scheme" else v) for k, v in head(n)], None),
        (R, "CONNECT", lambda n: [(":method", "CONNECT"), (":authority", recorder.host), t], None),
        (R, "TRACE", lambda n: head(n, method="TRACE"), None),
        (R, "an extended CONNECT to something", lambda n: [(":method", "CONNECT"), (":protocol", "smuggle"), *head(n)[1:]], None),
        (R, "many fields", lambda n: head(n, *[(f"a{i}", "b") for i in range(150)]), None),
        (R, "a large field", lambda n: head(n, ("a", "b" * 20_000)), None),
        (C, "ours in small letters", lambda n: head(n, ("x-verified-user-data", "spoofed")), None),
        (C, "ours with underscores", lambda n: head(n, ("x_verified_user_data", "spoofed")), None),
        (C, "a coding with an underscore", lambda n: head(n, ("transfer_encoding", "spoofed")), None),
        (C, "a cookie in crumbs", lambda n: head(n, ("cookie", "a=b"), ("cookie", f"{SECRET_NAME}={recorder.token}"), ("cookie", "c=d"), token=None), None),
        (C, "a body without a length", lambda n: head(n, method="POST"), b"12345" + inner.encode()),
        (C, "a body with its length", lambda n: head(n, ("content-length", "5"), method="POST"), b"12345"),
        (C, "trailers allowed", lambda n: head(n, ("te", "trailers")), None),
    ]
    begun = set()
    for number, (outcome, what, make, body) in enumerate(cases):
        status, content = Client2(recorder).ask(make(number), body)
        if outcome == "clean":
            assert status == 200 and content == b"ok", f"{what}: {status} {content[:200]!r}"
        else:
            assert not (isinstance(status, int) and status < 400), f"{what}: {status} {content[:200]!r}"
            if "length" in what:
                begun.add(number)
    reached = {}
    for record in recorder.records():
        if record:
            line = check_clean(recorder, record)[0]
            number = int(re.search(r"/case-(\d+)", line)[1])
            reached[number] = reached.get(number, 0) + 1
    for number, (outcome, what, _, _) in enumerate(cases):
        if outcome == "clean":
            assert reached.get(number) == 1, f"{what}: {reached.get(number)}"
        elif number not in begun:
            assert number not in reached, f"{what}: reached the sandbox"
    # Streams of one connection each need a token of their own.
    client = Client2(recorder)
    outcomes = [client.ask(head(900))[0], client.ask(head(901, token=None))[0], client.ask(head(902))[0]]
    assert outcomes == [200, 401, 200], outcomes
    print(len(cases), "requests,", len(reached), "reached")


class Frames:
    """HTTP/2 frame by frame, with whatever is wrong in it."""

    def __init__(self, recorder):
        self.recorder = recorder
        self.socket = connect(recorder.url, alpn=["h2"])
        self.socket.settimeout(20)
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + self.frame(4, 0, 0))

    @staticmethod
    def frame(kind, flags, stream, payload=b""):
        return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload

    def head(self, path, token=True):
        """A request's header block, with nothing that needs a table."""
        fields = [(":method", "GET"), (":scheme", "http"), (":authority", self.recorder.host), (":path", path)]
        fields += [("authorization", f"Bearer {self.recorder.token}")] if token else []
        return b"".join(b"\0" + self.text(name) + self.text(value) for name, value in fields)

    @staticmethod
    def text(text):
        data = text.encode()
        if len(data) < 127:
            return bytes([len(data)]) + data
        rest, length = len(data) - 127, b"\x7f"
        while rest >= 128:
            length, rest = length + bytes([rest & 127 | 128]), rest >> 7
        return length + bytes([rest]) + data

    def send(self, *frames):
        """Sends until the other side has had enough; False then."""
        try:
            self.socket.sendall(b"".join(frames))
            return True
        except OSError:
            return False

    def statuses(self):
        """Reads to the end or to silence: frames' kinds, and whether the connection was ended."""
        seen = b""
        try:
            while piece := self.socket.recv(65536):
                seen += piece
            return self.kinds(seen), True
        except TimeoutError:
            return self.kinds(seen), False
        except OSError:
            return self.kinds(seen), True

    @staticmethod
    def kinds(seen):
        kinds = []
        while len(seen) >= 9:
            length = int.from_bytes(seen[:3], "big")
            kinds.append(seen[3])
            seen = seen[9 + length:]
        return kinds


def floods():
    """What HTTP/2 makes cheap to send and dear to take: connections that do it end, and cost nothing that stays."""
    recorder = Recorder()
    pid = int(os.environ["CORDON_PID"])
    frame = Frames.frame

    def memory():
        with open(f"/proc/{pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("RssAnon"))

    def descriptors():
        return len(os.listdir(f"/proc/{pid}/fd"))

    def continuations(client):
        client.send(frame(1, 1, 1, client.head("/flood")))
        for _ in range(10_000):
            if not client.send(frame(9, 0, 1, b"\0\1a" + Frames.text("b" * 1000))):
                return

    def empty_continuations(client):
        client.send(frame(1, 1, 1, client.head("/flood")))
        for _ in range(2000):
            if not client.send(frame(9, 0, 1) * 50):
                return

    def resets(client):
        block = client.head("/slow")
        for stream in range(1, 40_001, 2):
            if not client.send(frame(1, 5, stream, block), frame(3, 0, stream, struct.pack("!I", 8))):
                return

    def table_bomb(client):
        # One entry of nearly the whole table, and then ten thousand mentions of it in a single head.
        client.send(frame(1, 5, 1, client.head("/flood") + b"\x40" + Frames.text("a") + Frames.text("b" * 4000) + b"\xbe" * 10_000))

    def settings(client):
        for _ in range(2000):
            if not client.send(frame(4, 0, 0, struct.pack("!HI", 4, 65_535)) * 50):
                return

    def pings(client):
        for _ in range(2000):
            if not client.send(frame(6, 0, 0, b"12345678") * 50):
                return

    def empty_data(client):
        client.send(frame(1, 4, 1, client.head("/flood").replace(b"GET", b"PUT")))
        for _ in range(2000):
            if not client.send(frame(0, 0, 1) * 50):
                return

    def windows(client):
        client.send(frame(8, 0, 0, struct.pack("!I", 0x7fffffff)), frame(8, 0, 0, struct.pack("!I", 0x7fffffff)))

    def priorities(client):
        for _ in range(2000):
            if not client.send(frame(2, 0, 1, struct.pack("!IB", 3, 1)) * 50):
                return

    def unknown(client):
        for _ in range(200):
            if not client.send(frame(0x77, 0, 0, b"x" * 16_000) * 5):
                return

    def too_large(client):
        client.send(frame(1, 5, 1, b"\0\1a" + Frames.text("b" * 40_000)))

    def wrong_streams(client):
        client.send(frame(1, 5, 2, client.head("/flood")))

    def going_back(client):
        client.send(frame(1, 5, 5, client.head("/first")), frame(1, 5, 3, client.head("/flood")))

    def data_for_nobody(client):
        client.send(frame(0, 0, 7, b"x"))

    def torn(client):
        client.send(frame(1, 0, 1, client.head("/flood")[:10]), frame(0, 1, 1, b"x"))

    allowed_to_live = {settings, pings, priorities, unknown}
    before = memory(), descriptors()
    for flood in (
            continuations, empty_continuations, resets, table_bomb, settings, pings, empty_data, windows, priorities, unknown,
            too_large, wrong_streams, going_back, data_for_nobody, torn):
        client = Frames(recorder)
        flood(client)
        kinds, ended = client.statuses() if flood not in allowed_to_live else ([], True)
        # Ended by it, or the one stream reset or refused.
        assert ended or 3 in kinds or 1 in kinds, f"{flood.__name__}: {kinds[:20]}"
        client.socket.close()
        status, content = Client2(recorder).ask(
            [(":method", "GET"), (":scheme", "http"), (":authority", recorder.host), (":path", "/after"),
             ("authorization", f"Bearer {recorder.token}")])
        assert status == 200, f"after {flood.__name__}: {status}"
    eventually(lambda: descriptors() <= before[1] + 5, "the end of every connection", 60)
    assert memory() - before[0] < 100_000, f"{memory() - before[0]} KiB more"
    lines = [check_clean(recorder, record)[0] for record in recorder.records() if record]
    assert not any("/flood" in line for line in lines), lines
    print(memory() - before[0], "KiB more,", sum("/slow" in line for line in lines), "of 20,000 that were reset reached the server")


HOSTILE_SERVER = r'''
import socket, sys, threading
answers = {
    "ok": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "two": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nspoofed",
    "switch": b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nspoofed",
    "both": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    "negative": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nabc",
    "coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "split": b"HTTP/1.1 200 OK\r\nA: b\nSet-Cookie: c=d\r\n\r\n",
    "folded": b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
    "nul": b"HTTP/1.1 200 OK\r\nA: b\x00c\r\n\r\n",
    "none": b"",
    "noise": b"\x00\x01\x02 no HTTP at all\r\n\r\n",
    "ssh": b"SSH-2.0-x\r\n",
    "old": b"<html>HTTP/0.9</html>",
    "status": b"HTTP/1.1 99 Low\r\n\r\n",
    "status2": b"HTTP/1.1 2000 High\r\n\r\n",
    "version": b"HTTP/3.0 200 OK\r\n\r\n",
    "early": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 1000 + b"HTTP/1.1 200 OK\r\n\r\n",
    "trailers": b"HTTP/1.1 200 OK\r\nTrailer: X-Late\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Late: yes\r\nSet-Cookie: late=1\r\n\r\n",
    "broken": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\nzz\r\n",
    "cookies": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: _modal_connect_token=evil\r\nSet-Cookie: =_modal_connect_token=evil\r\n"
               b"set-cookie:  _modal_connect_token =evil; Path=/x\r\nSet-Cookie: mine=1; Domain=example.org; Path=/\r\nAlt-Svc: h2=\":1\"\r\n"
               b"Strict-Transport-Security: max-age=1\r\nConnection: X-Inner\r\nX-Inner: gone\r\nKeep-Alive: 1\r\nX-Outer: stays\r\n\r\nok",
}
def serve(connection):
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connection.recv(65536)
        if not piece: return
        head += piece
    name = head.split()[1].decode().split("?")[0].strip("/")
    try:
        if name == "endless":
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            while True: connection.sendall(b"A: " + b"b" * 1000 + b"\r\n")
        if name == "line":
            while True: connection.sendall(b"H" * 65536)
        connection.sendall(answers[name])
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)
    except OSError: pass
    connection.close()
listener = socket.create_server(("127.0.0.1", 8080), backlog=512)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
'''


def hostile_server():
    """What a server inside sends can answer its own request, and is bounded."""
    id = create()["id"]
    serve(id, HOSTILE_SERVER)
    secret, url = token(id)
    head = f"Host: x\r\nAuthorization: Bearer {secret}\r\n"

    def ask(name, *lines):
        with connect(url) as connection:
            answers = Answers(connection)
            connection.sendall(f"GET /{name} HTTP/1.1\r\n{head}{''.join(lines)}\r\n".encode())
            return answers.next()

    for name in ("both", "lengths", "negative", "coding", "split", "folded", "nul", "none", "noise", "ssh", "old", "status", "status2", "version",
                 "switch", "endless", "line"):
        status, fields, body = ask(name)
        assert status == 502 and b"spoofed" not in body, f"{name}: {status} {body[:200]!r}"
        assert fields["content-type"] == ["application/problem+json"], fields
    # Answers that nobody asked for belong to nobody: each request has a connection of its own.
    with connect(url) as connection:
        answers = Answers(connection)
        for name in ("two", "ok", "two", "ok"):
            connection.sendall(f"GET /{name} HTTP/1.1\r\n{head}\r\n".encode())
            assert answers.next()[2] == b"ok", name
        assert answers.rest == b""
    with connect(url) as connection:
        connection.sendall(f"GET /early HTTP/1.1\r\n{head}\r\n".encode())
        answers, statuses = Answers(connection), []
        while not statuses or statuses[-1] == 103:
            statuses.append(answers.head()[0])
        assert 1 < len(statuses) <= 17 and statuses[-1] == 502, statuses
    for name in ("broken", "chunks"):
        try:
            raise AssertionError(f"{name}: {ask(name)}")
        except EOFError:
            pass
    status, fields, body = ask("cookies")
    assert body == b"ok" and fields["set-cookie"] == ["mine=1; Path=/"], fields
    assert "alt-svc" not in fields and "strict-transport-security" not in fields and "x-inner" not in fields and fields["x-outer"] == ["stays"], fields
    # Trailers are dropped, in whatever version.
    status, fields, body = ask("trailers")
    assert (status, body) == (200, b"ok") and "trailer" not in fields and "x-late" not in fields, fields
    with connect(url) as connection:
        connection.sendall(f"GET /trailers HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode())
        seen = b"".join(iter(lambda: connection.recv(65536), b""))
        assert seen.endswith(b"\r\n2\r\nok\r\n0\r\n\r\n"), seen[-100:]
    # A service worker would outlive the sandbox, on a host that all share.
    status, _, _ = ask("ok", "Service-Worker: script\r\n")
    assert status == 403, status


run_check(globals())
