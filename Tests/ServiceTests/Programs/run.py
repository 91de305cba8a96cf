"""A program and its result in one call, and what becomes of it when somebody leaves."""

import base64
import hashlib
import json
import os
import subprocess
import threading
import uuid

from cordon_rest import *

LINES = {"Accept": "application/x-ndjson"}


def run(status=200, headers=None, **spec):
    return expect(call("POST", "/v1/run", json=spec, headers=headers), status).json()


def outcome(answer):
    return answer["result"]["reason"], answer.get("exit_code"), answer["stdout"], answer["stderr"]


def gone(id):
    same(sandbox(id)["state"], "ended", f"the state of {id}")


def languages_and_commands():
    same(outcome(run(language="python", code="print(6 * 7)")), ("exited", 0, "42\n", ""))
    same(outcome(run(language="javascript", code="console.log(6 * 7)")), ("exited", 0, "42\n", ""))
    same(outcome(run(language="bash", code="echo $((6 * 7)); echo err >&2; exit 3")), ("exited", 3, "42\n", "err\n"))
    answer = run(argv=["sh", "-c", "pwd; echo $GREETING; cat; id -u"], env={"GREETING": "hello"}, stdin="from stdin\n")
    same(outcome(answer), ("exited", 0, "/tmp/work\nhello\nfrom stdin\n0\n", ""))
    assert set(answer["timings"]) == {"create", "files", "start", "run", "finish", "total"}, answer["timings"]
    gone(answer["sandbox_id"])
    answer = run(language="python", code="import sys; sys.stdout.buffer.write(b'\\xff' + sys.stdin.buffer.read())",
                 stdin_base64=base64.b64encode(b"\0\1").decode())
    same(base64.b64decode(answer["stdout_base64"]), b"\xff\0\1")


def errors_of_the_program_are_results():
    answer = run(language="python", code="def f():\n    raise ValueError('no')\nf()\n")
    same((answer["result"]["reason"], answer["exit_code"]), ("exited", 1))
    assert 'File "/tmp/work/main.py", line 2' in answer["stderr"], answer["stderr"]
    answer = run(language="python", code="import time; print('so far'); time.sleep(60)", timeout_seconds=0.5)
    same((answer["result"]["reason"], answer["stdout"]), ("timed_out", "so far\n"))
    answer = run(language="python", code="x = b'x' * (256 << 20)", memory_mib={"limit": 64})
    same(answer["result"]["reason"], "out_of_memory")
    answer = run(argv=["no-such-program"])
    same((answer["result"]["reason"], answer["stdout"]), ("failed_to_start", ""))
    assert "no-such-program" in answer["result"]["detail"], answer
    gone(answer["sandbox_id"])
    answer = run(argv=["sh", "-c", "kill -TERM $$"])
    same((answer["result"]["reason"], answer["result"]["signal"]), ("signalled", 15))
    # What it leaves behind goes with it.
    same(outcome(run(argv=["sh", "-c", "sleep 1000 & echo left"])), ("exited", 0, "left\n", ""))


def files_in_and_out():
    binary = bytes(range(256)) * 100
    answer = run(
        language="python", files=[
            {"path": "package/helper.py", "content": "def twice(x): return 2 * x\n"},
            {"path": "data.bin", "content_base64": base64.b64encode(binary).decode(), "mode": "0400"},
            {"path": "/opt/tool/bin/tool", "content": "#!/bin/sh\necho tool $1\n", "mode": "0755"},
        ],
        code="import os, subprocess\nfrom package.helper import twice\n"
             "print(twice(21), subprocess.check_output(['/opt/tool/bin/tool', 'x'], text=True), end='')\n"
             "open('out.bin', 'wb').write(open('data.bin', 'rb').read()[::-1])\n"
             "open('/tmp/text', 'w').write('é\\n')\nos.mkfifo('fifo'); os.mkdir('dir')\n"
             "os.symlink('/proc/self/fd/0', 'magic'); os.symlink('/tmp/text', 'link')\n"
             "open('large', 'wb').truncate(9 << 20)\n",
        output_files=["out.bin", "/tmp/text", "link", "missing", "fifo", "dir", "magic", "large", "/dev/zero"])
    same(outcome(answer), ("exited", 0, "42 tool x\n", ""))
    out = answer["output_files"]
    same((base64.b64decode(out[0]["content_base64"]), out[0]["size_bytes"]), (binary[::-1], len(binary)))
    same((out[1]["content"], out[1]["mode"], out[2]["content"]), ("é\n", "0644", "é\n"))
    same([file["error"]["reason"] for file in out[3:]],
         ["not_found", "not_a_regular_file", "is_a_directory", "link_loop", "too_large", "not_a_regular_file"])
    answer = run(argv=["sh", "-c", "stat -c '%U %a' main data"], user="nobody", workdir="/tmp/a/b",
                 files=[{"path": "main", "content": ""}, {"path": "data", "content": "x", "mode": "0600"}])
    same(answer["stdout"], "nobody 644\nnobody 600\n")


