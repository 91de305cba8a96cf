"""Clients of the name proxy that we did not write: curl, openssl, and bare sockets. proxy.py PLACES CASE

PLACES is JSON: the proxy's port, its addresses by where their connections were going, and what upstream.py printed. The sandbox is
127.0.0.3, whose domain_allowlist has site.example, shared.example (the same address) and elsewhere.example (another one).
"""

import json
import re
import socket
import ssl
import subprocess
import sys
import threading
import time

PLACES = json.loads(sys.argv[1])
LISTED, RANGES, NOBODY = "127.0.0.3", "127.0.0.5", "127.0.0.9"


def same(got, expected):
    assert got == expected, f"{got!r} instead of {expected!r}"


def curl(url, place, *arguments, source=LISTED):
    """Goes to a place whatever the name; returns curl's status and output."""
    scheme, host = re.match(r"(https?)://([^/:]+)", url).groups()
    port = {"http": PLACES["web"], "https": PLACES["tls"]}[scheme]
    url = url.replace(host, f"{host}:{port}", 1)
    result = subprocess.run(
        ["curl", "-sS", "--max-time", "20", "--interface", source, "--connect-to",
         f"{host}:{port}:{PLACES[place]}:{PLACES['proxy']}", "--cacert", PLACES["certificate"], url, *arguments],
        capture_output=True, text=True)
    return result.returncode, result.stdout or result.stderr


def connect(place, source=LISTED, timeout=10):
    return socket.create_connection((PLACES[place], PLACES["proxy"]), source_address=(source, 0), timeout=timeout)


def read_all(sock):
    data = b""
    try:
        while piece := sock.recv(1 << 16):
            data += piece
    except ConnectionResetError:
        data += b"[reset]"
    return data


