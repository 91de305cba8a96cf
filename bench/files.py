"""Files in and out of a sandbox by `cordon cp`, beside `docker cp` where there is a daemon, in the same run."""

import os
import pathlib
import subprocess
import time


def copying(service):
    """Copies as a user would: one call of the command."""
    credentials = f"{service.directory}/data/credentials.json"

    def copy(source, target):
        subprocess.run([service.programs / "cordon", "cp", "--credentials", credentials, source, target], check=True)

    return copy


def docker_copying(docker):
    return lambda source, target: docker.runner("docker", "--host", docker.socket, "cp", source, target)


def timed(work, rounds):
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return seconds


def small_files(top, count):
    """A tree of files of 1 KiB, a hundred in each directory."""
    for number in range(count):
        directory = pathlib.Path(top) / f"{number // 100:03}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{number:05}").write_bytes(os.urandom(1024))
    return str(top)


def measure(report, service, docker, directory, size=1 << 30, count=10_000, entries=100_000, rounds=3):
    connection = service.connection()
    sandbox = connection.create(timeout_seconds=3600)
    ends = [("Cordon, cordon cp", copying(service), sandbox)]
    if docker:
        docker.start()
        ends.append(("docker cp", docker_copying(docker), "bench"))
    large = pathlib.Path(directory) / "large"
    with open(large, "wb") as file:
        for _ in range(size >> 20):
            file.write(os.urandom(1 << 20))
    tree = small_files(pathlib.Path(directory) / "tree", count)
    back = str(pathlib.Path(directory) / "back")
    try:
        # What ends in /. is a directory's content, for both.
        for name, source, copied in (
            (f"a file of {size >> 20} MiB", str(large), "/copied"), (f"{count} files of 1 KiB", tree + "/.", "/copied/."),
        ):
            for who, copy, end in ends:
                report.add(f"{name}, in", who, timed(lambda: copy(source, f"{end}:/copied"), rounds), unit="s")
            for who, copy, end in ends:
                report.add(f"{name}, out", who, timed(lambda: copy(f"{end}:{copied}", back), rounds), unit="s")
                subprocess.run(["rm", "-rf", back], check=True)
            connection.run(sandbox, "rm", "-rf", "/copied")
            if docker:
                docker.runner("docker", "--host", docker.socket, "exec", "bench", "/bin/busybox", "rm", "-rf", "/copied")
        connection.run(
            sandbox, "python3", "-c",
            f"import os; os.mkdir('/tmp/many'); os.chdir('/tmp/many'); [os.mknod(f'{{n:06}}') for n in range({entries})]")

        def pages():
            listed, cursor = 0, ""
            while cursor is not None:
                page = connection.call("GET", f"/v1/sandboxes/{sandbox}/files/list?path=/tmp/many&limit=10000{cursor}")
                listed += len(page["entries"])
                cursor = "&cursor=" + page["next_cursor"].replace("=", "%3D").replace("+", "%2B") if "next_cursor" in page else None
            assert listed == entries, listed

        report.add(f"list of {entries} entries, in pages of 10000", "Cordon, over HTTP", timed(pages, rounds), unit="s")
        commits(report, connection, count, rounds)
    finally:
        if docker:
            docker.stop()
        connection.remove(sandbox)


def commits(report, connection, count, rounds):
    """How long it takes to publish so many new files of 1 KiB that a sandbox has written to a volume."""
    connection.call("POST", "/v1/volumes", {"name": "bench", "if_exists": "keep"})
    sandbox = connection.create(timeout_seconds=3600, volumes=[{"volume": "bench", "path": "/v"}])
    try:
        seconds = []
        for number in range(rounds):
            connection.run(
                sandbox, "python3", "-c",
                f"import os; os.mkdir('/v/{number}'); os.chdir('/v/{number}'); "
                f"[open(f'{{n:05}}', 'wb').write(bytes(1024)) for n in range({count})]")
            seconds += timed(lambda: connection.call("POST", f"/v1/sandboxes/{sandbox}/volumes/commit"), 1)
        report.add(f"commit of {count} files of 1 KiB", "Cordon, over HTTP", seconds, unit="s")
    finally:
        connection.remove(sandbox)
        connection.call("DELETE", "/v1/volumes/bench")
