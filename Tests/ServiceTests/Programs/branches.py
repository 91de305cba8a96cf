"""A command in several copies of a sandbox."""

import base64
import json
import os
import subprocess
import time
import uuid

from cordon_rest import *


def branch(id, status=200, key=None, **order):
    headers = {"Idempotency-Key": key} if key else {}
    return expect(call("POST", f"/v1/sandboxes/{id}/branches", json=order, headers=headers), status).json()


def shell(id, script):
    done = complete(id, "sh", "-euc", script)
    assert done["result"]["exit_code"] == 0, (script, done)
    return done["stdout"]


def sandbox(id):
    return expect(call("GET", f"/v1/sandboxes/{id}"), 200).json()


def running():
    return {box["id"] for box in expect(call("GET", "/v1/sandboxes", params={"state": "running", "limit": 1000}), 200).json()["sandboxes"]}


def changes_of(made):
    return [(change["kind"], change["path"]) for change in made["changes"]]


def all_of_them():
    id = create(env={"GREETING": "hello"}, workdir="/srv", memory_mib={"request": 64, "limit": 200}, secrets=[{"env": {"KEY": "sesame"}}])["id"]
    shell(id, "echo base > note; echo old > old")
    lines = []
    with session().post(URL + f"/v1/sandboxes/{id}/branches", stream=True, timeout=300, headers={"Accept": "application/x-ndjson"}, json={
        "count": 8, "env": {"E": "env"}, "argv": ["sh", "-c", "cat note; echo $GREETING $CORDON_BRANCH $KEY $E; echo {i} > own-{i}; echo more >> note; "
                                  "[ {i} != 3 ] || rm old; echo err >&2; exit $(({i} % 2))"]}) as answer:
        same(answer.status_code, 200, answer.text if answer.status_code != 200 else "")
        for line in answer.iter_lines():
            lines.append(json.loads(line))
    events = [line["event"] for line in lines if line["event"] != "heartbeat"]
    same((events[0], events[-1], events.count("started"), events.count("ended")), ("snapshot", "result", 8, 8), events)
    result = lines[-1]["result"]
    same([made["number"] for made in result["branches"]], list(range(1, 9)), "numbers")
    for made in result["branches"]:
        number = made["number"]
        same((made["exit_code"], made["stdout"], made["stderr"], made["kept"]),
             (number % 2, f"base\nhello {number} sesame env\n", "err\n", False), number)
        wanted = [("modified", "/srv/note")] + ([("removed", "/srv/old")] if number == 3 else []) + [("added", f"/srv/own-{number}")]
        same([change for change in changes_of(made) if change[1].startswith("/srv/")], wanted, f"what {number} changed")
        assert all(path.split("/")[1] in ("srv", "tmp", "run", "var") for _, path in changes_of(made)), changes_of(made)
        state = sandbox(made["sandbox_id"])
        same((state["state"], state["memory_mib"]["limit"], state["workdir"]), ("ended", 200, "/srv"), "its sandbox")
        same(call("GET", f"/v1/sandboxes/{made['sandbox_id']}/execs/run/stdout").text, made["stdout"], "the whole output")
    assert result["winner"] in (2, 4, 6, 8), result["winner"]
    # The parent goes on as it was.
    same(shell(id, "cat note; ls"), "base\nnote\nold\n", "the parent")
    same(running(), {id}, "what runs")
    image = expect(call("GET", f"/v1/images/{result['image_id']}"), 200).json()
    assert image["sandbox_id"] == id and image["expires_at"], image
    # Of much the end is told, whole characters or base64, and the first of the changes.
    script = "yes ü | head -c 29999; head -c 20000 /dev/zero | tr '\\0' '\\377' >&2; seq 300 | xargs touch"
    made = branch(id, count=1, argv=["sh", "-c", script])["branches"][0]
    same((made["stdout"], made["stdout_bytes"]), ("\n" + "ü\n" * 5460 + "ü", 29999), "the end of stdout")
    same((base64.b64decode(made["stderr_base64"]), made["stderr_bytes"]), (b"\xff" * 16384, 20000), "the end of stderr")
    same((len(made["changes"]), made["changes_truncated"]), (200, True), "the first of the changes")


def first_success():
    id = create(timeout_seconds=500)["id"]
    began = time.monotonic()
    made = branch(id, count=6, until="first_success", winners="keep", timeout_seconds=200,
                  argv=["sh", "-c", "[ {i} = 4 ] || [ {i} = 2 ] || exec sleep 190; [ {i} = 4 ] && exit 0; exit 7"])
    assert time.monotonic() - began < 150, "the others were waited for"
    same(made["winner"], 4, "the winner")
    kept = [one["sandbox_id"] for one in made["branches"] if one["kept"]]
    same([one["number"] for one in made["branches"] if one["kept"]], [4], "who goes on")
    for one in made["branches"]:
        if one["number"] == 4:
            same(one["exit_code"], 0, "the winner")
        elif one["number"] != 2:
            assert "exit_code" not in one and one["result"]["reason"] in ("terminated", "signalled"), one
    same(running(), {id, kept[0]}, "what runs")
    winner = sandbox(kept[0])
    assert winner["timeout_seconds"] >= 500, winner
    same(complete(kept[0], "echo", "on")["stdout"], "on\n", "it is like any other")


