"""Bad input: one clear problem document that names the field, and nothing has changed."""

import json
import os
import socket

from cordon_rest import *

MISSING = "/v1/sandboxes/sb-" + "0" * 26


def refused(method, path, status, field, **arguments):
    answer = call(method, path, **arguments)
    what = f"{method} {path[:80]} {str(arguments)[:120]}"
    same(answer.status_code, status, f"{what}: {answer.text[:300]}")
    same(answer.headers["Content-Type"], "application/problem+json", what)
    problem = answer.json()
    same((problem["status"], problem.get("field")), (status, field), f"{what}: {problem}")
    same(problem["type"], "urn:cordon:error:" + problem["code"], what)
    same(problem["request_id"], answer.headers["X-Request-Id"], what)
    assert problem["title"] and problem["detail"], problem
    return problem


def everything():
    """What there is: sandboxes, and execs of the one that runs."""
    sandboxes = call("GET", "/v1/sandboxes?limit=1000").json()["sandboxes"]
    return [(s["id"], s["state"], s["tags"], s.get("deadline"),
             len(call("GET", f"/v1/sandboxes/{s['id']}/execs").json()["execs"])) for s in sandboxes]


def creates():
    create(app="bad-input", name="taken")
    before = everything()
    for spec, field in [
        ({"nope": 1}, "nope"), ({"cpu": {"cores": 1}}, "cpu.cores"), ({"name": 5}, "name"), ({"name": "a b"}, "name"),
        ({"name": ""}, "name"), ({"name": "x" * 64}, "name"), ({"name": ".x"}, "name"), ({"name": "ü"}, "name"),
        ({"app": "a/b"}, "app"), ({"tags": {"a": 1}}, "tags.a"), ({"tags": {"a": "x" * 257}}, "tags.a"),
        ({"tags": {str(n): "" for n in range(51)}}, "tags"), ({"tags": {"x" * 64: ""}}, "tags"), ({"tags": {"a": "\n"}}, "tags.a"),
        ({"argv": "ls"}, "argv"), ({"argv": ["echo", "a\0b"]}, "argv[1]"), ({"argv": ["echo", "x" * (128 << 10)]}, "argv"),
        ({"argv": [""]}, "argv"), ({"argv": ["x"] * 4097}, "argv"), ({"workdir": "tmp"}, "workdir"),
        ({"workdir": "/" + "x" * 4095}, "workdir"), ({"workdir": "/a\0b"}, "workdir"), ({"env": {"A=B": "x"}}, "env"),
        ({"env": {"CORDON_URL": "x"}}, "env.CORDON_URL"), ({"env": {"A": "\0"}}, "env.A"), ({"env": {"A": "x" * (128 << 10)}}, "env"),
        ({"timeout_seconds": 0}, "timeout_seconds"), ({"timeout_seconds": 86401}, "timeout_seconds"),
        ({"timeout_seconds": "5"}, "timeout_seconds"), ({"idle_timeout_seconds": -1}, "idle_timeout_seconds"),
        ({"memory_mib": {"limit": 3}}, "memory_mib.limit"), ({"memory_mib": 64}, "memory_mib"), ({"pids_limit": 1}, "pids_limit"),
        ({"policy": "lax"}, "policy"), ({"argv": ["/no/such/program"]}, "argv[0]"), ({"argv": ["true"], "workdir": "/no/such"}, "workdir"),
    ]:
        refused("POST", "/v1/sandboxes", 400, field, json=spec)
    refused("POST", "/v1/sandboxes", 409, "name", json={"app": "bad-input", "name": "taken"})
    for body, field in [(b"", "body"), (b"{", "body"), (b"[]", "body"), (b"{}{}", "body"), (b'{"app": "\xff"}', "body"),
                        (b'{"app": "a", "app": "b"}', "body"), (b"[" * 100_000, "body")]:
        refused("POST", "/v1/sandboxes", 400, field, data=body, headers={"Content-Type": "application/json"})
    refused("POST", "/v1/sandboxes", 413, "body", json={"name": "x" * (1 << 20)})
    refused("POST", "/v1/sandboxes", 413, "body", data=iter([b" " * 65536] * 20), headers={"Content-Type": "application/json"})
    refused("POST", "/v1/sandboxes", 415, "Content-Type", data=b"{}", headers={"Content-Type": "text/plain"})
    refused("POST", "/v1/sandboxes", 400, "Idempotency-Key", json={}, headers={"Idempotency-Key": "a b"})
    refused("POST", "/v1/sandboxes", 501, "runtime", json={"runtime": "other"})
    refused("POST", "/v1/sandboxes", 404, "image", json={"image": "other"})
    refused("POST", "/v1/sandboxes", 400, "image", json={"image": "Other"})
    same(everything(), before, "what there is")


