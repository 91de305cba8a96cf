"""Streams, byte for byte."""

import base64
import os
import random
import threading

from cordon_rest import *

NUMBERS = "import sys,time\nfor n in range(%d):\n print('%%06d' %% n)\n if n %% 200 == 0: sys.stdout.flush(); time.sleep(0.004)"


def numbers(count):
    return b"".join(b"%06d\n" % n for n in range(count))


def echo_of_ten_megabytes():
    data = os.urandom(10 << 20)
    exec = start(create()["id"], "cat")
    reading = threading.Thread(target=lambda: same(whole(exec), data, "cat's output"))
    failures = []
    threading.excepthook = lambda failure: failures.append(failure.exc_value)
    reading.start()
    same(expect(call("POST", exec + "/stdin?eof=true", data=data, headers=OCTETS), 200).json(),
         {"accepted": len(data), "closed": True}, "stdin")
    reading.join()
    same(failures, [])
    same(ending(exec)["exit_code"], 0, "cat's status")


OCTETS = {"Content-Type": "application/octet-stream"}


def binary_data():
    """Every byte value, in every position of a short block, both in streams and in a waited-for answer."""
    data = b"".join(bytes([value]) * 3 + bytes(range(256)) for value in range(256))
    id = create()["id"]
    done = complete(id, "cat", stdin_base64=base64.b64encode(data).decode())
    same(base64.b64decode(done["stdout_base64"]), data, "stdout_base64")
    assert "stdout" not in done
    path = f"/v1/sandboxes/{id}/execs/{done['exec']['id']}"
    same(expect(call("GET", path + "/stdout"), 200).content, data, "stdout")
    same(complete(id, "cat", stdin="zwölf ☃\n")["stdout"], "zwölf ☃\n", "text")
    path = start(id, "sh", "-c", "cat >&2")
    expect(call("POST", path + "/stdin?eof=true", data=data, headers=OCTETS), 200)
    same(whole(path, "stderr"), data, "stderr")
    same(whole(path), b"", "stdout of a program that wrote to stderr only")


