"""Connect tokens with servers and clients that we didn't write: Python's http.server, websockets, uvicorn; curl, httpx,
h2load."""

import asyncio
import hashlib
import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import tempfile
import time

import wheels

wheels.need("httpx[http2]==0.27.2", "websockets==13.1")

import httpx  # noqa: E402
import websockets  # noqa: E402
from websockets.asyncio.client import connect as open_socket  # noqa: E402

from connect_side import SECRET_NAME, Answers, connect, eventually, place, serve, token  # noqa: E402
from cordon_rest import DATA_DIRECTORY, call, complete, create, expect, run_check, sandbox, terminate  # noqa: E402

ECHO = r'''
import http.server, json, socketserver, sys, time
class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def body(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size); self.rfile.readline()
            self.rfile.readline()
            return body
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))
    def do_GET(self):
        content = json.dumps({"method": self.command, "path": self.path, "headers": self.headers.items(),
                              "body": self.body().decode("latin-1")}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD": self.wfile.write(content)
    do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = do_GET
class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 256
    address_family = __import__("socket").AF_INET6 if sys.argv[2:] == ["6"] else __import__("socket").AF_INET
Server(("::1" if sys.argv[2:] == ["6"] else "127.0.0.1", int(sys.argv[1])), Echo).serve_forever()
'''


def bearer(secret):
    return {"Authorization": "Bearer " + secret}


def headers_of(answer):
    return {name.lower(): value for name, value in answer.json()["headers"]}


