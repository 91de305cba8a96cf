"""The life of sandboxes and execs: names, tags, ends and their reasons."""

import json
import threading

from cordon_rest import *


def one_of_thirty_gets_the_name():
    for round in range(5):
        answers = in_parallel(30, lambda n: call("POST", "/v1/sandboxes", json={"name": "wanted"}))
        made = [a.json()["id"] for a in answers if a.status_code == 201]
        same((len(made), sorted({a.status_code for a in answers})), (1, [201, 409]), "statuses")
        for answer in answers:
            if answer.status_code == 409:
                same((answer.json()["code"], answer.json()["field"]), ("already_exists", "name"))
        same(call("GET", "/v1/apps/default/sandboxes/wanted").json()["id"], made[0], "its holder")
        other = create(app="other", name="wanted")["id"]
        same(call("GET", "/v1/apps/other/sandboxes/wanted").json()["id"], other, "another app's")
        terminate(made[0])
        terminate(other)
        expect(call("GET", "/v1/apps/default/sandboxes/wanted"), 404)


def tags_and_cursors():
    ids = []
    for n in range(11):
        tags = {"parity": str(n % 2), "third": str(n % 3), "odd/key": "a=b&c d%"} if n != 5 else {}
        ids.append(create(app="tagged", tags=tags)["id"])

    def listed(**query):
        found, cursor = [], None
        while True:
            page = expect(call("GET", "/v1/sandboxes", params={"app": "tagged", "limit": 3, "cursor": cursor, **query}), 200).json()
            assert len(page["sandboxes"]) <= 3
            found += [s["id"] for s in page["sandboxes"]]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    newest_first = list(reversed(ids))
    same(listed(), newest_first, "all")
    same(listed(tag="parity=1"), [i for i in newest_first if ids.index(i) % 2 and ids.index(i) != 5], "one tag")
    same(listed(tag=["parity=0", "third=1"]), [ids[10], ids[4]], "two tags")
    same(listed(tag="odd/key=a=b&c d%"), [i for i in newest_first if i != ids[5]], "a value with signs in it")
    same(listed(tag="parity=2"), [], "no such value")
    expect(call("PUT", f"/v1/sandboxes/{ids[0]}/tags", json={"tags": {"new": "yes"}}), 200)
    same((sandbox(ids[0])["tags"], listed(tag="new=yes"), ids[0] in listed(tag="parity=0")), ({"new": "yes"}, ids[:1], False))
    terminate(ids[1])
    same((listed(state="ended"), listed(state="running")), ([ids[1]], [i for i in newest_first if i != ids[1]]), "by state")


def timeouts_are_typed():
    started = time.time()
    lived = create(timeout_seconds=1.5)["id"]
    idled = create(idle_timeout_seconds=1)["id"]
    busy = create(idle_timeout_seconds=2)["id"]
    exec = start(busy, "sleep", "3")
    result = ending(f"/v1/sandboxes/{lived}")
    same(result["reason"], "timed_out")
    assert time.time() - started >= 1.5, "a lifetime of 1.5 s"
    same(ending(f"/v1/sandboxes/{idled}")["reason"], "idle_timed_out")
    same(ending(exec)["reason"], "exited", "an exec keeps its sandbox from idling")
    same(ending(f"/v1/sandboxes/{busy}")["reason"], "idle_timed_out", "once the exec is over")
    longer = create(timeout_seconds=2)["id"]
    expect(call("PATCH", f"/v1/sandboxes/{longer}", json={"timeout_seconds": 100}), 200)
    time.sleep(2.3)
    same(sandbox(longer)["state"], "running", "its lifetime was made longer")
    expect(call("PATCH", f"/v1/sandboxes/{longer}", json={"timeout_seconds": 2.4}), 200)
    same(ending(f"/v1/sandboxes/{longer}")["reason"], "timed_out", "and shorter again")


def exec_timeout_kills_all_it_started():
    id = create()["id"]
    program = "(setsid sh -c 'sleep 1000 & sleep 1000' &) ; setsid sleep 1000 & trap '' TERM INT HUP; sleep 1000"
    exec = start(id, "sh", "-c", program, timeout_seconds=1)
    other = start(id, "sleep", "999")
    result = ending(exec)
    same((result["reason"], result["signal"]), ("timed_out", 9))
    # All of them are killed by now, and die as they get the time to.
    running = "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -o 'sleep [0-9]\\+' | sort | uniq -c"
    for _ in range(300):
        left = complete(id, "sh", "-c", running)["stdout"].split()
        if left == ["1", "sleep", "999"]:
            break
        time.sleep(0.1)
    same(left, ["1", "sleep", "999"], "what still runs")
    expect(call("POST", other + "/signal", json={"signal": "SIGTERM"}), 204)
    same((ending(other)["reason"], ending(other)["signal"]), ("signalled", 15))
    waited = complete(id, "sleep", "1000", timeout_seconds=0.3)
    same(waited["result"]["reason"], "timed_out", "in a waited-for exec")