def snapshots():
    id = create()["id"]
    key = str(uuid.uuid4())
    order = {"count": 3, "winners": "snapshot", "argv": ["sh", "-c", "echo {i} > /srv/n; exit $(({i} == 2))"]}
    made = branch(id, key=key, **order)
    images = {one["number"]: one.get("image_id") for one in made["branches"]}
    assert images[1] and images[3] and not images[2] and images[1] != images[3], images
    for number in (1, 3):
        same(shell(create(image=images[number])["id"], "cat /srv/n"), f"{number}\n", "a branch's image")
        same(expect(call("GET", f"/v1/images/{images[number]}"), 200).json()["parent"], made["image_id"], "its parent")
    # A repeat is the same, but for what nobody can look at any more.
    again = branch(id, key=key, **order)
    for one in made["branches"]:
        one.pop("changes"), one.pop("changes_truncated")
    same({**again, "winner": 0}, {**made, "winner": 0}, "a repeat")
    same(branch(id, status=409, key=key, **{**order, "count": 2})["code"], "failed_precondition", "another request")


def command_line_table():
    id = create(name="parent")["id"]
    cordon = os.path.join(os.environ["CORDON_PROGRAMS"], "cordon")

    def run(*arguments, status):
        ran = subprocess.run([cordon, "branch", *arguments], capture_output=True, text=True)
        same(ran.returncode, status, ran)
        return ran.stdout.splitlines()

    lines = run("-n", "3", "parent", "--", "sh", "-c", "echo line {i}; touch /srv/a /srv/b", status=0)
    same([line.split()[0].rstrip("*") for line in lines[1:4]], ["1", "2", "3"], lines)
    assert all(" exit 0 " in line for line in lines[1:4]) and "3: line 3" in lines, lines
    lines = run("-n", "2", "--keep", "parent", "--", "sh", "-c", "exit $(({i} - 1))", status=1)
    assert "goes on" in lines[1] and "goes on" not in lines[2], lines
    lines = run("-n", "2", "--first-success", "--json", "parent", "--", "sh", "-c", "exit $(({i} - 1))", status=0)
    same(json.loads("\n".join(lines))["winner"], 1, "JSON")
    run("-n", "2", "parent", "--", "false", status=1)
    run("-n", "2", "--keep", "--snapshot", "parent", "--", "true", status=64)


def refusals():
    id = create()["id"]
    for order, field in [
        ({}, "count"), ({"count": 0}, "count"), ({"count": 65}, "count"), ({"count": 1.5}, "count"), ({"count": 1}, "argv"),
        ({"count": 1, "argv": []}, "argv"), ({"count": 1, "argv": ["x"], "until": "never"}, "until"),
        ({"count": 1, "argv": ["x"], "winners": "win"}, "winners"), ({"count": 1, "argv": ["x"], "timeout_seconds": 0}, "timeout_seconds"),
        ({"count": 1, "argv": ["x"], "env": {"CORDON_X": "1"}}, "env.CORDON_X"), ({"count": 1, "argv": ["x"], "workdir": "a"}, "workdir"),
    ]:
        same(branch(id, status=400, **order)["field"], field, order)
    # A program that isn't there is each branch's result.
    made = branch(id, count=2, argv=["/no/such/program"])
    same([one["result"]["reason"] for one in made["branches"]], ["failed_to_start"] * 2, made)
    # Whoever leaves ends what was begun.
    import requests
    try:
        session().post(URL + f"/v1/sandboxes/{id}/branches", json={"count": 3, "argv": ["sleep", "600"]}, timeout=(5, 1.5))
        raise AssertionError("it was answered")
    except requests.exceptions.ReadTimeout:
        session().close()
    for _ in range(600):
        if running() == {id}:
            break
        time.sleep(0.1)
    same(running(), {id}, "what runs after the client left")
    terminate(id)
    same(branch(id, status=409, count=1, argv=["true"])["code"], "failed_precondition", "of one that is over")


def killed():
    id = create(timeout_seconds=600)["id"]
    shell(id, "echo base > /srv/base")
    key = str(uuid.uuid4())
    order = {"count": 5, "argv": ["sh", "-c", "cat /srv/base; echo {i} >> /srv/n; sleep 3; wc -l < /srv/n"]}
    answer = patiently("POST", f"/v1/sandboxes/{id}/branches", json=order, headers={"Idempotency-Key": key}, timeout=120)
    made = expect(answer, 200).json()
    same([(one["number"], one["stdout"], one["exit_code"]) for one in made["branches"]],
         [(number, "base\n1\n", 0) for number in range(1, 6)], "each ran once, whatever was killed")
    for _ in range(600):
        if running() == {id}:
            break
        time.sleep(0.1)
    same(running(), {id}, "what runs")


run_check({f.__name__: f for f in (all_of_them, first_success, snapshots, command_line_table, refusals, killed)})
