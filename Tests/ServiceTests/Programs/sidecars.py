"""Sidecars: sandboxes in another one's network, which end with it at the latest."""

import os
import subprocess
import time

from cordon_rest import *

SERVER = """
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = open('/srv/answer', 'rb').read()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer(('127.0.0.1', 8000), Handler).serve_forever()
"""
FETCH = """
import sys, time, urllib.request
for _ in range(600):
    try:
        print(urllib.request.urlopen('http://127.0.0.1:8000/', timeout=10).read().decode(), end='')
        sys.exit(0)
    except OSError: time.sleep(0.1)
sys.exit(1)
"""


def sidecar(main, name, status=201, **spec):
    return expect(call("POST", f"/v1/sandboxes/{main}/sidecars", json={"name": name, **spec}), status).json()


def sidecars(main, **query):
    return expect(call("GET", f"/v1/sandboxes/{main}/sidecars", params=query), 200).json()["sandboxes"]


def shell(id, script):
    done = complete(id, "sh", "-euc", script)
    assert done["result"]["exit_code"] == 0, (script, done)
    return done["stdout"]


def serve(id, answer):
    shell(id, f"printf {answer} > /srv/answer")
    start(id, "python3", "-c", SERVER)


def cordon(*argv):
    environment = os.environ | {"CORDON_URL": URL}
    return subprocess.run([os.environ["CORDON_PROGRAMS"] + "/cordon", *argv], env=environment, capture_output=True,
                          text=True, check=True).stdout.strip()


def beside():
    main = create(app="tools", name="box", argv=["sleep", "3000"], timeout_seconds=600)
    id = main["id"]
    side = sidecar(id, "db", env={"WHO": "side"}, workdir="/srv", argv=["sleep", "1000"])
    same((side["sidecar_of"], side["app"], side["name"], side["state"]), (id, "tools", "db", "running"), "the sidecar")
    same(side["deadline"], sandbox(id)["deadline"], "its deadline")
    same([each["id"] for each in expect(call("GET", "/v1/sandboxes"), 200).json()["sandboxes"]], [id], "sandboxes")
    same([each["id"] for each in sidecars(id)], [side["id"]], "sidecars")

    # One network, and nothing else.
    serve(side["id"], "from-the-sidecar")
    same(complete(id, "python3", "-c", FETCH)["stdout"], "from-the-sidecar", "over localhost")
    same(shell(id, "readlink /proc/self/ns/net"), shell(side["id"], "readlink /proc/self/ns/net"), "the namespace")
    shell(id, "echo mine > /srv/mine; test ! -e /srv/answer")
    same(shell(side["id"], "test ! -e /srv/mine; echo $WHO; pwd"), "side\n/srv\n", "its own files")
    for mine, others in [(id, "sleep 1000"), (side["id"], "sleep 3000")]:
        seen = shell(mine, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
        assert others not in seen, seen
    done = complete(side["id"], "python3", "-c", "import socket; socket.socket(2, 2, 1); socket.socket().bind(('', 80))")
    same(done["result"]["exit_code"], 0, "ping and low ports")

    # Names.
    same(sidecar(id, "db", status=409)["sandbox_id"], side["id"], "a name that is taken")
    for body, field in [({"name": "main"}, "name"), ({}, "name"), ({"name": "x", "app": "a"}, "app"),
                        ({"name": "x", "block_network": True}, "block_network"),
                        ({"name": "x", "encrypted_ports": [1]}, "encrypted_ports")]:
        refused = expect(call("POST", f"/v1/sandboxes/{id}/sidecars", json=body), 400).json()
        same(refused["field"], field, f"{body}")
    same(sidecar(side["id"], "x", status=409)["code"], "failed_precondition", "a sidecar of a sidecar")
    expect(call("PUT", f"/v1/sandboxes/{side['id']}/network", json={"block_network": True}), 409)
    same(terminate(side["id"])["result"]["reason"], "terminated", "its end")
    again = cordon("create", "--sidecar-of", "tools/box", "--name", "db")
    same([each["id"] for each in sidecars(id, name="db")], [again, side["id"]], "both of that name")
    same(cordon("ls", "-q", "--sidecars-of", id), again, "those that run")
    same(sandbox(id)["state"], "running", "the sandbox itself")

    # A main command's end is a sidecar's own; the sandbox's end is both's.
    brief = sidecar(id, "brief", argv=["sh", "-c", "exit 42"])
    same(ending(f"/v1/sandboxes/{brief['id']}")["exit_code"], 42, "its own end")
    terminate(id)
    same({each["name"]: each["result"]["reason"] for each in sidecars(id, state="ended")},
         {"db": "terminated", "brief": "exited"}, "after the sandbox's end")
    same(sidecar(id, "late", status=409)["code"], "failed_precondition", "too late")


def begin():
    main = create(argv=["sleep", "3000"], timeout_seconds=3000)
    side = sidecar(main["id"], "db")
    serve(side["id"], "before")
    print(main["id"])
    print(side["id"])


def go_on(main, side):
    same(patiently("GET", f"/v1/sandboxes/{side}").json()["sidecar_of"], main, "after the kill")
    shell(side, "printf after > /srv/answer")
    same(complete(main, "python3", "-c", FETCH)["stdout"], "after", "its server")
    expect(call("PUT", f"/v1/sandboxes/{side}/network", json={"block_network": True}), 409)
    other = sidecar(main, "other")
    same(complete(other["id"], "python3", "-c", FETCH)["stdout"], "after", "one that came later")


def over(main, side):
    same(ending(f"/v1/sandboxes/{main}")["reason"], "supervisor_lost", "the sandbox")
    for each in sidecars(main):
        result = ending(f"/v1/sandboxes/{each['id']}")
        same((result["reason"], "sidecar" in result["detail"]), ("terminated", True), each["name"])


def network():
    main = create(timeout_seconds=600)
    side = sidecar(main["id"], "db")
    same(side["block_network"], False, "as its sandbox")
    addresses = "ip -o -4 address show | awk '{print $4}'; cat /proc/net/dev | cut -d: -f1 | tail -n +3"
    same(shell(side["id"], addresses), shell(main["id"], addresses), "interfaces")
    expect(call("PUT", f"/v1/sandboxes/{main['id']}/network", json={"block_network": True}), 200)
    same(sandbox(side["id"])["block_network"], True, "after the change")
    terminate(side["id"])
    expect(call("PUT", f"/v1/sandboxes/{main['id']}/network", json={}), 200)
    shell(main["id"], "grep -q eth0 /proc/net/dev")


if __name__ == "__main__":
    run_check({check.__name__: check for check in [beside, begin, go_on, over, network]})