def out_of_memory_is_typed():
    id = create(memory_mib={"limit": 64})["id"]
    done = complete(id, "python3", "-c", "x = [bytearray(1 << 20) for _ in range(1000)]")
    same(done["result"]["reason"], "out_of_memory", str(done))
    same(complete(id, "echo", "still here")["stdout"], "still here\n")
    id = create(memory_mib={"limit": 64}, argv=["python3", "-c", "x = [bytearray(1 << 20) for _ in range(1000)]"])["id"]
    same(ending(f"/v1/sandboxes/{id}")["reason"], "out_of_memory", "a main command")


def fork_bomb_is_contained():
    id = create(pids_limit=64)["id"]
    bomb = start(id, "bash", "-c", ":(){ :|:& };:; sleep 1000")
    other = create()["id"]
    time.sleep(1)
    same(complete(other, "echo", "unharmed")["stdout"], "unharmed\n", "another sandbox")
    same(terminate(id)["result"]["reason"], "terminated")
    assert ending(bomb)["reason"] in ("terminated", "exited", "signalled"), ending(bomb)


def no_more_processes():
    id = create(pids_limit=8)["id"]
    for _ in range(12):
        answer = call("POST", f"/v1/sandboxes/{id}/execs", json={"argv": ["sleep", "1000"]})
        if answer.status_code != 201:
            break
    expect(answer, 429)
    same(answer.json()["code"], "resource_exhausted", answer.text)
    execs = [e for e in call("GET", f"/v1/sandboxes/{id}/execs").json()["execs"] if e["state"] == "running"]
    expect(call("POST", f"/v1/sandboxes/{id}/execs/{execs[0]['id']}/signal", json={"signal": "KILL"}), 204)
    ending(f"/v1/sandboxes/{id}/execs/{execs[0]['id']}")
    same(complete(id, "echo", "room again")["stdout"], "room again\n")


def main_command_is_the_sandboxes_life():
    made = create(argv=["sh", "-c", "echo main $GREETING; read line; echo $line >&2; cat; exit 42"], env={"GREETING": "hello"}, workdir="/tmp")
    path = f"/v1/sandboxes/{made['id']}"
    same(expect(call("GET", path + "/stdout?follow=true&limit=11"), 200).content, b"main hello\n")
    expect(call("POST", path + "/stdin?eof=true", data=b"bye\n", headers={"Content-Type": "application/octet-stream"}), 200)
    result = ending(path)
    same((result["reason"], result["exit_code"]), ("exited", 42))
    same((whole(path), whole(path, "stderr")), (b"main hello\n", b"bye\n"), "after the end")
    same(ending(path + "/execs/main")["exit_code"], 42, "the exec `main`")
    made = create(argv=["sleep", "1000"])
    expect(call("POST", f"/v1/sandboxes/{made['id']}/signal", json={"signal": 2}), 204)
    same((ending(f"/v1/sandboxes/{made['id']}")["reason"], ending(f"/v1/sandboxes/{made['id']}")["signal"]), ("signalled", 2))
    made = create(argv=["true"])
    same(ending(f"/v1/sandboxes/{made['id']}")["exit_code"], 0, "over at once")


def signals_arrive():
    id = create()["id"]
    program = "trap 'echo usr1' USR1; trap 'echo term; exit 3' TERM; echo ready; while :; do sleep 0.05; done"
    exec = start(id, "bash", "-c", program)
    stream = follow(exec)
    same(next(stream), b"ready\n")
    expect(call("POST", exec + "/signal", json={"signal": "USR1"}), 204)
    same(next(stream), b"usr1\n")
    expect(call("POST", exec + "/signal", json={"signal": "15"}), 204)
    same(b"".join(stream), b"term\n")
    same(ending(exec)["exit_code"], 3)
    same(expect(call("POST", exec + "/signal", json={"signal": "TERM"}), 409).json()["code"], "failed_precondition", "when it is over")