def greeting(name):
    """A real ClientHello."""
    ours, theirs = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        context.wrap_bio(theirs, ours, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError:
        return ours.read()


def tls():
    """TLS goes on under a permitted name that resolves to where it was going, and not otherwise."""
    for name in ("site.example", "shared.example"):
        code, out = curl(f"https://{name}/path", "to_tls")
        assert code == 0, (code, out)
        same(json.loads(out)["at"], "tls")
    # Another name on the same address; a permitted name that is elsewhere; none; an address.
    for name in ("other.example", "elsewhere.example", "nothere.example"):
        code, out = curl(f"https://{name}/", "to_tls")
        assert code == 35 and "access denied" in out, (code, out)
    out = subprocess.run(
        ["openssl", "s_client", "-connect", f"{PLACES['to_tls']}:{PLACES['proxy']}", "-bind", LISTED, "-noservername"],
        input="", capture_output=True, text=True)
    assert "access denied" in out.stderr, out.stderr
    for version in ("-tls1_2", "-tls1_3"):
        out = subprocess.run(
            ["openssl", "s_client", "-connect", f"{PLACES['to_tls']}:{PLACES['proxy']}", "-bind", LISTED, version, "-servername",
             "SITE.example", "-CAfile", PLACES["certificate"], "-verify_return_error"],
            input="GET / HTTP/1.1\r\nConnection: close\r\n\r\n", capture_output=True, text=True)
        assert "Verify return code: 0" in out.stdout, out.stdout + out.stderr
    code, out = curl("https://site.example/", "to_tls", source=NOBODY)
    same(code, 35)


def pieces():
    """A greeting may come in any pieces and records; what isn't one is refused; bytes go both ways unchanged."""
    hello = greeting("site.example")
    assert len(hello) > 200
    records = b"".join(
        b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part
        for part in (hello[5:][i:i + 7] for i in range(0, len(hello) - 5, 7)))
    for bytes_, step in ((hello, 1), (hello, 1000), (records, 3), (records, len(records))):
        with connect("to_echo") as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for i in range(0, len(bytes_), step):
                sock.sendall(bytes_[i:i + step])
            sock.sendall(b"more")
            sock.shutdown(socket.SHUT_WR)
            same(read_all(sock), bytes_ + b"more" + b"[%d]" % (len(bytes_) + 4))
    for other in (b"\x16\x03\x01\x00\x02\x02\x00", b"\x16\x03\x01\xff\xff" + b"a" * 70000, b"\x16\x03\x01\0\x05\1\0\0\1\0",
                  b"SSH-2.0-x\r\n", b"\x00\x01", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", hello[:5] + b"\x01\x00\xff\xff" + hello[9:]):
        with connect("to_echo") as sock:
            sock.sendall(other)
            sock.shutdown(socket.SHUT_WR)
            got = read_all(sock)
            assert other not in got and b"[" not in got.replace(b"[reset]", b""), (other[:20], got)


def silence():
    """Who says nothing, or half, is cut off in time."""
    with connect("to_echo") as one, connect("to_echo") as two:
        two.sendall(b"\x16\x03\x01")
        began = time.monotonic()
        same((read_all(one), read_all(two)[:1] in (b"", b"\x15", b"[")), (b"", True))
        assert time.monotonic() - began < 10


def requests():
    """Each request of a connection goes on under its own Host, or not at all."""
    code, out = curl("http://site.example/one", "to_web")
    same((code, json.loads(out)["head"][0]), (0, "GET /one HTTP/1.1"))
    code, out = curl("http://SITE.example./two", "to_web", "-d", "x" * 100_000, "-H", "Transfer-Encoding: chunked")
    same((code, json.loads(out)["body"]), (0, 100_000))
    for host in ("other.example", "elsewhere.example", "127.0.0.1"):
        code, out = curl(f"http://{host}/", "to_web", "-w", "%{http_code}")
        assert code == 0 and out.endswith("403") and out.startswith("Denied: "), out
    # The same connection, with another Host behind: the first is answered, the rest isn't.
    with connect("to_web") as sock:
        sock.sendall(b"GET /slow HTTP/1.1\r\nHost: site.example\r\n\r\nGET /evil HTTP/1.1\r\nHost: other.example\r\n\r\n")
        got = read_all(sock)
        same((got.count(b"200 OK"), b"evil" in got), (1, False))
    with connect("to_web") as sock:
        for host in ("site.example", "shared.example", "site.example"):
            sock.sendall(f"GET /{host} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            data = b""
            while b"at" not in data:
                data += sock.recv(65536)
            assert f"/{host} ".encode() in data
        sock.sendall(b"POST / HTTP/1.1\r\nHost: other.example\r\nContent-Length: 3\r\n\r\nabc")
        same(read_all(sock), b"")


def smuggling():
    """Heads that two readers could read in two ways are refused; what goes on is written anew."""
    ok = "Host: site.example\r\n"
    for head in (
        "GET / HTTP/1.1\r\n\r\n", f"GET / HTTP/1.1\r\n{ok}{ok}\r\n", f"GET / HTTP/1.1\r\n{ok}host: other.example\r\n\r\n",
        f"GET http://other.example/ HTTP/1.1\r\n{ok}\r\n", f"GET http://site.example@other.example/ HTTP/1.1\r\n{ok}\r\n",
        f"GET //other.example/ HTTP/9.1\r\n{ok}\r\n", "GET / HTTP/1.1\r\nHost: site.example@other.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: site.example, other.example\r\n\r\n", "GET / HTTP/1.1\r\nHost: site.example:1\r\n\r\n",
        f"CONNECT other.example:443 HTTP/1.1\r\n{ok}\r\n", f"GET / HTTP/1.1\r\n{ok}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        f"POST / HTTP/1.1\r\n{ok}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        f"POST / HTTP/1.1\r\n{ok}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        f"GET / HTTP/1.1\r\n{ok}X : y\r\n\r\n", f"GET / HTTP/1.1\r\n{ok}X: a\x00b\r\n\r\n", "GET /\r\n\r\n",
        f"GET / HTTP/1.1\r\n{ok}" + "X: " + "a" * 100_000 + "\r\n\r\n", f"GET / HTTP/1.1\n{ok} folded: x\r\n\r\n",
    ):
        with connect("to_web") as sock:
            try:
                sock.sendall(head.encode())
            except (BrokenPipeError, ConnectionResetError):
                continue
            got = read_all(sock)
            assert b"200 OK" not in got, (head, got)
    with connect("to_web") as sock:
        sock.sendall(
            f"POST http://site.example/x HTTP/1.1\r\n{ok}Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"
            "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\ncontent-length: 2\r\n\r\nabPRI * HTTP/2.0\r\n\r\n".encode())
        got = json.loads(read_all(sock).split(b"\r\n\r\n", 1)[1])
        same(got["body"], 2)
        same(got["head"], ["POST http://site.example/x HTTP/1.1", "Host: site.example", "content-length: 2", "Connection: close"])


def flow():
    """Both directions at once, hundreds of MB, half-closed ends, and many connections."""
    hello = greeting("site.example")
    total = 100 << 20
    with connect("to_echo", timeout=60) as sock:
        def send():
            sock.sendall(hello)
            piece = bytes(range(256)) * 4096
            for _ in range(total // len(piece)):
                sock.sendall(piece)
            sock.shutdown(socket.SHUT_WR)
        sender = threading.Thread(target=send)
        sender.start()
        got = 0
        # Somebody who takes nothing for a while holds the sender back, and loses nothing.
        time.sleep(1)
        last = b""
        while piece := sock.recv(1 << 20):
            got += len(piece)
            last = (last + piece)[-40:]
        sender.join()
        whole = total + len(hello)
        same((got, last.endswith(b"[%d]" % whole)), (whole + len(b"[%d]" % whole), True))
    many = [connect("to_echo") for _ in range(200)]
    for sock in many:
        sock.sendall(hello)
    for sock in many:
        same(sock.recv(len(hello), socket.MSG_WAITALL), hello)
    # More than one sandbox may have are refused.
    more = [connect("to_echo") for _ in range(100)]
    for sock in more:
        try:
            sock.sendall(hello)
        except (BrokenPipeError, ConnectionResetError):
            pass
    refused = 0
    for sock in more:
        try:
            refused += sock.recv(1) == b""
        except ConnectionResetError:
            refused += 1
    same(refused, 44)
    for sock in many + more:
        sock.close()


def closed():
    """The floor holds for connections too, and nobody connects where nothing listens."""
    code, out = curl("http://closed.example/", "to_closed", "-w", "%{http_code}")
    assert code == 0 and out.endswith("403") and "metadata" in out, out
    code, out = curl("http://site.example/", "to_nothing", "-w", "%{http_code}", "-H", "Host: site.example")
    assert code == 0 and out.endswith("502"), out
    with connect("to_nothing") as sock:
        sock.sendall(greeting("site.example"))
        same(read_all(sock) in (b"", b"[reset]"), True)


def ranges():
    """What a cidr_allowlist opens needs no name."""
    with connect("to_echo", source=RANGES) as sock:
        sock.sendall(b"anything")
        sock.shutdown(socket.SHUT_WR)
        same(read_all(sock), b"anything[8]")
    code, out = curl("https://other.example/", "to_tls", source=RANGES)
    same(code, 0)


globals()[sys.argv[2]]()