def curl(*arguments):
    done = subprocess.run(["curl", "-sS", "-k", *arguments], capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def echo_server(**wanted):
    id = create(**wanted)["id"]
    serve(id, ECHO, "8080")
    return id


def ways_in():
    """By field, by query, by cookie: the server learns who it is and sees no token."""
    id = echo_server()
    who = {"user": "Zoë", "n": 1}
    secret, url = token(id, user_metadata=who)
    with httpx.Client(verify=False) as client:
        by_field = expect_ok(client.get(url + "a/b?x=1&y=%20", headers={**bearer(secret), "Cookie": "mine=2"}))
        assert by_field.json()["path"] == "/a/b?x=1&y=%20"
        seen = headers_of(by_field)
        assert json.loads(seen["x-verified-user-data"]) == who and seen["x-verified-user-data"].isascii()
        assert seen["cookie"] == "mine=2" and "authorization" not in seen
        assert "set-cookie" not in by_field.headers
        assert seen["x-forwarded-for"] == "127.0.0.1" and seen["host"] == "%s:%d" % place(url)

        by_query = expect_ok(client.get(url + f"?a=1&{SECRET_NAME}={secret}&b=2", headers={"Authorization": "Basic YTpi"}))
        assert by_query.json()["path"] == "/?a=1&b=2"
        # What isn't a connect token is the application's own.
        assert headers_of(by_query)["authorization"] == "Basic YTpi"
        cookie = by_query.headers["set-cookie"]
        assert cookie.startswith(f"{SECRET_NAME}={secret}; Path=/; Max-Age="), cookie
        assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and ("Secure" in cookie) == url.startswith("https:")
        assert 86_000 < int(re.search(r"Max-Age=(\d+)", cookie)[1]) <= 86_400

        by_cookie = expect_ok(client.get(url, headers={"Cookie": f"a=1; {SECRET_NAME}={secret}; b=2"}))
        assert headers_of(by_cookie)["cookie"] == "a=1; b=2"
        assert secret not in by_field.text + by_query.text + by_cookie.text

        # A browser's own request for a page: the address bar is rid of the token before any script runs.
        page = client.get(url + f"//x?a=1&{SECRET_NAME}={secret}", headers={"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"})
        assert page.status_code == 303 and page.headers["location"] == "/x?a=1" and secret in page.headers["set-cookie"], page.headers

        nothing = token(id)[0]
        assert "x-verified-user-data" not in headers_of(expect_ok(client.get(url, headers={**bearer(nothing), "X-Verified-User-Data": "me"})))
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        assert json.loads(curl("-X", method, "-H", f"Authorization: Bearer {secret}", url))["method"] == method
    assert b"200 OK" in curl("-I", "--http1.1", "-H", f"Authorization: Bearer {secret}", url)
    log = "".join(pathlib.Path(path).read_text(errors="replace") for path in [pathlib.Path(DATA_DIRECTORY).parent / "cordond.log"])
    assert '"connect request"' in log or " connect request" in log, "an access log"
    assert secret not in log and SECRET_NAME not in log
    metrics = call("GET", "/metrics").text
    assert int(re.search(r'cordon_connect_requests_total\{status="2xx"\} (\d+)', metrics)[1]) >= 10, metrics


def expect_ok(answer):
    assert answer.status_code == 200, f"{answer.status_code} {answer.text[:500]}"
    return answer


def requests_for_tokens():
    """What may be asked for, and what is refused by name."""
    id = create()["id"]
    for wanted, field in [
        ({"port": 0}, "port"), ({"port": 65_536}, "port"), ({"port": 8080.5}, "port"), ({"port": "8080"}, "port"),
        ({"user_metadata": "{"}, "user_metadata"), ({"user_metadata": '"' + "x" * 510 + '"'}, "user_metadata"),
        ({"user_metadata": {"x": "y" * 510}}, "user_metadata"), ({"user_metadata": 1}, "user_metadata"),
        ({"expires_seconds": 0}, "expires_seconds"), ({"expires_seconds": 86_401}, "expires_seconds"), ({"more": 1}, "more"),
    ]:
        answer = expect(call("POST", f"/v1/sandboxes/{id}/connect-tokens", json=wanted), 400)
        assert answer.json()["field"] == field, answer.text
    longest = expect(call("POST", f"/v1/sandboxes/{id}/connect-tokens", json={"user_metadata": json.dumps("\U0001f600" * 509, ensure_ascii=False)}), 201)
    assert len(longest.json()["token"]) < 4000
    expect(call("POST", "/v1/sandboxes/sb-00000000000000000000000000/connect-tokens", json={}), 404)
    terminate(id)
    expect(call("POST", f"/v1/sandboxes/{id}/connect-tokens", json={}), 409)


def refusals():
    """Nobody listens yet, nobody may, nothing is there any more: each has its status, as a page or as a document."""
    id = create()["id"]
    secret, url = token(id)
    with httpx.Client(verify=False) as client:
        early = client.get(url, headers=bearer(secret))
        assert early.status_code == 502 and early.headers["retry-after"] == "1", early.text
        assert early.headers["content-type"] == "application/problem+json" and early.json()["status"] == 502
        page = client.get(url, headers={**bearer(secret), "Accept": "text/html,*/*"})
        assert page.status_code == 502 and page.headers["content-type"].startswith("text/html") and 'http-equiv="refresh"' in page.text
        for headers in ({}, bearer("ct-AAAA"), bearer("x.y")):
            bad = client.get(url, headers=headers)
            assert bad.status_code == 401 and bad.headers["www-authenticate"].startswith("Bearer"), bad.text
        serve(id, ECHO, "8080")
        expect_ok(client.get(url, headers=bearer(secret)))
        # A token is for one port.
        other, _ = token(id, port=9090)
        assert client.get(url, headers=bearer(other)).status_code == 502
        # A server that listens on ::1 alone is found too.
        serve(id, ECHO, "9090", "6", port=9090)
        expect_ok(client.get(url, headers=bearer(other)))
        terminate(id)
        gone = client.get(url, headers=bearer(secret))
        assert gone.status_code == 410, gone.text


def http2():
    """Clients of HTTP/2: curl with and without TLS, httpx, many requests on one connection."""
    id = echo_server()
    secret, url = token(id, user_metadata='{"a": 1}')
    plain = url.startswith("http:")
    flag = "--http2-prior-knowledge" if plain else "--http2"
    answer = curl(flag, "-w", "%{http_version}", "-H", f"Authorization: Bearer {secret}", "-d", "hello", url + "x")
    assert answer.endswith(b"2"), answer
    seen = json.loads(answer[:-1])
    assert seen["method"] == "POST" and seen["body"] == "hello", seen
    # A client that would rather upgrade is answered in HTTP/1.1.
    if plain:
        assert curl("--http2", "-o", "/dev/null", "-w", "%{http_version} %{http_code}", "-H", f"Authorization: Bearer {secret}", url) == b"1.1 200"
    with httpx.Client(http1=False, http2=True, verify=False) as client:
        for number in range(50):
            got = client.post(url + str(number), headers=bearer(secret), content=b"x" * number * 100)
            assert got.http_version == "HTTP/2" and len(got.json()["body"]) == number * 100

    async def together():
        async with httpx.AsyncClient(http1=False, http2=True, verify=False, timeout=60) as client:
            answers = await asyncio.gather(*[client.get(f"{url}{n}", headers=bearer(secret)) for n in range(80)])
            assert [answer.json()["path"] for answer in answers] == [f"/{n}" for n in range(80)]
    asyncio.run(together())


def load():
    """h2load over both protocols: every request is answered."""
    id = echo_server()
    secret, url = token(id)
    for more in (["-m", "10"], ["--h1"]):
        done = subprocess.run(["h2load", "-n", "2000", "-c", "8", *more, "-H", f"Authorization: Bearer {secret}", url],
                              capture_output=True, text=True, timeout=200)
        assert done.returncode == 0 and "2000 succeeded, 0 failed, 0 errored" in done.stdout, done.stdout + done.stderr
        assert "2000 2xx" in done.stdout, done.stdout
        print(re.search(r"finished in.*", done.stdout)[0])


LARGE = r'''
import asyncio, hashlib
async def app(scope, receive, send):
    if scope["type"] != "http": return
    if scope["path"] == "/up":
        digest, size = hashlib.sha256(), 0
        while True:
            event = await receive()
            if event["type"] != "http.request": return
            digest.update(event["body"]); size += len(event["body"])
            if not event.get("more_body"): break
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": f"{size} {digest.hexdigest()}".encode()})
    elif scope["path"] == "/down":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(256):
            await send({"type": "http.response.body", "body": bytes([number]) * (1 << 20), "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    elif scope["path"] == "/events":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        for number in range(5):
            await send({"type": "http.response.body", "body": f"data: {number}\n\n".encode(), "more_body": True})
            await asyncio.sleep(0.3)
        await send({"type": "http.response.body", "body": b""})
    elif scope["path"] == "/refuse":
        await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"no"})
    else:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": dict(scope["headers"]).get(b"expect", b"none")})
import uvicorn
uvicorn.run(app, host="127.0.0.1", port=8080, log_level="warning", loop="asyncio", http="h11")
'''
UVICORN = ("uvicorn==0.30.6", "h11==0.14.0", "click==8.1.7")


def streaming():
    """uvicorn inside: events come one by one, large bodies whole, both ways; 100-continue is the server's."""
    id = create()["id"]
    serve(id, LARGE, packages=UVICORN)
    secret, url = token(id)
    for http2 in (False, True):
        with httpx.Client(http1=not http2, http2=http2, verify=False, timeout=120) as client:
            times = []
            with client.stream("GET", url + "events", headers=bearer(secret)) as answer:
                for piece in answer.iter_raw():
                    times += [time.monotonic()] * piece.count(b"data:")
            assert len(times) == 5 and all(later - sooner > 0.1 for sooner, later in zip(times, times[1:])), times
            piece = os.urandom(1 << 20)

            def pieces():
                for _ in range(100):
                    yield piece
            sent = client.post(url + "up", headers=bearer(secret), content=pieces())
            wanted = hashlib.sha256(piece * 100).hexdigest()
            assert sent.text == f"{100 << 20} {wanted}", sent.text
            sent = client.post(url + "up", headers=bearer(secret), content=piece)
            assert sent.text == f"{1 << 20} {hashlib.sha256(piece).hexdigest()}"
            digest, size = hashlib.sha256(), 0
            with client.stream("GET", url + "down", headers=bearer(secret)) as answer:
                for got in answer.iter_raw():
                    digest.update(got)
                    size += len(got)
            assert size == 256 << 20
            assert digest.hexdigest() == hashlib.sha256(b"".join(bytes([n]) * (1 << 20) for n in range(256))).hexdigest()
    with tempfile.NamedTemporaryFile() as file:
        file.write(os.urandom(3 << 20))
        file.flush()
        said = subprocess.run(["curl", "-skv", "--http1.1", "-H", f"Authorization: Bearer {secret}", "-H", "Expect: 100-continue", "-T", file.name, url + "up"],
                              capture_output=True, timeout=60)
        assert b"HTTP/1.1 100" in said.stderr and said.stdout.startswith(b"3145728 "), said
        # A server that answers early; the client hears it, and no bytes of the body are taken for a request.
        refused = subprocess.run(["curl", "-sk", "--http1.1", "-H", f"Authorization: Bearer {secret}", "-H", "Expect: 100-continue", "-T", file.name, "-w", "%{http_code}", url + "refuse"],
                                 capture_output=True, timeout=60)
        assert refused.stdout == b"no413", refused
    slow_reader(url, secret)


def slow_reader(url, secret):
    """A client that doesn't read holds the server back, and no memory of the service's."""
    pid = int(os.environ["CORDON_PID"])

    def memory():
        return int(re.search(r"RssAnon:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])
    before = memory()
    sockets = []
    for _ in range(8):
        one = connect(url)
        one.sendall(f"GET /down HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\n\r\n".encode())
        sockets.append(one)
    time.sleep(3)
    grown = memory() - before
    assert grown < 60_000, f"{grown} KiB more"
    for one in sockets:
        one.close()


WEBSOCKETS = r'''
import asyncio, websockets
async def echo(socket):
    async for message in socket:
        if message == "who": message = socket.request_headers.get("X-Verified-User-Data", "nobody")
        await socket.send(message)
async def main():
    async with websockets.serve(echo, "127.0.0.1", 8080, max_size=None, subprotocols=["chat"]):
        await asyncio.Future()
asyncio.run(main())
'''


def web_sockets():
    """A websockets server inside, its client outside: text, megabytes, subprotocols, closing handshakes."""
    id = create()["id"]
    serve(id, WEBSOCKETS, packages=("websockets==13.1",))
    secret, url = token(id, user_metadata='{"u":1}')
    address = url.replace("http", "ws", 1)
    context = ssl._create_unverified_context() if address.startswith("wss") else None

    async def talk():
        async with open_socket(address, additional_headers=bearer(secret), subprotocols=["chat"], max_size=None, ssl=context) as socket:
            assert socket.subprotocol == "chat"
            await socket.send("who")
            assert await socket.recv() == '{"u":1}'
            for size in (0, 1, 125, 126, 65_536, 5 << 20):
                message = os.urandom(size)
                await socket.send(message)
                assert await socket.recv() == message
        assert socket.protocol.close_code == 1000
        # As pages do it.
        async with open_socket(f"{address}?{SECRET_NAME}={secret}", ssl=context) as socket:
            await socket.send("there")
            assert await socket.recv() == "there"
        for headers, status in (({}, 401), (bearer("ct-" + "A" * 100), 401)):
            try:
                async with open_socket(address, additional_headers=headers, ssl=context):
                    raise AssertionError("without a token")
            except websockets.exceptions.InvalidStatus as error:
                assert error.response.status_code == status, error
        async with open_socket(address, additional_headers=bearer(secret), ssl=context) as socket:
            terminate(id)
            try:
                await asyncio.wait_for(socket.recv(), 20)
                raise AssertionError("the sandbox has ended")
            except websockets.exceptions.ConnectionClosed:
                pass
    asyncio.run(talk())


def web_sockets_over_http2():
    """RFC 8441: a stream of HTTP/2 outside, a handshake of HTTP/1.1 inside."""
    import h2.config
    import h2.connection
    import h2.events
    id = create()["id"]
    serve(id, WEBSOCKETS, packages=("websockets==13.1",))
    secret, url = token(id)
    connection = connect(url, alpn=["h2"])
    connection.settimeout(20)
    state = h2.connection.H2Connection(h2.config.H2Configuration(validate_outbound_headers=False, header_encoding="utf-8"))
    state.initiate_connection()
    connection.sendall(state.data_to_send())
    events = []

    def until(kind):
        while True:
            for event in events:
                if isinstance(event, kind):
                    events.remove(event)
                    return event
            piece = connection.recv(65536)
            assert piece, "the connection ended"
            events.extend(state.receive_data(piece))
            connection.sendall(state.data_to_send())

    changed = until(h2.events.RemoteSettingsChanged)
    assert changed.changed_settings[8].new_value == 1, "SETTINGS_ENABLE_CONNECT_PROTOCOL"
    stream = state.get_next_available_stream_id()
    state.send_headers(stream, [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", "/"), (":authority", "x"),
                                ("sec-websocket-version", "13"), ("authorization", f"Bearer {secret}")])
    connection.sendall(state.data_to_send())
    head = dict(until(h2.events.ResponseReceived).headers)
    assert head[":status"] == "200" and "sec-websocket-accept" not in head, head
    state.send_data(stream, bytes([0x81, 0x85, 0, 0, 0, 0]) + b"hello")
    connection.sendall(state.data_to_send())
    assert until(h2.events.DataReceived).data == b"\x81\x05hello"
    state.send_data(stream, bytes([0x88, 0x82, 0, 0, 0, 0, 3, 232]), end_stream=True)
    connection.sendall(state.data_to_send())
    until(h2.events.StreamEnded)


def expiry_ends_what_is_open():
    """What a token allows ends with it, also in the middle."""
    id = create()["id"]
    serve(id, WEBSOCKETS, packages=("websockets==13.1",))
    secret, url = token(id, expires_seconds=3)

    async def talk():
        async with open_socket(url.replace("http", "ws", 1), additional_headers=bearer(secret)) as socket:
            begun = time.monotonic()
            try:
                await asyncio.wait_for(socket.recv(), 20)
            except websockets.exceptions.ConnectionClosed:
                assert 1 < time.monotonic() - begun < 6
    asyncio.run(talk())
    assert httpx.get(url, headers=bearer(secret)).status_code == 401


def revocation():
    """A token that is taken back is good no more, here and after a restart; what is open with it ends, and nothing else."""
    id = create(timeout_seconds=600)["id"]
    serve(id, WEBSOCKETS, packages=("websockets==13.1",))
    made = [expect(call("POST", f"/v1/sandboxes/{id}/connect-tokens", json={}), 201).json() for _ in range(2)]
    (gone, stays), url = made, made[0]["url"]
    path = f"/v1/sandboxes/{id}/connect-tokens/"

    async def talk():
        address = url.replace("http", "ws", 1)
        async with open_socket(address, additional_headers=bearer(stays["token"])) as kept:
            async with open_socket(address, additional_headers=bearer(gone["token"])) as cut:
                await cut.send("open")
                assert await cut.recv() == "open"
                expect(call("DELETE", path + gone["id"]), 204)
                try:
                    await asyncio.wait_for(cut.recv(), 20)
                    raise AssertionError("a message on a socket whose token was taken back")
                except websockets.exceptions.ConnectionClosed:
                    pass
            await kept.send("still open")
            assert await kept.recv() == "still open"
    asyncio.run(talk())
    refused = httpx.get(url, headers=bearer(gone["token"]))
    assert refused.status_code == 401 and "taken back" in refused.text, refused.text
    assert httpx.get(url, headers=bearer(stays["token"])).status_code != 401
    expect(call("DELETE", path + gone["id"]), 204)
    expect(call("DELETE", path + "cn-" + "0" * 22), 204)
    for wrong in ("cn-", "x", gone["token"], "cn-" + "A" * 22):
        expect(call("DELETE", path + wrong), 404)
    expect(call("DELETE", f"/v1/sandboxes/sb-{'0' * 26}/connect-tokens/{gone['id']}"), 404)
    # Another sandbox's tokens are its own to take back; the command line can too.
    third = expect(call("POST", f"/v1/sandboxes/{id}/connect-tokens", json={}), 201).json()
    done = subprocess.run([os.environ["CORDON_PROGRAMS"] + "/cordon", "connect-token", id, "--revoke", third["id"]],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stdout, done
    assert httpx.get(url, headers=bearer(third["token"])).status_code == 401
    terminate(id)
    expect(call("DELETE", path + stays["id"]), 204)


def keeps_awake():
    """An open connection keeps an idle sandbox; without one it ends."""
    id = create(idle_timeout_seconds=4, argv=["python3", "-c", LARGE_SLEEPER])["id"]
    secret, url = token(id)
    eventually(lambda: httpx.get(url, headers=bearer(secret)).status_code == 200, "a server")
    with connect(url) as connection:
        connection.sendall(f"GET /wait HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\n\r\n".encode())
        status, _, body = Answers(connection).next()
        assert (status, body) == (200, b"done")
    assert sandbox(id)["state"] == "running"
    eventually(lambda: sandbox(id)["state"] == "ended", "an idle sandbox's end", 20)
    assert sandbox(id)["result"]["reason"] == "idle_timed_out"
    assert httpx.get(url, headers=bearer(secret)).status_code == 410


LARGE_SLEEPER = r'''
import http.server, time
class Slow(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/wait": time.sleep(8)
        self.send_response(200); self.end_headers(); self.wfile.write(b"done")
http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Slow).serve_forever()
'''


def before_restart(state):
    """Leaves a token, and transfers under way, for what comes after the service was killed."""
    id = create(timeout_seconds=600)["id"]
    serve(id, LARGE, packages=UVICORN)
    secret, url = token(id, user_metadata='{"a":1}')
    under_way = []
    for path in ("/down", "/events"):
        one = connect(url)
        one.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\n\r\n".encode())
        assert one.recv(10)
        under_way.append(one)
    upload = connect(url)
    upload.sendall(f"POST /up HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\nContent-Length: 100000000\r\n\r\n".encode() + b"x" * 100_000)
    under_way.append(upload)
    gone = expect(call("POST", f"/v1/sandboxes/{id}/connect-tokens", json={}), 201).json()
    expect(call("DELETE", f"/v1/sandboxes/{id}/connect-tokens/{gone['id']}"), 204)
    pathlib.Path(state).write_text(json.dumps({"id": id, "token": secret, "url": url, "gone": gone["token"]}))
    # The service is killed now: every transfer ends, none hangs.
    for one in under_way:
        one.settimeout(30)
        try:
            while one.recv(1 << 20):
                pass
        except ConnectionError:
            pass


def after_restart(state):
    """The same address, the same token; and inside nothing hangs on to what broke off."""
    kept = json.loads(pathlib.Path(state).read_text())
    assert token(kept["id"])[1] == kept["url"], "the same port"
    assert httpx.get(kept["url"], headers=bearer(kept["token"])).status_code == 200
    assert httpx.get(kept["url"], headers=bearer(kept["gone"])).status_code == 401

    def connections():
        # Established ones on the server's port.
        return complete(kept["id"], "bash", "-c", "grep -c ':1F90 .* 01 ' /proc/net/tcp; true")["stdout"].strip()
    eventually(lambda: connections() == "0", "an end of all connections inside")


HASTY = r'''
import random, select, socket, time
while True:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 8080))
        server.listen(100)
        select.select([server], [], [])
        time.sleep(random.random() * 0.004)
'''


def kills():
    """The server inside is killed in the middle: the client sees that its answer isn't whole, and nothing is left."""
    id = create()["id"]
    pid = int(os.environ["CORDON_PID"])
    serving = serve(id, LARGE, packages=UVICORN)
    secret, url = token(id)
    expect_ok(httpx.get(url, headers=bearer(secret)))
    before = len(os.listdir(f"/proc/{pid}/fd"))
    for http2 in (False, True):
        with httpx.Client(http1=not http2, http2=http2, verify=False, timeout=30) as client:
            try:
                with client.stream("GET", url + "down", headers=bearer(secret)) as answer:
                    killed = False
                    for _ in answer.iter_raw():
                        if not killed:
                            expect(call("POST", serving + "/signal", json={"signal": "KILL"}), 204)
                            killed = True
                raise AssertionError("an answer that was cut off came whole")
            except (httpx.RemoteProtocolError, httpx.ReadError):
                pass
            after = client.get(url, headers=bearer(secret))
            assert after.status_code == 502, (after.status_code, after.text)
        serving = serve(id, LARGE, packages=UVICORN)
    # Clients that go away in the middle, in either direction.
    for number in range(40):
        with connect(url) as one:
            if number % 2:
                one.sendall(f"GET /down HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\n\r\n".encode())
                one.recv(1000)
            else:
                one.sendall(f"POST /up HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\nContent-Length: 9999999\r\n\r\nxxx".encode())
    eventually(lambda: len(os.listdir(f"/proc/{pid}/fd")) <= before + 2, "the end of what was opened")
    expect(call("POST", serving + "/signal", json={"signal": "KILL"}), 204)
    # One that goes as soon as somebody has come: nobody is told of an error of the service's.
    serve(id, HASTY)
    for _ in range(200):
        after = httpx.get(url, headers=bearer(secret), verify=False)
        assert after.status_code == 502, (after.status_code, after.text)


def command_line():
    """`cordon connect-token` prints an address to open."""
    id = echo_server()
    programs = os.environ["CORDON_PROGRAMS"]
    done = subprocess.run([programs + "/cordon", "connect-token", id, "--metadata", '{"a":2}', "--port", "8080", "--expires", "60"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    answer = expect_ok(httpx.get(done.stdout.strip()))
    assert json.loads(headers_of(answer)["x-verified-user-data"]) == {"a": 2}


def hosts(port):
    """With a host for each port of a sandbox, a token is good on its own host alone."""
    id, other = echo_server(), echo_server()
    secret, url = token(id)
    _, elsewhere = token(other)
    host, wrong = place(url)[0], place(elsewhere)[0]
    assert host == f"{id}-8080.sandboxes.test" and wrong != host, url

    def ask(name, *lines):
        with socket.create_connection(("127.0.0.1", int(port))) as connection:
            connection.sendall(f"GET / HTTP/1.1\r\nHost: {name}:{port}\r\n{''.join(lines)}\r\n".encode())
            return Answers(connection).next()[0]
    field = f"Authorization: Bearer {secret}\r\n"
    assert ask(host, field) == 200 and ask(host.upper(), field) == 200
    assert ask(wrong, field) == 421 and ask("127.0.0.1", field) == 421
    assert ask(wrong, f"Cookie: {SECRET_NAME}={secret}\r\n") == 421
    # A cookie for all hosts, set by a page elsewhere, is passed over.
    assert ask(host, f"Cookie: {SECRET_NAME}={token(other)[0]}; {SECRET_NAME}={secret}\r\n") == 200
    assert ask(host, field, "Service-Worker: script\r\n") == 200


run_check(globals())