def waits_are_long_polls():
    id = create()["id"]
    exec = start(id, "cat")
    for path in (f"/v1/sandboxes/{id}", exec):
        same(expect(call("GET", path + "/wait?timeout_seconds=0.2"), 200).json(), {"result": None}, "not over")
    results = []
    waiting = [threading.Thread(target=lambda p=p: results.append(ending(p))) for p in [exec] * 5 + [f"/v1/sandboxes/{id}"] * 5]
    for thread in waiting:
        thread.start()
    expect(call("POST", exec + "/stdin?eof=true"), 200)
    ending(exec)
    terminate(id)
    for thread in waiting:
        thread.join()
    same(sorted(r["reason"] for r in results), ["exited"] * 5 + ["terminated"] * 5)


def terminated_once_for_all():
    id = create()["id"]
    execs = [start(id, "sleep", "1000") for _ in range(3)]
    endings = in_parallel(12, lambda n: terminate(id)["result"])
    assert all(e == endings[0] and e["reason"] == "terminated" for e in endings), endings
    same(terminate(id)["result"], endings[0], "again")
    same({ending(exec)["reason"] for exec in execs}, {"terminated"}, "its execs")
    refused = {
        "an exec": call("POST", f"/v1/sandboxes/{id}/execs", json={"argv": ["true"]}),
        "stdin": call("POST", execs[0] + "/stdin", data=b"x", headers={"Content-Type": "application/octet-stream"}),
        "a signal": call("POST", execs[0] + "/signal", json={"signal": "TERM"}),
        "a deadline": call("PATCH", f"/v1/sandboxes/{id}", json={"timeout_seconds": 100}),
    }
    for what, answer in refused.items():
        same((answer.status_code, answer.json()["code"]), (409, "failed_precondition"), what)
    kinds = [e["kind"] for e in call("GET", f"/v1/sandboxes/{id}/events").json()["events"]]
    same((kinds.count("terminate_requested"), kinds.count("ended")), (1, 1), "events")


def events_in_order():
    id = create(tags={"a": "b"})["id"]
    followed = call("GET", f"/v1/sandboxes/{id}/events?follow=true", stream=True)
    exec = start(id, "sh", "-c", "exit 5")
    ending(exec)
    expect(call("PUT", f"/v1/sandboxes/{id}/tags", json={"tags": {}}), 200)
    expect(call("PATCH", f"/v1/sandboxes/{id}", json={"timeout_seconds": 50}), 200)
    terminate(id)
    events = expect(call("GET", f"/v1/sandboxes/{id}/events"), 200).json()["events"]
    same([e["kind"] for e in events],
         ["created", "started", "exec_started", "exec_ended", "tags_changed", "deadlines_changed", "terminate_requested", "ended"])
    same([e["number"] for e in events], list(range(1, len(events) + 1)), "numbers")
    same([e["at"] for e in events], sorted(e["at"] for e in events), "times")
    same((events[3]["result"]["exit_code"], events[3]["exec_id"]), (5, exec.rsplit("/", 1)[1]))
    same([json.loads(line) for line in followed.iter_lines()], events, "followed")
    same(call("GET", f"/v1/sandboxes/{id}/events?after=6").json()["events"], events[6:], "after the sixth")


def who_where_and_with_what():
    id = create(env={"A": "sandbox", "B": "sandbox"}, workdir="/var")["id"]
    same(complete(id, "sh", "-c", "echo $A $B; pwd; id -u; id -g")["stdout"], "sandbox sandbox\n/var\n0\n0\n")
    done = complete(id, "sh", "-c", "echo $A $B; pwd; id -u; id -g; id -un", env={"B": "exec"}, workdir="/tmp", user="nobody")
    same(done["stdout"], "sandbox exec\n/tmp\n65534\n65534\nnobody\n", str(done))
    same(complete(id, "id", "-u", user="1234")["stdout"], "1234\n", "a number")
    same(complete(id, "sh", "-c", "id -u; id -g", user="nobody:33")["stdout"], "65534\n33\n", "user:group")
    same(complete(id, "/usr/bin/printf", "%s|", "a b", "", "ü")["stdout"], "a b||ü|", "arguments as they are")