def a_thousand_files():
    files = [{"path": f"d{n % 10}/f{n}", "content": str(n)} for n in range(1000)]
    answer = run(argv=["sh", "-c", "cat d*/f* | wc -c; find . -type f | wc -l"], files=files)
    same(answer["stdout"].split(), ["2890", "1000"])
    large = "x" * (10 << 20)
    answer = run(argv=["sha256sum", "large"], files=[{"path": "large", "content": large}], output_files=["large"])
    same(answer["exit_code"], 0)
    same(answer["output_files"][0]["error"]["reason"], "too_large")


def bad_requests_name_the_field():
    def refused(field, status=400, **spec):
        problem = run(status, **spec)
        same(problem.get("field"), field, str(problem))

    refused("language")
    refused("language", language="cobol", code="")
    refused("code", language="python")
    refused("code", argv=["x"], code="y")
    refused("argv", language="python", code="", argv=["x"])
    refused("argv", argv=[])
    refused("stdin_base64", argv=["x"], stdin="", stdin_base64="")
    refused("workdir", argv=["x"], workdir="relative")
    refused("workdir", argv=["x"], workdir="/tmp/..")
    refused("user", argv=["x"], user="a/b")
    refused("files[0].path", argv=["x"], files=[{"content": ""}])
    refused("files[0].path", argv=["x"], files=[{"path": "../x", "content": ""}])
    refused("files[0].path", argv=["x"], files=[{"path": "x/", "content": ""}])
    refused("files[1].path", argv=["x"], files=[{"path": "x", "content": ""}] * 2)
    refused("files[0].content", argv=["x"], files=[{"path": "x"}])
    refused("files[0].content_base64", argv=["x"], files=[{"path": "x", "content_base64": "?"}])
    refused("files[0].mode", argv=["x"], files=[{"path": "x", "content": "", "mode": "999"}])
    refused("files", argv=["x"], files=[{"path": str(n), "content": ""} for n in range(1001)])
    refused("output_files[0]", argv=["x"], output_files=["a/../b"])
    refused("output_files", argv=["x"], output_files=["a"], detach=True)
    refused("memory_mib.limit", argv=["x"], memory_mib={"limit": 1})
    refused("network", argv=["x"], network={})
    refused("body", 413, argv=["x"], stdin="x" * (17 << 20))
    # What the sandbox refuses is the request's fault, too, and leaves nothing.
    refused("files[0].path", 403, argv=["true"], files=[{"path": "/sys/x", "content": ""}])
    refused("files[0].path", 403, argv=["true"], user="nobody", files=[{"path": "/etc/x", "content": ""}])
    refused("files[0].path", 409, argv=["true"], files=[{"path": "/etc", "content": ""}])
    refused("user", argv=["true"], user="nobody-here")
    same(expect(call("GET", "/v1/sandboxes?state=running"), 200).json()["sandboxes"], [])


def events(answer):
    for line in answer.iter_lines():
        if line:
            yield json.loads(line)