def execs_and_streams():
    id = create()["id"]
    path = f"/v1/sandboxes/{id}/execs"
    exec = start(id, "cat")
    before = everything()
    for spec, field in [
        ({}, "argv"), ({"argv": []}, "argv"), ({"argv": ["a\0"]}, "argv[0]"), ({"argv": ["x" * (128 << 10)]}, "argv"),
        ({"argv": ["true"], "workdir": "."}, "workdir"), ({"argv": ["true"], "workdir": "/nowhere"}, "workdir"),
        ({"argv": ["true"], "user": "who"}, "user"), ({"argv": ["true"], "user": "70000"}, "user"), ({"argv": ["true"], "user": "root:who"}, "user"),
        ({"argv": ["not-there"]}, "argv[0]"), ({"argv": ["true"], "exec_id": "a/b"}, "exec_id"), ({"argv": ["true"], "exec_id": "main"}, "exec_id"),
        ({"argv": ["true"], "timeout_seconds": 0}, "timeout_seconds"), ({"argv": ["true"], "on_full": "x"}, "on_full"),
        ({"argv": ["true"], "stdin": "x"}, "stdin"), ({"argv": ["true"], "wait": True, "stdin_base64": "?"}, "stdin_base64"),
        ({"argv": ["true"], "more": 1}, "more"),
    ]:
        refused("POST", path, 400, field, json=spec)
    for query, field in [("offset=-1", "offset"), ("offset=x", "offset"), ("follow=2", "follow"), ("limit=0", "limit"), ("x=y", "x")]:
        refused("GET", f"{exec}/stdout?{query}", 400, field)
    refused("GET", exec + "/stdout?offset=1", 416, "offset")
    refused("POST", exec + "/stdin?offset=1", 409, "offset", data=b"x", headers={"Content-Type": "application/octet-stream"})
    refused("POST", exec + "/stdin", 415, "Content-Type", json={})
    refused("GET", exec + "/logs?since=now", 400, "since")
    refused("GET", exec + "/wait?timeout_seconds=61", 400, "timeout_seconds")
    for number in (0, 65, "SIGNOPE", None):
        refused("POST", exec + "/signal", 400, "signal", json={"signal": number})
    refused("PATCH", f"/v1/sandboxes/{id}", 400, "body", json={})
    refused("PATCH", f"/v1/sandboxes/{id}", 400, "timeout_seconds", json={"timeout_seconds": 0})
    refused("PUT", f"/v1/sandboxes/{id}/tags", 400, "tags", json={})
    same(everything(), before, "what there is")


def things_that_are_not_there():
    id = create()["id"]
    for method, path, status, field in [
        ("GET", MISSING, 404, "id"), ("DELETE", MISSING, 404, "id"), ("GET", MISSING + "/events", 404, "id"),
        ("GET", MISSING + "/wait", 404, "id"), ("GET", "/v1/sandboxes/short", 404, "id"), ("GET", "/v1/sandboxes/SB-" + "0" * 26, 404, "id"),
        ("GET", f"/v1/sandboxes/{id}/execs/ex-none", 404, "exec_id"), ("GET", f"/v1/sandboxes/{id}/execs/ex-none/stdout", 404, "exec_id"),
        ("GET", f"/v1/sandboxes/{id}/stdout", 404, "exec_id"), ("GET", "/v1/apps/default/sandboxes/none", 404, "name"),
        ("GET", "/v1/none", 404, "path"), ("PUT", "/v1/sandboxes", 405, "method"),
        ("GET", "/v1/sandboxes?limit=1001", 400, "limit"), ("GET", "/v1/sandboxes?state=dead", 400, "state"),
        ("GET", "/v1/sandboxes?tag=x", 400, "tag"), ("GET", "/v1/sandboxes?cursor=x", 400, "cursor"), ("GET", "/v1/sandboxes?colour=red", 400, "colour"),
    ]:
        refused(method, path, status, field)
    refused("POST", MISSING + "/execs", 404, "id", json={"argv": ["true"]})


def tokens():
    before = everything()
    id, secret = os.environ["CORDON_TOKEN"].split(".", 1)
    for token in [None, "", "Bearer", "Bearer x.y", f"Bearer {id}.wrong", f"Bearer {id}", f"Bearer tk-other.{secret}",
                  f"Basic {id}.{secret}", f"Bearer {id}.{secret}x", f"Bearer {id}.{secret} x"]:
        for method, path in [("GET", "/v1/sandboxes"), ("POST", "/v1/sandboxes"), ("GET", MISSING), ("GET", "/v1/none")]:
            answer = requests.request(method, URL + path, headers={} if token is None else {"Authorization": token}, timeout=60)
            same((answer.status_code, answer.json()["code"]), (401, "unauthenticated"), f"{method} {path} {token}")
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    for path in ("/healthz", "/readyz", "/openapi.yaml"):
        same(requests.get(URL + path, timeout=60).status_code, 200, path)
    same(everything(), before, "what there is")


def clients_that_vanish():
    """In the middle of a head, a body, an answer, a wait: what they began ends or goes on, others don't notice."""
    host, port = URL.split("//")[1].split(":")
    head = f"Host: x\r\nAuthorization: Bearer {os.environ['CORDON_TOKEN']}\r\n"
    id = create()["id"]
    exec = start(id, "sh", "-c", "while :; do echo endless; done")
    cat = start(id, "cat")
    before = everything()
    pieces = [
        "GET /v1/sandb", "GET /v1/sandboxes HTTP/1.1\r\nHost: x\r\nAuth", f"POST /v1/sandboxes HTTP/1.1\r\n{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{\"na",
        f"GET {exec}/stdout?follow=true HTTP/1.1\r\n{head}\r\n", f"GET {exec}/wait HTTP/1.1\r\n{head}\r\n",
        f"GET /v1/sandboxes/{id}/events?follow=true HTTP/1.1\r\n{head}\r\n",
        f"POST {cat}/stdin HTTP/1.1\r\n{head}Content-Type: application/octet-stream\r\nContent-Length: 1000\r\n\r\nhalf",
        f"POST {cat}/stdin?eof=true HTTP/1.1\r\n{head}Content-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "\x00\x01\x02\x03\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
    ]
    for round in range(10):
        for piece in pieces:
            with socket.create_connection((host, int(port))) as connection:
                connection.sendall(piece.encode())
                if round % 2:
                    time.sleep(0.01)
    same(everything(), before, "what there is")
    state = call("GET", cat + "/stdin").json()
    assert not state["closed"], "an EOF behind a body that broke off is no EOF"
    same(complete(id, "echo", "fine")["stdout"], "fine\n")


run_check(globals())
