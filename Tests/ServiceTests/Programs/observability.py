"""What the service tells of itself: `/metrics`, as Prometheus' own parser reads it, and its log."""

import json
import os
import re
import time

import requests
from prometheus_client.parser import text_string_to_metric_families

from cordon_rest import URL, call, complete, create, ending, expect, run_check, same, start, terminate, whole


def scrape():
    """Every sample, by its name and labels; the parser refuses what isn't in the format."""
    answer = expect(call("GET", "/metrics"), 200)
    same(answer.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8", "the type")
    samples, families = {}, set()
    for family in text_string_to_metric_families(answer.text):
        assert family.documentation and family.type in ("counter", "gauge", "histogram"), family
        assert family.name not in families, f"{family.name} comes twice"
        families.add(family.name)
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in samples, f"{key} comes twice"
            samples[key] = sample.value
        if family.type == "histogram":
            holds_together(family)
    return samples, answer.text


def holds_together(family):
    """A histogram's buckets grow, and the last holds all."""
    series = {}
    for sample in family.samples:
        labels = tuple(sorted((k, v) for k, v in sample.labels.items() if k != "le"))
        series.setdefault(labels, {"buckets": []})
        if sample.name.endswith("_bucket"):
            series[labels]["buckets"].append((float(sample.labels["le"]), sample.value))
        else:
            series[labels][sample.name.rsplit("_", 1)[1]] = sample.value
    for labels, one in series.items():
        bounds, counts = zip(*one["buckets"])
        assert list(bounds) == sorted(bounds) and list(counts) == sorted(counts), (family.name, labels)
        same(bounds[-1], float("inf"), f"{family.name}'s last bound")
        same(counts[-1], one["count"], f"{family.name}'s count")


def value(samples, name, **labels):
    return samples.get((name, tuple(sorted(labels.items()))), 0)


def metrics():
    same(requests.get(URL + "/metrics", timeout=10).status_code, 401, "without a token")
    before, _ = scrape()
    box = create(name="name-of-mine", app="app-of-mine")
    exec = start(box["id"], "cat")
    expect(call("POST", exec + "/stdin?eof=true", data="x" * 1000, headers={"Content-Type": "application/octet-stream"}), 200)
    same(len(whole(exec)), 1000, "what came back")
    ending(exec)
    complete(box["id"], "sleep", "60", timeout_seconds=0.2)
    expect(call("POST", "/v1/sandboxes", json={"name": "name-of-mine", "app": "app-of-mine"}), 409)
    expect(call("GET", "/v1/nowhere/" + "x" * 50), 404)
    running, _ = scrape()
    same(value(running, "cordon_sandboxes", state="running"), 1, "running sandboxes")
    terminate(box["id"])
    after, text = scrape()

    def grown(name, **labels):
        return value(after, name, **labels) - value(before, name, **labels)

    same(grown("cordon_sandbox_creates_total", outcome="ok"), 1, "creates")
    same(grown("cordon_sandbox_creates_total", outcome="already_exists"), 1, "refused creates")
    same(grown("cordon_sandbox_create_duration_seconds_count"), 1, "create durations")
    same(grown("cordon_sandbox_endings_total", reason="terminated"), 1, "endings")
    same(grown("cordon_exec_starts_total"), 2, "execs")
    same(grown("cordon_exec_endings_total", reason="exited"), 1, "execs that exited")
    same(grown("cordon_exec_endings_total", reason="timed_out"), 1, "execs that timed out")
    same(grown("cordon_stdin_bytes_total"), 1000, "bytes of stdin")
    same(grown("cordon_output_bytes_total"), 1000, "bytes of output")
    same(grown("cordon_http_requests_total", route="/v1/sandboxes", method="POST", status="2xx"), 1, "requests")
    same(grown("cordon_http_requests_total", route="other", method="GET", status="4xx"), 1, "unknown routes")
    found = sum(grown("cordon_pool_launches_total", found=one) for one in ("prepared", "none"))
    same(found, 1, "launches")
    assert grown("cordon_database_commit_duration_seconds_count") >= 3, "commits"
    contract = requests.get(URL + "/openapi.yaml", timeout=10).text
    version = re.search(r"^  version: (\S+)$", contract, re.MULTILINE).group(1)
    same(value(after, "cordon_build_info", version=version), 1, "the contract's version")
    for name in ("process_resident_memory_bytes", "process_open_fds", "process_cpu_seconds_total", "cordon_http_connections"):
        assert value(after, name) > 0, name
    assert abs(value(after, "process_start_time_seconds") - time.time()) < 600, "start time"
    for private in (box["id"], "name-of-mine", "app-of-mine", os.environ["CORDON_TOKEN"].split(".")[0]):
        assert private not in text, f"{private} is in the metrics"


def public_metrics():
    same(requests.get(URL + "/metrics", timeout=10).status_code, 200, "without a token")


ENVIRONMENT_VALUE, STDIN, QUERY, ARGUMENT = "env-value-7391", "stdin-bytes-5512", "query-secret-9083", "argument-2247"


def busy():
    """Uses what is private in every way that a client can, right and wrong."""
    token = os.environ["CORDON_TOKEN"]
    box = create(name="box", env={"PRIVATE": ENVIRONMENT_VALUE}, argv=["sh", "-c", "cat; echo $PRIVATE"])
    exec = start(box["id"], "sh", "-c", "cat; echo " + ARGUMENT, env={"MORE": ENVIRONMENT_VALUE})
    raw = {"Content-Type": "application/octet-stream"}
    expect(call("POST", exec + "/stdin?eof=true", data=STDIN, headers=raw), 200)
    assert STDIN.encode() in whole(exec)
    for body in ("{\"env\": {\"A\": \"" + ENVIRONMENT_VALUE, json.dumps({"argv": [ARGUMENT], "env": [ENVIRONMENT_VALUE]})):
        expect(call("POST", f"/v1/sandboxes/{box['id']}/execs", data=body, headers={"Content-Type": "application/json"}), 400)
    expect(call("POST", f"/v1/sandboxes/{box['id']}/execs", json={"argv": ["/nonexistent/" + ARGUMENT], "env": {"P": ENVIRONMENT_VALUE}}), 400)
    expect(call("GET", f"/v1/sandboxes?token={QUERY}&unknown={token}"), 400)
    for wrong in (token[:-4] + "aaaa", "x" + token, token.split(".")[1]):
        same(requests.get(URL + "/v1/sandboxes", headers={"Authorization": "Bearer " + wrong}, timeout=10).status_code, 401, "a wrong token")
    main = f"/v1/sandboxes/{box['id']}"
    expect(call("POST", main + "/stdin?eof=true", data=STDIN, headers=raw), 200)
    assert STDIN.encode() in whole(main)
    named = expect(call("GET", f"/v1/sandboxes/{box['id']}", headers={"X-Request-Id": "my-request-17"}), 200)
    same(named.headers["X-Request-Id"], "my-request-17", "the request's id")
    terminate(box["id"])


def log_lines():
    path = os.path.join(os.path.dirname(os.environ["CORDON_DATA_DIR"]), "cordond.log")
    with open(path) as file:
        return file.read()


def private_log():
    """Nothing that a client keeps to itself is in the log, however much is logged."""
    busy()
    log = log_lines()
    secret = os.environ["CORDON_TOKEN"].split(".")[1]
    for private in (secret, secret[:-4], ENVIRONMENT_VALUE, STDIN, QUERY, ARGUMENT):
        assert private not in log, [line[:400] for line in log.splitlines() if private in line][:3]
    assert "my-request-17" in log, "requests are in the log"


def json_log():
    """Every line is an object; requests are in it with what they came to."""
    busy()
    lines = [json.loads(line) for line in log_lines().splitlines()]
    for line in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["time"]), line
        assert line["level"] and line["message"], line
    mine = [line for line in lines if line.get("request_id") == "my-request-17" and line["message"] == "request"]
    same(len(mine), 1, "lines of one request")
    same((mine[0]["method"], mine[0]["route"], mine[0]["status"]), ("GET", "/v1/sandboxes/{id}", 200), "what it came to")
    same(mine[0]["token_id"], os.environ["CORDON_TOKEN"].split(".")[0], "whose it was")
    assert mine[0]["bytes"] > 100 and mine[0]["milliseconds"] > 0, mine[0]


run_check(globals())