def streamed():
    code = "import sys, time\nfor n in range(3):\n    print('out', n); time.sleep(0.2); print('é', file=sys.stderr)\n" \
           "sys.stdout.buffer.write(b'\\xff'); open('f', 'w').write('file')\n"
    spec = {"language": "python", "code": code, "output_files": ["f"]}
    times = []
    with session().post(URL + "/v1/run", json=spec, headers=LINES, stream=True, timeout=60) as answer:
        same(expect(answer, 200).headers["Content-Type"], "application/x-ndjson")
        got = []
        for event in events(answer):
            got.append(event)
            times.append(time.time())
    same((got[0]["event"], got[-1]["event"]), ("started", "result"))
    assert times[-1] - times[1] > 0.3, "the output came at once, at the end"
    same((got[-1]["exit_code"], got[-1]["output_files"][0]["content"]), (0, "file"))
    streams = {"stdout": b"", "stderr": b""}
    for event in got[1:-1]:
        name = event["event"]
        same(event["offset"], len(streams[name]), f"the offset in {name}")
        streams[name] += event["data"].encode() if "data" in event else base64.b64decode(event["data_base64"])
    same(streams, {"stdout": b"out 0\nout 1\nout 2\n\xff", "stderr": "é\n".encode() * 3})
    # The same as server-sent events.
    with session().post(URL + "/v1/run", json=spec, headers={"Accept": "text/event-stream"}, stream=True) as answer:
        text = answer.content.decode()
    names = [line[7:] for line in text.split("\n") if line.startswith("event: ")]
    same((names[0], names[-1], set(names[1:-1])), ("started", "result", {"stdout", "stderr"}))
    for block in text.strip().split("\n\n"):
        json.loads(block.split("\n")[1].removeprefix("data: "))
    # A program that can't be started has a result, too.
    with session().post(URL + "/v1/run", json={"argv": ["no-such"]}, headers=LINES, stream=True) as answer:
        same([(event["event"], event.get("result", {}).get("reason")) for event in events(answer)],
             [("started", None), ("result", "failed_to_start")])


def much_output_streamed():
    spec = {"argv": ["python3", "-c", "import os\nfor n in range(2000): os.write(1, b'%07d\\n' % n * 2000)"]}
    end, digest = 0, hashlib.sha256()
    with session().post(URL + "/v1/run", json=spec, headers=LINES, stream=True, timeout=120) as answer:
        for event in events(answer):
            if event["event"] == "stdout":
                same(event["offset"], end, "the offset")
                end += len(event["data"])
                digest.update(event["data"].encode())
            last = event
    wanted = hashlib.sha256(b"".join(b"%07d\n" % n * 2000 for n in range(2000)))
    same((end, digest.hexdigest(), last["exit_code"]), (32_000_000, wanted.hexdigest(), 0))


def detached():
    answer = expect(call("POST", "/v1/run", json={"argv": ["sh", "-c", "sleep 1; cat; exit 5"], "stdin": "in", "detach": True}), 202)
    path = f"/v1/sandboxes/{answer.json()['sandbox_id']}"
    same(answer.headers["Location"], path + "/execs/run")
    same(ending(path + "/execs/run")["exit_code"], 5)
    same(ending(path)["reason"], "terminated")
    same(whole(path + "/execs/run"), b"in")


def client_leaves():
    """The run is ended when nobody waits for it any more."""
    for headers in ({}, LINES):
        tag = uuid.uuid4().hex
        answer = []
        try:
            with session().post(URL + "/v1/run", json={"argv": ["sleep", "100"], "tags": {"of": tag}}, headers=headers,
                                stream=True, timeout=1) as answer:
                next(events(answer))
        except LOST + (requests.exceptions.Timeout,):
            pass
        session().close()
        found = expect(call("GET", f"/v1/sandboxes?tag=of%3D{tag}"), 200).json()["sandboxes"]
        same(len(found), 1)
        same(ending(f"/v1/sandboxes/{found[0]['id']}")["reason"], "terminated")


