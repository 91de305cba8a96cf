"""A registry with a will of its own: registry.py LAYOUT HOW; prints its port.

It serves an OCI layout's image of each name, and asks for a token that it gives to whoever has the password.
HOW: `whole` serves; `broken` breaks off in the middle of each large blob until it is asked for the rest; `wrong`
changes a byte; `elsewhere` sends blobs from another server, which refuses whoever shows it credentials; `tls` serves
over TLS as `127.1`, a name of the loopback's that isn't taken for one, with a certificate of its own beside the layout.
"""
import base64, json, os, ssl, subprocess, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

layout, how = sys.argv[1:]
index = {m["annotations"]["org.opencontainers.image.ref.name"]: m for m in
         json.load(open(f"{layout}/index.json"))["manifests"]}
basic = "Basic " + base64.b64encode(b"user:password").decode()


def content(digest):
    path = f"{layout}/blobs/sha256/{digest.removeprefix('sha256:')}"
    return open(path, "rb").read() if os.path.exists(path) else None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **fields):
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        authorization = self.headers.get("Authorization")
        if self.path.startswith("/token?"):
            if authorization != basic or "repository%3Aapp%3Apull" not in self.path.replace(":", "%3A"):
                return self.answer(401)
            return self.answer(200, json.dumps({"token": "secret"}).encode())
        if authorization != "Bearer secret":
            place = "https://127.1" if how == "tls" else "http://127.0.0.1"
            realm = f"{place}:{self.server.server_port}/token"
            return self.answer(401, WWW_Authenticate=f'Bearer realm="{realm}",service="r",scope="repository:app:pull"')
        kind, name = self.path.removeprefix("/v2/app/").split("/")
        if kind == "manifests":
            found = index.get(name)
            if found is None:
                return self.answer(404)
            return self.answer(200, content(found["digest"]), Content_Type=found["mediaType"])
        if how == "elsewhere":
            return self.answer(307, Location=f"http://127.0.0.1:{other.server_port}/{name}")
        self.blob(content(name))

    def blob(self, body):
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        if how == "wrong" and len(body) > 1 << 20:
            body = body[:-1] + bytes([body[-1] ^ 1])
        status = 206 if start else 200
        if how == "broken" and len(body) > 1 << 20 and start < 2 << 20:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            self.wfile.write(body[start:start + (1 << 20) + 7])
            self.close_connection = True
            return
        self.answer(status, body[start:])


class Elsewhere(Handler):
    def do_GET(self):
        if self.headers.get("Authorization"):
            return self.answer(403)
        self.blob(content(self.path[1:]))


other = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
threading.Thread(target=other.serve_forever, daemon=True).start()
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
if how == "tls":
    certificate = layout + ".pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=registry", "-addext", "subjectAltName=DNS:127.1", "-keyout", certificate + ".key",
                    "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate + ".key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
# Nobody is left to end it when the tests are killed.
tests = os.getppid()
while os.getppid() == tests:
    time.sleep(0.5)