def merged_logs():
    """Each line is asked for once the one before has been seen: their order is beyond doubt."""
    program = "import os\nfor n in range(60):\n os.read(0, 1)\n os.write(1 + n * n % 3 % 2, b'line %d\\n' % n)"
    exec = start(create()["id"], "python3", "-c", program)
    lengths = {"stdout": 0, "stderr": 0}
    written = []
    for n in range(60):
        expect(call("POST", exec + "/stdin", data=b"x", headers=OCTETS), 200)
        stream, line = ("stdout", "stderr")[n * n % 3 % 2], b"line %d\n" % n
        answer = expect(call("GET", exec + f"/{stream}?follow=true&offset={lengths[stream]}&limit={len(line)}"), 200)
        same(answer.content, line, f"line {n}")
        written.append((stream, lengths[stream], line.decode()))
        lengths[stream] += len(line)
    ending(exec)
    entries = expect(call("GET", exec + "/logs"), 200).json()["entries"]
    assert [e["at"] for e in entries] == sorted(e["at"] for e in entries), "times run backwards"
    # Lines of one stream that follow each other at once may be one entry.
    got = [(e["stream"], e["offset"] + i, c) for e in entries for i, c in enumerate(e["text"])]
    same(got, [(s, o + i, c) for s, o, text in written for i, c in enumerate(text)], "logs")
    since = entries[len(entries) // 2]["at"]
    later = expect(call("GET", exec + "/logs", params={"since": since}), 200).json()["entries"]
    same(later, [e for e in entries if e["at"] >= since], "logs since")
    same(expect(call("GET", exec + "/logs?limit=5"), 200).json()["entries"], entries[:5], "five logs")


def resumed_in_mid_stream():
    count = 60_000
    exec = start(create()["id"], "python3", "-c", NUMBERS % count)
    chance = random.Random(4)
    cuts = []

    def cut(piece):
        if chance.random() < 0.15:
            cuts.append(1)
        return cuts and len(cuts) < 200 and chance.random() < 0.15

    same(whole(exec, pieces=cut), numbers(count), "stdout")
    assert len(cuts) > 20, f"only {len(cuts)} cuts"
    # From any place, once it is over.
    for _ in range(50):
        offset, limit = chance.randrange(count * 7), chance.randrange(1, 5000)
        answer = expect(call("GET", exec + f"/stdout?offset={offset}&limit={limit}"), 200)
        same(answer.content, numbers(count)[offset:offset + limit], f"from {offset}")
        same(answer.headers["Cordon-Offset"], str(offset), "Cordon-Offset")
        same(answer.headers["Cordon-End"], str(count * 7), "Cordon-End")


def many_followers_of_one_stream():
    count = 20_000
    exec = start(create()["id"], "python3", "-c", NUMBERS % count)
    expect(call("GET", exec + "/stdout?follow=true&limit=100"), 200)
    in_parallel(12, lambda n: same(whole(exec, offset=n * 7), numbers(count)[n * 7:], f"follower {n}"))


def ends_of_streams():
    id = create()["id"]
    exec = start(id, "sh", "-c", "printf 12345; read x; printf 678")
    same(expect(call("GET", exec + "/stdout?follow=true&limit=5"), 200).content, b"12345", "what is there")
    answer = expect(call("GET", exec + "/stdout"), 200)
    same((answer.content, answer.headers.get("Cordon-End")), (b"12345", None), "without follow")
    same(answer.headers["Cordon-Dropped"], "0", "Cordon-Dropped")
    problem = expect(call("GET", exec + "/stdout?offset=6"), 416).json()
    same((problem["code"], problem["field"], problem["end"]), ("out_of_range", "offset", 5), "beyond the end")
    same(expect(call("GET", exec + "/stdout?offset=5"), 200).content, b"", "at the end so far")
    expect(call("POST", exec + "/stdin", data=b"\n", headers=OCTETS), 200)
    same(ending(exec)["exit_code"], 0)
    for follow in ("false", "true"):
        answer = expect(call("GET", exec + "/stdout?offset=8&follow=" + follow), 200)
        same((answer.content, answer.headers["Cordon-End"]), (b"", "8"), "at the end")
        expect(call("GET", exec + "/stdout?offset=9&follow=" + follow), 416)
    done = start(id, "true")
    ending(done)
    answer = expect(call("GET", done + "/stderr?follow=true"), 200)
    same((answer.content, answer.headers["Cordon-End"]), (b"", "0"), "a stream that nobody wrote to")
    discarded = start(id, "sh", "-c", "echo gone; echo kept >&2", stdout="discard")
    same((whole(discarded), whole(discarded, "stderr")), (b"", b"kept\n"), "discarded stdout")


def stdin_by_offset():
    id = create()["id"]
    exec = start(id, "cat")
    data = bytes(random.Random(1).randbytes(300_000))

    def write(offset, body, eof=False):
        return call("POST", exec + f"/stdin?offset={offset}&eof={'true' if eof else 'false'}", data=body, headers=OCTETS)

    threading.Thread(target=lambda: whole(exec), daemon=True).start()
    offset = 0
    chance = random.Random(2)
    while offset < len(data):
        piece = data[offset:offset + chance.randrange(1, 20_000)]
        for _ in range(chance.choice([1, 1, 2, 3])):
            answer = expect(write(offset, piece), 200).json()
            same(answer, {"accepted": offset + len(piece), "closed": False}, "a piece, or the same again")
        # A repeat may also overlap: what is known of it is skipped.
        back = chance.randrange(0, offset + 1)
        same(expect(write(back, data[back:offset + len(piece)]), 200).json()["accepted"], offset + len(piece), "overlap")
        offset += len(piece)
        problem = expect(write(offset + 1, b"beyond"), 409).json()
        same((problem["code"], problem["accepted"]), ("out_of_range", offset), "beyond what was accepted")
    same(expect(call("GET", exec + "/stdin"), 200).json(), {"accepted": offset, "closed": False}, "how far")
    same(expect(write(offset, b"", eof=True), 200).json(), {"accepted": offset, "closed": True}, "eof")
    same(expect(write(offset, b"", eof=True), 200).json(), {"accepted": offset, "closed": True}, "eof again")
    same(whole(exec), data, "cat's output")
    same(ending(exec)["exit_code"], 0)
    # Without an offset, behind what was accepted.
    exec = start(id, "cat")
    for piece in (b"one ", b"two ", b"three"):
        expect(call("POST", exec + "/stdin", data=piece, headers=OCTETS), 200)
    expect(call("POST", exec + "/stdin?eof=true"), 200)
    same(whole(exec), b"one two three", "appended")


def stdin_that_nobody_reads():
    """A full pipe holds the writer back, not the service; and the end of the process frees it."""
    id = create()["id"]
    exec = start(id, "sleep", "1000")
    upload = threading.Thread(target=lambda: call("POST", exec + "/stdin", data=b"x" * (4 << 20), headers=OCTETS))
    upload.start()
    same(complete(id, "echo", "meanwhile")["stdout"], "meanwhile\n", "another exec")
    expect(call("POST", exec + "/signal", json={"signal": "KILL"}), 204)
    same(ending(exec)["reason"], "terminated")
    upload.join()
    early = start(id, "sh", "-c", "exec 0<&-; sleep 0.2")
    answer = expect(call("POST", early + "/stdin?eof=true", data=b"x" * (2 << 20), headers=OCTETS), 200).json()
    assert answer["closed"] and answer["accepted"] < 2 << 20, answer


def a_hundred_execs_at_once():
    id = create()["id"]

    def one(n):
        program = f"for i in $(seq 300); do echo exec {n} line $i; echo {n} >&2; done; exit {n % 7}"
        done = complete(id, "sh", "-c", program)
        same(done["stdout"], "".join(f"exec {n} line {i}\n" for i in range(1, 301)), f"stdout of {n}")
        same(done["stderr"], f"{n}\n" * 300, f"stderr of {n}")
        same(done["result"]["exit_code"], n % 7, f"status of {n}")
        return done["exec"]["id"]

    ids = in_parallel(100, one)
    listed = expect(call("GET", f"/v1/sandboxes/{id}/execs"), 200).json()["execs"]
    same(sorted(e["id"] for e in listed), sorted(ids), "the list")


def two_hundred_sandboxes_at_once():
    def sixteen_at_a_time(work, items):
        queue, results = list(enumerate(items)), [None] * len(items)

        def worker(_):
            while True:
                try:
                    index, item = queue.pop()
                except IndexError:
                    return
                results[index] = work(item)

        in_parallel(16, worker)
        return results

    ids = sixteen_at_a_time(lambda n: create(app="many", name=f"many-{n}", tags={"number": str(n)}, timeout_seconds=600)["id"], range(200))
    same(len(set(ids)), 200, "ids")
    program = "echo $0 > /tmp/mine; sleep 0.1; cat /tmp/mine; hostname"
    for n, done in enumerate(sixteen_at_a_time(lambda id: complete(id, "sh", "-c", program, id), ids)):
        same(done["stdout"].split()[0], ids[n], "its own file")
    page = expect(call("GET", "/v1/sandboxes?app=many&state=running&limit=1000"), 200).json()["sandboxes"]
    same(sorted(s["id"] for s in page), sorted(ids), "the list")
    ended = sixteen_at_a_time(terminate, ids)
    same({e["result"]["reason"] for e in ended}, {"terminated"}, "endings")
    same(expect(call("GET", "/v1/sandboxes?app=many&state=running"), 200).json()["sandboxes"], [], "what still runs")


run_check(globals())