def repeated_with_a_key():
    spec = {"language": "bash", "code": "echo once $RANDOM$RANDOM; sleep 1; echo kept > f", "output_files": ["f"]}
    key = {"Idempotency-Key": uuid.uuid4().hex}
    first, second = in_parallel(2, lambda _: run(headers=key, **spec))
    same((second["sandbox_id"], second["stdout"]), (first["sandbox_id"], first["stdout"]))
    same([answer["output_files"][0]["content"] for answer in (first, second)], ["kept\n"] * 2)
    # It is over: its record and its output are there, its files aren't.
    later = run(headers=key, **spec)
    same((later["stdout"], later["exit_code"], later["sandbox_id"]), (first["stdout"], 0, first["sandbox_id"]))
    same(later["output_files"][0]["error"]["code"], "failed_precondition")
    problem = run(409, headers=key, **{**spec, "code": "other"})
    same(problem["field"], "Idempotency-Key")
    # A failed start is remembered; a request that was refused isn't, and may be repeated.
    key = {"Idempotency-Key": uuid.uuid4().hex}
    same([run(headers=key, argv=["no-such"])["result"]["reason"] for _ in range(2)], ["failed_to_start"] * 2)
    key = {"Idempotency-Key": uuid.uuid4().hex}
    for _ in range(2):
        run(403, headers=key, argv=["true"], files=[{"path": "/sys/x", "content": ""}])


def survives(control):
    """Three runs are under way when the service is killed; what becomes of each is decided by who waits."""
    keyed = {"language": "bash", "code": "echo before; sleep 4; echo after; echo kept > f", "output_files": ["f"],
             "tags": {"of": "keyed"}}
    key = {"Idempotency-Key": "survives"}
    results = {}

    def keep(name, work):
        results[name] = work()

    threads = [
        threading.Thread(target=keep, args=("keyed", lambda: expect(patiently("POST", "/v1/run", json=keyed, headers=key), 200).json())),
        threading.Thread(target=lambda: swallow(lambda: run(argv=["sleep", "100"], tags={"of": "plain"}))),
    ]
    for thread in threads:
        thread.start()
    detached = expect(call("POST", "/v1/run", json={"argv": ["sh", "-c", "sleep 4; exit 7"], "detach": True}), 202).json()
    plain = None
    while not plain or not all(one["state"] == "running" for one in plain) or len(plain) < 3:
        plain = expect(call("GET", "/v1/sandboxes"), 200).json()["sandboxes"]
        time.sleep(0.05)
    time.sleep(0.5)
    open(os.path.join(control, "kill"), "w").close()
    for thread in threads:
        thread.join()
    same((results["keyed"]["stdout"], results["keyed"]["exit_code"]), ("before\nafter\n", 0), "the run with a key")
    same(results["keyed"]["output_files"][0]["content"], "kept\n")
    of_plain = next(one for one in plain if one["tags"].get("of") == "plain")["id"]
    same(ending(f"/v1/sandboxes/{of_plain}")["reason"], "terminated", "the run whose client is gone")
    path = f"/v1/sandboxes/{detached['sandbox_id']}"
    same(ending(path + "/execs/run")["exit_code"], 7, "the detached run")
    same(ending(path)["reason"], "terminated")


def swallow(work):
    try:
        work()
    except LOST:
        pass


def examples(directory):
    def printed(*command):
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    same(printed(directory + "/run.sh"), "42\napple\npear\n1\n2\n3\nexit code 0\n")
    lines = printed(directory + "/run.py").splitlines()
    same(lines[0], str({"stdout": "45\n", "stderr": "", "ending": "exited", "exit_code": 0, "files": {}}))
    same((lines[2], lines[3]), ("timed_out", "{'/tmp/work/answer': '42'}"))
    same(printed(directory + "/agent_rest.py"), "first step: 1\none branch, two steps: ['3', '6']\nthe other, one step: 3\n"
         "its state: [1, 2]\n")


def speed():
    """Prints what a run costs beside creating, running and ending by hand. Nothing is asserted: see `make bench`."""
    def by_hand():
        id = create()["id"]
        complete(id, "python3", "-c", "print(1)")
        terminate(id)

    for name, work in (("by hand", by_hand), ("run", lambda: run(language="python", code="print(1)"))):
        times = []
        for _ in range(40):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
            time.sleep(0.05)
        print(f"{name}: {sorted(times)[20] * 1000:.1f} ms")
    print(run(language="python", code="print(1)")["timings"])


run_check(globals())