def cannot_be_started():
    id = create()["id"]
    for field, spec in {
        "argv": {"argv": ["no-such-program"]},
        "argv ": {"argv": ["/etc/passwd"]},
        "argv  ": {"argv": ["/etc"]},
        "workdir": {"argv": ["true"], "workdir": "/no/such/place"},
        "user": {"argv": ["true"], "user": "nobody-of-that-name"},
    }.items():
        problem = expect(call("POST", f"/v1/sandboxes/{id}/execs", json=spec), 400).json()
        assert problem["field"].split("[")[0] == field.strip(), problem
        expect(call("POST", f"/v1/sandboxes/{id}/execs", json={**spec, "wait": True}), 400)
    same(call("GET", f"/v1/sandboxes/{id}/execs").json()["execs"], [], "what is left of them")
    before = len(call("GET", "/v1/sandboxes?limit=1000").json()["sandboxes"])
    problem = expect(call("POST", "/v1/sandboxes", json={"argv": ["no-such-program"]}), 400).json()
    same(problem["field"].split("[")[0], "argv")
    same(len(call("GET", "/v1/sandboxes?limit=1000").json()["sandboxes"]), before, "sandboxes")


def comes_to_show(exec, wanted):
    deadline = time.time() + 10
    while (shown := expect(call("GET", exec + "/stdout"), 200).content) != wanted:
        assert time.time() < deadline, f"it shows {shown}, not {wanted}"
        time.sleep(0.05)


def repeats_are_recognised():
    headers = {"Idempotency-Key": "the-one"}
    first = expect(call("POST", "/v1/sandboxes", json={"tags": {"a": "b"}}, headers=headers), 201).json()["id"]
    again = in_parallel(8, lambda n: expect(call("POST", "/v1/sandboxes", json={"tags": {"a": "b"}}, headers=headers), 201).json()["id"])
    same(set(again), {first}, "the same request")
    answer = expect(call("POST", "/v1/sandboxes", json={"tags": {"a": "c"}}, headers=headers), 409)
    same(answer.json()["field"], "Idempotency-Key", "another body")
    path = f"/v1/sandboxes/{first}/execs"
    program = {"argv": ["sh", "-c", "echo ran >> /tmp/runs; cat /tmp/runs"], "exec_id": "mine"}
    started = in_parallel(8, lambda n: expect(call("POST", path, json=program), 201).json()["id"])
    same(set(started), {"mine"}, "one exec id")
    same(whole(path + "/mine"), b"ran\n", "how often it ran")
    same(expect(call("POST", path, json={**program, "argv": ["true"]}), 409).json()["field"], "exec_id", "another command")
    answers = in_parallel(4, lambda n: complete(first, *program["argv"], exec_id="waited"))
    same({answer["stdout"] for answer in answers}, {"ran\nran\n"}, "waited for by four")
    counter = start(first, "bash", "-c", "trap 'echo hit' USR1; echo ready; while sleep 0.05; do :; done")
    comes_to_show(counter, b"ready\n")
    for key in ("one", "one", "two"):
        expect(call("POST", counter + "/signal", json={"signal": "USR1"}, headers={"Idempotency-Key": key}), 204)
        time.sleep(0.3)
    comes_to_show(counter, b"ready\nhit\nhit\n")
    refused = call("POST", counter + "/signal", json={"signal": "TERM"}, headers={"Idempotency-Key": "two"})
    same(expect(refused, 409).json()["field"], "Idempotency-Key", "another signal")
    reader = start(first, "cat")
    raw = {"Content-Type": "application/octet-stream"}
    for key, text in (("a", b"one "), ("a", b"one "), ("b", b"two "), ("a", b"one ")):
        expect(call("POST", reader + "/stdin", data=text, headers={**raw, "Idempotency-Key": key}), 200)
    refused = call("POST", reader + "/stdin", data=b"other length", headers={**raw, "Idempotency-Key": "a"})
    same(expect(refused, 409).json()["field"], "Idempotency-Key", "another write")
    expect(call("POST", reader + "/stdin?eof=true", data=b"end", headers={**raw, "Idempotency-Key": "c"}), 200)
    same(whole(reader), b"one two end", "what was written")


def forgotten_after_its_time(patience="60"):
    id = create(app="short-lived")["id"]
    exec = start(id, "echo", "output")
    same(whole(exec), b"output\n", "while it runs")
    terminate(id)
    same(whole(exec), b"output\n", "still there")
    deadline = time.time() + float(patience)
    while call("GET", f"/v1/sandboxes/{id}").status_code != 404:
        assert time.time() < deadline, "it is kept far beyond its time"
        time.sleep(0.2)
    expect(call("GET", exec + "/stdout"), 404)
    same(call("GET", "/v1/sandboxes?app=short-lived").json()["sandboxes"], [], "the list")


run_check(globals())
