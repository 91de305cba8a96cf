"""Snapshots of file systems and directories, images in running sandboxes, and what leads into a sandbox."""

import json
import ssl
import socket
import urllib.request

import modal
from modal.exception import InvalidError, NotFoundError
from sdk import OLD, V2, host, main, raises, run, same, sandbox, until


def check_file_system():
    with sandbox() as box:
        run(box, "sh", "-c", "mkdir /d; echo one > /d/x")
        image = box.snapshot_filesystem()
        run(box, "sh", "-c", "echo two > /d/x")
    for _ in range(2):
        with sandbox(image=image) as branch:
            same(run(branch, "cat", "/d/x"), "one\n")
            run(branch, "sh", "-c", "echo other > /d/x")


def check_directory_new():
    with sandbox() as box:
        run(box, "sh", "-c", "mkdir -p /work/deep; echo kept > /work/deep/x; echo not > /outside")
        image = box.snapshot_directory("/work")
    with sandbox() as other:
        other.mount_image("/mounted", image)
        same(run(other, "cat", "/mounted/deep/x"), "kept\n")
        run(other, "sh", "-c", "echo more > /mounted/y")
        other.unmount_image("/mounted")
        with raises(InvalidError):
            other.mount_image("relative", image)


def check_images_over_directories_new():
    with sandbox() as box:
        run(box, "sh", "-c", "mkdir /under; echo under > /under/x; mkdir /saved; echo saved > /saved/y")
        image = box.snapshot_directory("/saved")
        # An image over a directory that has something: it shows, and then what was under it again.
        box.mount_image("/under", image)
        same(run(box, "ls", "/under"), "y\n")
        box.unmount_image("/under")
        same(run(box, "cat", "/under/x"), "under\n")
        # Nothing, to begin with; and a chain of what was written into it.
        box.mount_image("/empty", modal.Image.from_scratch())
        same(run(box, "sh", "-c", "ls -A /empty; echo first > /empty/1"), "")
        first = box.snapshot_directory("/empty")
        run(box, "sh", "-c", "echo second > /empty/2")
        second = box.snapshot_directory("/empty")
        box.mount_image("/by/id", modal.Image.from_id(first.object_id))
        same(run(box, "ls", "/by/id"), "1\n")
        for path in ("relative", "/"):
            with raises(InvalidError):
                box.mount_image(path, image)
        with raises(InvalidError):
            box.unmount_image("relative")
        with raises((InvalidError, NotFoundError)):
            box.unmount_image("/not/mounted")
        with raises(Exception):
            box.mount_image("/never", modal.Image.from_registry("host").run_commands("true"))
        with raises(TypeError):
            box.mount_image("/never", "im-text")
        with raises(NotFoundError):
            box.snapshot_directory("/not/there")
    with sandbox() as other:
        other.mount_image("/chain", second)
        same(run(other, "sh", "-c", "cat /chain/1 /chain/2"), "first\nsecond\n")


def check_how_long_snapshots_are_kept_new():
    with sandbox() as box:
        run(box, "mkdir", "/d")
        for ttl in (None, 60, 30 * 24 * 3600):
            assert box.snapshot_filesystem(ttl=ttl).object_id.startswith("im-")
            assert box.snapshot_directory("/d", ttl=ttl).object_id.startswith("im-")
        for ttl in (0, -1):
            with raises(InvalidError):
                box.snapshot_filesystem(ttl=ttl)
            with raises(InvalidError):
                box.snapshot_directory("/d", ttl=ttl)
        same(len({box.snapshot_filesystem().object_id for _ in range(2)}), 2, "two snapshots are two images")


def check_snapshot_has_a_name_v2():
    with sandbox() as box:
        run(box, "sh", "-c", "echo named > /named")
        box.snapshot_filesystem().publish("checks-snapshot")
    with sandbox(image=modal.Image.from_name("checks-snapshot")) as branch:
        same(run(branch, "cat", "/named"), "named\n")


def check_tunnels():
    server = "import http.server\nhttp.server.test(http.server.SimpleHTTPRequestHandler, port={}, bind='127.0.0.1')"
    with sandbox("python3", "-c", server.format(8000), workdir="/tmp", encrypted_ports=[8443], unencrypted_ports=[8000]) as box:
        tunnels = box.tunnels()
        same(sorted(tunnels), [8000, 8443])
        place = tunnels[8000].tcp_socket
        assert tunnels[8443].url.startswith("https://")
        with raises(InvalidError):
            tunnels[8443].tcp_socket

        def answer():
            try:
                with urllib.request.urlopen(f"http://{place[0]}:{place[1]}/", timeout=10) as got:
                    return got.status
            except OSError:
                return None

        same(until(answer, "an answer through the tunnel"), 200)


def check_connect_token():
    server = ("import http.server\nclass H(http.server.BaseHTTPRequestHandler):\n def do_GET(self):\n"
              "  b=(self.headers.get('X-Verified-User-Data') or '').encode()\n  self.send_response(200)\n"
              "  self.send_header('Content-Length',str(len(b)))\n  self.end_headers()\n  self.wfile.write(b)\n"
              "http.server.HTTPServer(('127.0.0.1',8080),H).serve_forever()")
    with sandbox("python3", "-c", server) as box:
        token = box.create_connect_token(user_metadata={"user": "you"})

        def answer():
            request = urllib.request.Request(token.url, headers={"Authorization": f"Bearer {token.token}"})
            try:
                with urllib.request.urlopen(request, timeout=10, context=trusting()) as got:
                    return got.read().decode()
            except OSError:
                return None

        same(json.loads(until(answer, "an answer through the connect proxy")), {"user": "you"})


def trusting():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def check_readiness_new():
    probe = modal.Probe.with_exec("test", "-e", "/ready", interval_ms=50)
    with sandbox("sh", "-c", "sleep 0.3; touch /ready; sleep 1000", readiness_probe=probe) as box:
        box.wait_until_ready(timeout=60)
        run(box, "test", "-e", "/ready")
    with sandbox("sleep", "1000", readiness_probe=modal.Probe.with_exec("false")) as box:
        with raises((TimeoutError, modal.exception.TimeoutError)):
            box.wait_until_ready(timeout=2)
    server = "import socket,time\ntime.sleep(0.3)\ns=socket.create_server(('127.0.0.1',8000))\nwhile True: s.accept()"
    with sandbox("python3", "-c", server, readiness_probe=modal.Probe.with_tcp(8000, interval_ms=50)) as box:
        box.wait_until_ready(timeout=60)
    with sandbox("true", readiness_probe=modal.Probe.with_exec("false")) as box:
        with raises(InvalidError):
            box.wait_until_ready(timeout=60)
    with sandbox() as box:
        with raises(InvalidError, "readiness probe"):
            box.wait_until_ready(timeout=60)


if __name__ == "__main__":
    main(globals())
