"""Cloud buckets: a small S3 service of one's own, which takes requests with one key alone."""

import http.server
import threading
import urllib.parse
import uuid
from xml.sax.saxutils import escape

import modal
from modal.exception import Error
from sdk import main, run, same, sandbox

KEYS = {"AWS_ACCESS_KEY_ID": "AKIDOFTHESDK", "AWS_SECRET_ACCESS_KEY": "secret"}
OBJECTS = {"one": b"1\n", "in/two": b"2\n"}
STAMP = "2024-01-01T00:00:00.000Z"


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", kind="application/xml", length=None):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
        self.send_header("ETag", '"0"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        _, bucket, *rest = urllib.parse.unquote(url.path).split("/", 2)
        key = rest[0] if rest else ""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "Credential=AKIDOFTHESDK/" not in self.headers.get("Authorization", ""):
            return self.answer(403, b"<Error><Code>InvalidAccessKeyId</Code><Message>no</Message></Error>")
        if bucket != "data":
            return self.answer(404, b"<Error><Code>NoSuchBucket</Code><Message>no</Message></Error>")
        if self.command == "PUT":
            OBJECTS[key] = body
            return self.answer(200)
        if key:
            found = OBJECTS.get(key)
            if found is None:
                return self.answer(404, b"<Error><Code>NoSuchKey</Code><Message>no</Message></Error>")
            return self.answer(200, found, "application/octet-stream")
        prefix = query.get("prefix", "")
        keys = sorted(key for key in OBJECTS if key.startswith(prefix))
        files = [key for key in keys if "/" not in key[len(prefix):]]
        folders = sorted({prefix + key[len(prefix):].split("/")[0] + "/" for key in keys if key not in files})
        listed = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(OBJECTS[key])}</Size><LastModified>{STAMP}</LastModified>"
            f"<ETag>0</ETag></Contents>" for key in files)
        listed += "".join(f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>" for folder in folders)
        self.answer(200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{listed}</ListBucketResult>".encode())

    do_HEAD = do_PUT = do_GET


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()


def bucket(name="data", keys=KEYS, **more):
    return modal.CloudBucketMount(
        bucket_name=name, bucket_endpoint_url=f"http://127.0.0.1:{server.server_port}", force_path_style=True,
        secret=keys if isinstance(keys, modal.Secret) else modal.Secret.from_dict(keys), **more)


def check_read_and_write():
    with sandbox(volumes={"/b": bucket(), "/in": bucket(key_prefix="in/", read_only=True)}) as box:
        same(run(box, "cat", "/b/one", "/in/two"), "1\n2\n")
        run(box, "sh", "-c", "echo made > /b/made")
        same(OBJECTS["made"], b"made\n")
        assert "AWS_" not in run(box, "env")
        process = box.exec("sh", "-c", "echo x > /in/x")
        assert process.wait() != 0 and "ead-only" in process.stderr.read()


def check_named_secret():
    name = f"keys-{uuid.uuid4().hex[:8]}"
    modal.Secret.objects.create(name, KEYS)
    with sandbox(volumes={"/b": bucket(keys=modal.Secret.from_name(name))}) as box:
        same(run(box, "cat", "/b/one"), "1\n")


def check_what_cannot_be_is_refused():
    for wrong, words in [
        (bucket(keys={**KEYS, "AWS_ACCESS_KEY_ID": "OTHER"}), "refuses access"), (bucket("none"), "no such bucket"),
        (bucket(oidc_auth_role_arn="arn:x"), "oidc_auth_role_arn"),
    ]:
        try:
            with sandbox(volumes={"/b": wrong}):
                raise AssertionError("it was made")
        except Error as error:
            assert words in str(error), error


if __name__ == "__main__":
    main(globals())
