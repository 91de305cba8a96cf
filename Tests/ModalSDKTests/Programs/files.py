"""Files in a sandbox: `sb.filesystem` of the newer SDK, `open`, `ls`, `mkdir`, `rm` and `watch` of the older one."""

import os
import tempfile
import threading

import modal
from sdk import OLD, app, host, main, once, raises, run, same, until

if not OLD:
    from modal.exception import (InvalidError, SandboxFilesystemDirectoryNotEmptyError, SandboxFilesystemError,
                                 SandboxFilesystemIsADirectoryError, SandboxFilesystemNotADirectoryError,
                                 SandboxFilesystemNotFoundError, SandboxFilesystemPathAlreadyExistsError)


def box():
    return once("box", lambda: modal.Sandbox.create(app=app(), image=host(), timeout=600))


def files():
    return box().filesystem


# 1.6.4


def check_write_and_read_new():
    data = bytes(range(256)) * 10
    files().write_bytes(data, "/made/on/the/way/binary")
    same(files().read_bytes("/made/on/the/way/binary"), data)
    files().write_text("grün\n", "/text")
    same(files().read_text("/text"), "grün\n")
    files().write_text("", "/text")
    same(files().read_text("/text"), "")


def check_large_file_new():
    data = os.urandom(20_000_000)
    files().write_bytes(data, "/large")
    assert files().read_bytes("/large") == data


def check_local_copies_new():
    with tempfile.TemporaryDirectory() as directory:
        with open(directory + "/a", "wb") as file:
            file.write(b"local")
        files().copy_from_local(directory + "/a", "/copied")
        files().copy_to_local("/copied", directory + "/deep/b")
        same(open(directory + "/deep/b", "rb").read(), b"local")
        with raises(SandboxFilesystemNotFoundError):
            files().copy_to_local("/none", directory + "/a")
        same(open(directory + "/a", "rb").read(), b"local")


def check_read_errors_new():
    files().make_directory("/errors")
    with raises(SandboxFilesystemNotFoundError):
        files().read_bytes("/errors/none")
    with raises(SandboxFilesystemIsADirectoryError):
        files().read_text("/errors")
    with raises(SandboxFilesystemIsADirectoryError):
        files().write_text("x", "/errors")
    files().write_text("x", "/errors/file")
    with raises(SandboxFilesystemNotADirectoryError):
        files().write_text("x", "/errors/file/below")
    with raises(InvalidError):
        files().read_text("relative")


def check_lists_new():
    run(box(), "sh", "-c", "mkdir -p /l/d/nested; echo x > /l/b; ln -s b /l/a; ln -s none /l/c")
    listed = files().list_files("/l")
    same([(entry.name, entry.type.value if hasattr(entry.type, "value") else entry.type) for entry in listed],
         [("a", "symlink"), ("b", "file"), ("c", "symlink"), ("d", "directory")])
    same(files().list_files("/l/d/nested"), [])
    with raises(SandboxFilesystemNotFoundError):
        files().list_files("/l/none")
    with raises(SandboxFilesystemNotADirectoryError):
        files().list_files("/l/b")


def check_stat_new():
    run(box(), "sh", "-c", "printf 12345 > /s; chmod 640 /s; ln -sf s /link")
    told = files().stat("/s")
    same((told.name, told.path, told.size, told.mode & 0o777), ("s", "/s", 5, 0o640))
    same(told.owner, run(box(), "stat", "-c", "%U", "/s").strip())
    same(files().stat("/link").name, "link")
    with raises(SandboxFilesystemNotFoundError):
        files().stat("/none")


def check_directories_new():
    files().make_directory("/m/a/b")
    files().make_directory("/m/a/b")
    with raises(SandboxFilesystemPathAlreadyExistsError):
        files().make_directory("/m/a", create_parents=False)
    with raises(SandboxFilesystemNotFoundError):
        files().make_directory("/m/x/y", create_parents=False)


def check_removal_new():
    run(box(), "sh", "-c", "mkdir -p /r/full /r/empty; echo > /r/full/x; ln -s full /r/link")
    with raises(SandboxFilesystemDirectoryNotEmptyError):
        files().remove("/r/full")
    files().remove("/r/link")
    same(run(box(), "ls", "/r/full"), "x\n")
    files().remove("/r/empty")
    files().remove("/r/full", recursive=True)
    with raises(SandboxFilesystemNotFoundError):
        files().remove("/r/full")


def check_watch_new():
    files().make_directory("/w")
    seen = []

    def watch():
        for event in files().watch("/w", timeout=30):
            seen.append(event)
            if any(path.endswith("new") for path in event.paths):
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    until(lambda: run(box(), "sh", "-c", "echo x > /w/new; rm /w/new") == "" and seen, "an event")
    thread.join(60)
    with raises(SandboxFilesystemNotFoundError):
        list(files().watch("/none", timeout=1))


# 1.2.6


def check_open_old():
    with box().open("/old-file", "w") as file:
        file.write("one\ntwo\n")
        file.flush()
    with box().open("/old-file", "r") as file:
        same(file.readline(), "one\n")
        same(file.read(), "two\n")
        file.seek(0)
        same(file.readlines(), ["one\n", "two\n"])
    with box().open("/old-file", "ab") as file:
        file.write(b"\xff")
    with box().open("/old-file", "rb") as file:
        same(file.read(), b"one\ntwo\n\xff")
        file.seek(-1, 2)
        same(file.read(1), b"\xff")


def check_open_errors_old():
    with raises(FileNotFoundError):
        box().open("/none/file", "r")
    with raises(FileExistsError):
        box().mkdir("/tmp")
    with raises(NotADirectoryError):
        box().ls("/etc/passwd")


def check_directories_old():
    box().mkdir("/dir/a/b", parents=True)
    same(sorted(box().ls("/dir/a")), ["b"])
    box().rm("/dir", recursive=True)
    with raises(FileNotFoundError):
        box().ls("/dir")


if __name__ == "__main__":
    main(globals())
