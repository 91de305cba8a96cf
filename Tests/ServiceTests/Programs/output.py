"""Output in bulk: a gigabyte that is read slowly, and one that nobody reads."""

import glob
import os
import subprocess

from cordon_rest import *

LINE = 10
LINES = 1_073_741_830 // LINE  # One gibibyte of nine digits and a line feed.


def counter(lines=LINES):
    """A program that writes `lines` numbers, ten bytes each."""
    return ["seq", "100000000", str(100_000_000 + lines - 1)]


def expected(offset, length):
    """The counter's bytes from `offset` on."""
    first, last = offset // LINE, (offset + length - 1) // LINE
    text = b"".join(b"%d\n" % n for n in range(100_000_000 + first, 100_000_000 + last + 1))
    return text[offset - first * LINE:][:length]


def allocated(id, exec):
    """The bytes of disk that an exec's output takes, index included."""
    files = glob.glob(f"{DATA_DIRECTORY}/storage/sandboxes/{id}/output/{exec.rsplit('/', 1)[1]}.*")
    return sum(os.stat(file).st_blocks * 512 for file in files)


def gigabyte_with_a_slow_reader():
    """Nothing is dropped as long as the reader comes back within seconds, however full the spool is."""
    exec = start(create(timeout_seconds=600)["id"], *counter())
    same_counter = subprocess.Popen(counter(), stdout=subprocess.PIPE)
    got = 0
    pauses = [(n << 27) + (150 << 20) for n in range(6)]
    for piece in follow(exec):
        same(piece, same_counter.stdout.read(len(piece)), f"the bytes from {got} on")
        got += len(piece)
        if pauses and got > pauses[0]:
            pauses.pop(0)
            time.sleep(2)
    same(got, LINES * LINE, "length")
    same(same_counter.wait(), 0)
    same((pauses, ending(exec)["exit_code"]), ([], 0))


def without_a_reader(budget_mib, lines=LINES, on_full="pause"):
    """The process runs through, the disk holds no more than the budget, and what is gone is counted."""
    budget, lines = int(budget_mib) << 20, int(lines)
    id = create(timeout_seconds=600)["id"]
    exec = start(id, *counter(lines), on_full=on_full)
    most = 0
    while not expect(call("GET", exec + "/wait?timeout_seconds=0"), 200).json()["result"]:
        most = max(most, allocated(id, exec))
        time.sleep(0.05)
    most = max(most, allocated(id, exec))
    assert budget // 2 <= most, f"{most} bytes on disk: these are not the files"
    assert most <= budget + (4 << 20), f"{most} bytes on disk, with a budget of {budget}"
    total = lines * LINE
    answer = expect(call("GET", exec + "/stdout", stream=True), 200)
    offset, dropped = (int(answer.headers[name]) for name in ("Cordon-Offset", "Cordon-Dropped"))
    same((dropped, int(answer.headers["Cordon-End"])), (offset, total), "Cordon-Dropped, Cordon-End")
    kept = total - offset
    assert budget // 2 <= kept <= budget, f"{kept} bytes are kept, with a budget of {budget}"
    same_counter = subprocess.Popen(
        ["seq", str(100_000_000 + offset // LINE), str(100_000_000 + lines - 1)], stdout=subprocess.PIPE)
    same_counter.stdout.read(offset % LINE)
    got = 0
    for piece in answer.iter_content(1 << 20):
        same(piece, same_counter.stdout.read(len(piece)), f"the bytes from {offset + got} on")
        got += len(piece)
    same((got, same_counter.wait()), (kept, 0), "how much is kept")
    # From the middle of what is gone: the same bytes, and how many of those asked for are missing.
    answer = expect(call("GET", exec + f"/stdout?offset={offset - 12345}&limit=100"), 200)
    same((answer.headers["Cordon-Offset"], answer.headers["Cordon-Dropped"]), (str(offset), "12345"), "a gap")
    same(answer.content, expected(offset, 100), "behind the gap")
    terminate(id)
    same(call("GET", exec + f"/stdout?offset={total - 50}").content, expected(total - 50, 50), "after the sandbox")


def dropped_under_a_reader():
    """With `drop` a process never waits: who reads slowly is told what is missing, to the byte."""
    lines = 20_000_000
    id = create()["id"]
    exec = start(id, *counter(lines), on_full="drop")
    with call("GET", exec + "/stdout?follow=true", stream=True) as answer:
        expect(answer, 200)
        same(ending(exec)["exit_code"], 0, "its status, while the reader sleeps")
        head = answer.raw.read(50)
        same(head, expected(0, 50), "what the reader was sent before")
    offset, counted, got = 0, 0, 0
    while offset < lines * LINE:
        answer = expect(call("GET", exec + f"/stdout?offset={offset}&follow=true&limit=5000000"), 200)
        same(int(answer.headers["Cordon-Offset"]), offset + int(answer.headers["Cordon-Dropped"]), "Cordon-Offset")
        counted += int(answer.headers["Cordon-Dropped"])
        offset = int(answer.headers["Cordon-Offset"])
        same(answer.content, expected(offset, len(answer.content)), f"from {offset} on")
        got += len(answer.content)
        offset += len(answer.content)
    assert counted > 0
    same(got + counted, lines * LINE, "what came and what is counted as gone")


def reader_that_stops_reading():
    """A connection that takes nothing holds its process back for seconds only."""
    exec = start(create()["id"], *counter(20_000_000))
    with call("GET", exec + "/stdout?follow=true", stream=True) as answer:
        expect(answer, 200)
        same(ending(exec)["exit_code"], 0, "its status")


def readable_to_the_end_and_beyond(phase, id="", exec=""):
    """The stages are programs of their own: the service is killed in between."""
    wanted = b"".join(b"%d\n" % n for n in range(30_000))
    if phase == "begin":
        id = create()["id"]
        exec = start(id, "sh", "-c", "seq 0 29999; echo oops >&2")
        same(whole(exec), wanted, "stdout")
        print(id, exec)
    elif phase == "end":
        terminate(id)
    same(whole(exec), wanted, f"stdout, {phase}")
    same(whole(exec, "stderr"), b"oops\n", f"stderr, {phase}")
    same(call("GET", exec + "/stdout?offset=100&limit=50").content, wanted[100:150], f"a part, {phase}")
    entries = expect(call("GET", exec + "/logs"), 200).json()["entries"]
    same("".join(e["text"] for e in entries if e["stream"] == "stdout"), wanted.decode(), f"logs, {phase}")
    same(ending(exec)["exit_code"], 0, f"status, {phase}")


run_check(globals())
