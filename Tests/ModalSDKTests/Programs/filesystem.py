"""`sandbox.filesystem` in all that it promises: contents, lists, attributes, links, errors, watches, large files."""

import os
import tempfile
import threading

import modal
from modal.exception import (InvalidError, NotFoundError, SandboxFilesystemDirectoryNotEmptyError,
                             SandboxFilesystemFileTooLargeError, SandboxFilesystemIsADirectoryError,
                             SandboxFilesystemNotADirectoryError, SandboxFilesystemNotFoundError,
                             SandboxFilesystemPathAlreadyExistsError)
from modal.types import FileWatchEventType
from sdk import app, host, main, once, raises, run, same, sandbox, until


def box():
    return once("box", lambda: modal.Sandbox.create(app=app(), image=host(), timeout=600))


def files():
    return box().filesystem


def shell(script):
    return run(box(), "sh", "-ec", script)


# Writing and reading


def check_contents_come_back_as_they_were():
    every = bytes(range(256))
    for data in (b"", b"x", every, bytearray(every), memoryview(every), os.urandom(1_000_000)):
        files().write_bytes(data, "/contents/bytes")
        same(files().read_bytes("/contents/bytes"), bytes(data), type(data))
    for text in ("", "grün\n", "line\n" * 100_000):
        files().write_text(text, "/contents/text")
        same(files().read_text("/contents/text"), text)
    # What was longer before leaves nothing behind.
    files().write_text("short", "/contents/text")
    same(shell("cat /contents/text; stat -c %s /contents/text"), "short5\n")
    for data in ("text", 5, None):
        with raises(TypeError):
            files().write_bytes(data, "/contents/none")
    with raises(TypeError):
        files().write_text(b"bytes", "/contents/none")


def check_names_of_all_kinds():
    for name in ("a b", "ä€😀", "quote\"'", "new\nline", "-rf", "$(id)", "x" * 255):
        files().write_text(name, f"/names/{name}")
        same(files().read_text(f"/names/{name}"), name)
    same(len(files().list_files("/names")), 7)


def check_where_nothing_can_be_written_or_read():
    shell("mkdir -p /wr/directory; echo x > /wr/file")
    with raises(SandboxFilesystemIsADirectoryError):
        files().write_bytes(b"x", "/wr/directory")
    with raises(SandboxFilesystemNotADirectoryError):
        files().write_bytes(b"x", "/wr/file/below")
    for read in (files().read_bytes, files().read_text):
        with raises(SandboxFilesystemNotFoundError):
            read("/wr/none")
        with raises(SandboxFilesystemIsADirectoryError):
            read("/wr/directory")
    same(shell("cat /wr/file"), "x\n")


def check_relative_paths_are_refused():
    calls = (files().read_bytes, files().read_text, files().list_files, files().stat, files().make_directory,
             files().remove, lambda path: files().write_bytes(b"", path), lambda path: files().write_text("", path),
             lambda path: files().copy_from_local("/etc/hostname", path),
             lambda path: files().copy_to_local(path, "/tmp/none"), lambda path: list(files().watch(path, timeout=1)))
    for call in calls:
        with raises(InvalidError):
            call("relative/path")


def check_what_is_too_large():
    shell("truncate -s 6G /sparse")
    for read in (files().read_bytes, files().read_text, lambda path: files().copy_to_local(path, "/tmp/cordon-none")):
        with raises(SandboxFilesystemFileTooLargeError):
            read("/sparse")
    same(files().stat("/sparse").size, 6 << 30)


# Copies


def check_copies_from_and_to_here():
    data = os.urandom(3_000_000)
    with tempfile.TemporaryDirectory() as here:
        for name, content in (("binary", data), ("empty", b""), ("text", b"line\n")):
            with open(f"{here}/{name}", "wb") as file:
                file.write(content)
            files().copy_from_local(f"{here}/{name}", f"/copies/deep/{name}")
            files().copy_to_local(f"/copies/deep/{name}", f"{here}/back/deep/{name}")
            with open(f"{here}/back/deep/{name}", "rb") as file:
                assert file.read() == content, name
        with raises(FileNotFoundError):
            files().copy_from_local(f"{here}/none", "/copies/none")
        with raises(IsADirectoryError):
            files().copy_from_local(here, "/copies/none")
        with raises(SandboxFilesystemIsADirectoryError):
            files().copy_from_local(f"{here}/text", "/copies/deep")
        with raises(SandboxFilesystemNotADirectoryError):
            files().copy_from_local(f"{here}/text", "/copies/deep/text/below")
        with raises(SandboxFilesystemIsADirectoryError):
            files().copy_to_local("/copies/deep", f"{here}/text")
        with raises(SandboxFilesystemNotFoundError):
            files().copy_to_local("/copies/none", f"{here}/text")
        with raises(IsADirectoryError):
            files().copy_to_local("/copies/deep/text", here)
        with open(f"{here}/text", "rb") as file:
            same(file.read(), b"line\n", "a file here, when what should replace it can't be had")
    assert not [name for name in os.listdir("/tmp") if name.startswith("cordon-none")]


# Lists and attributes


def check_lists():
    shell("mkdir -p /l/sub/deep; echo 12345 > /l/b; chmod 640 /l/b; : > /l/A; ln -s b /l/c; ln -s none /l/d; "
          "ln -s sub /l/e; ln -s sub /l-link; touch -d @1234567890 /l/b")
    listed = files().list_files("/l")
    same([(entry.name, str(entry.type.value), entry.symlink_target) for entry in listed],
         [("A", "file", None), ("b", "file", None), ("c", "symlink", "b"), ("d", "symlink", "none"),
          ("e", "symlink", "sub"), ("sub", "directory", None)])
    entry = listed[1]
    same((entry.path, entry.size, entry.mode & 0o7777, int(entry.modified_time)), ("/l/b", 6, 0o640, 1234567890))
    shell("ln -s /l /via")
    same([entry.name for entry in files().list_files("/via")], ["A", "b", "c", "d", "e", "sub"])
    same([entry.name for entry in files().list_files("/l/sub")], ["deep"])
    same(files().list_files("/l/sub/deep"), [])
    for path, error in (("/l/none", SandboxFilesystemNotFoundError), ("/l/b", SandboxFilesystemNotADirectoryError),
                        ("/l/b/below", SandboxFilesystemNotADirectoryError)):
        with raises(error):
            files().list_files(path)


def check_attributes_are_those_of_stat():
    shell("mkdir -p /s/dir; printf 1234567 > /s/file; : > /s/empty; chmod 4751 /s/file; chmod 1777 /s/dir; "
          "chown 1:daemon /s/file; ln -s file /s/to-file; ln -s ../s/dir /s/to-dir; ln -s none /s/dangling")
    kinds = {"regular file": "file", "regular empty file": "file", "directory": "directory", "symbolic link": "symlink"}
    for name in ("dir", "file", "empty", "to-file", "to-dir", "dangling"):
        told = files().stat("/s/" + name)
        size, mode, text, owner, group, time, kind = shell(
            f"stat -c '%s|%a|%A|%U|%G|%Y|%F' /s/{name}").strip().split("|")
        same((told.name, told.path, told.size, told.mode & 0o7777, told.owner, told.group, int(told.modified_time),
              str(told.type.value)),
             (name, "/s/" + name, int(size), int(mode, 8), owner, group, int(time), kinds[kind]))
        assert text.endswith(told.permissions[1:]), (text, told.permissions)
    targets = {name: files().stat("/s/" + name).symlink_target for name in ("file", "dir", "to-file", "to-dir", "dangling")}
    same(targets, {"file": None, "dir": None, "to-file": "file", "to-dir": "../s/dir", "dangling": "none"})
    with raises(SandboxFilesystemNotFoundError):
        files().stat("/s/none")
    with raises(SandboxFilesystemNotADirectoryError):
        files().stat("/s/file/below")


# Directories


def check_directories():
    files().make_directory("/m/a/b/c")
    files().make_directory("/m/a/b/c")
    files().make_directory("/m/one", create_parents=False)
    same(shell("cd /m; find . -type d | sort | tr '\\n' ' '"), ". ./a ./a/b ./a/b/c ./one ")
    shell("echo x > /m/file")
    for path, parents, error in (
            ("/m/one", False, SandboxFilesystemPathAlreadyExistsError), ("/m/file", False, SandboxFilesystemPathAlreadyExistsError),
            ("/m/file", True, (SandboxFilesystemPathAlreadyExistsError, SandboxFilesystemNotADirectoryError)), ("/m/none/x", False, SandboxFilesystemNotFoundError),
            ("/m/file/x", True, SandboxFilesystemNotADirectoryError), ("/m/file/x", False, SandboxFilesystemNotADirectoryError)):
        with raises(error):
            files().make_directory(path, create_parents=parents)


def check_removal():
    shell("mkdir -p /r/empty /r/full/deep /r/kept; echo x > /r/full/deep/x; echo x > /r/file; echo x > /r/kept/x; "
          "ln -s kept /r/link; ln -s /r/kept /r/full/link")
    files().remove("/r/file")
    files().remove("/r/empty")
    files().remove("/r/link")
    with raises(SandboxFilesystemDirectoryNotEmptyError):
        files().remove("/r/full")
    files().remove("/r/full", recursive=True)
    same(shell("cd /r; find . | sort | tr '\\n' ' '"), ". ./kept ./kept/x ")
    for path in ("/r/none", "/r/none/below"):
        with raises(SandboxFilesystemNotFoundError):
            files().remove(path)


# Watches


def watched(path, act, **options):
    """What a watch tells of an act: kinds and paths. Marks at both ends say that it sees, and has seen all."""
    seen, failed = [], []

    def watch():
        try:
            for event in files().watch(path, timeout=120, **options):
                seen.append((event.type.value, event.paths))
                if any(path.endswith("mark-end") for path in event.paths):
                    return
        except BaseException as error:  # Told below.
            failed.append(error)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()

    def mark(name):
        until(lambda: failed or (shell(f"cd {path}; echo > {name}; echo >> {name}; rm {name}") == "" and any(
            told.endswith(name) for _, paths in list(seen) for told in paths)), f"{name} by the watch of {path}")

    mark("mark-begin")
    act()
    mark("mark-end")
    thread.join(60)
    assert not failed, failed
    assert not thread.is_alive(), "the watch goes on"
    return [(kind, paths) for kind, paths in seen if not any("mark-" in path for path in paths)]


def check_watch_tells_what_happens():
    shell("mkdir -p /w/sub")
    told = watched("/w", lambda: shell("echo > /w/new; echo >> /w/new; rm /w/new; echo > /w/sub/deep"))
    same([event for event in told if event[0] in ("Create", "Remove")], [("Create", ["/w/new"]), ("Remove", ["/w/new"])])
    assert ("Modify", ["/w/new"]) in told, told
    assert not [event for event in told if "/w/sub/deep" in event[1]], told


def check_watch_of_a_tree():
    shell("mkdir -p /wt/sub")
    told = watched("/wt", lambda: shell("echo > /wt/sub/x; mkdir -p /wt/new/deep; echo > /wt/new/deep/y"), recursive=True)
    created = {path for kind, paths in told if kind == "Create" for path in paths}
    assert {"/wt/sub/x", "/wt/new", "/wt/new/deep"} <= created, told


def check_watch_of_moves():
    for recursive in (False, True):
        top = f"/wm-{recursive}"
        shell(f"mkdir {top}; echo > {top}/a; echo > {top}/out; echo > {top}-in; echo > {top}-replaced")
        told = watched(top, lambda: shell(f"mv {top}/a {top}/b; mv {top}-in {top}/in; mv {top}/out {top}-out"),
                       recursive=recursive)
        same(told, [("Modify", [f"{top}/a", f"{top}/b"]), ("Modify", [f"{top}/in"]), ("Modify", [f"{top}/out"])])


def check_watch_filters():
    shell("mkdir /wf")

    def act():
        shell("echo > /wf/x; echo >> /wf/x; mv /wf/x /wf/y; rm /wf/y")

    same(watched("/wf", act, filter=[FileWatchEventType.Create]), [("Create", ["/wf/x"])])
    same(watched("/wf", act, filter=[FileWatchEventType.Remove]), [("Remove", ["/wf/y"])])
    told = watched("/wf", act, filter=[FileWatchEventType.Modify])
    assert ("Modify", ["/wf/x", "/wf/y"]) in told and {kind for kind, _ in told} == {"Modify"}, told


def check_watch_without_events_to_tell():
    shell("mkdir /we")
    for recursive in (False, True):
        ended = threading.Event()

        def act():
            while not ended.wait(0.05):
                shell("echo > /we/x; rm /we/x")

        thread = threading.Thread(target=act, daemon=True)
        thread.start()
        same(list(files().watch("/we", filter=[], recursive=recursive, timeout=1)), [])
        ended.set()
        thread.join(60)
    same(list(files().watch("/we", timeout=0)), [])
    with raises(SandboxFilesystemNotFoundError):
        list(files().watch("/we/none", timeout=1))


def check_watch_of_one_file():
    shell("echo > /wo")
    seen = []

    def watch():
        for event in files().watch("/wo", timeout=120):
            seen.append((event.type.value, event.paths))
            return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    until(lambda: shell("echo >> /wo; echo > /beside") == "" and seen, "an event of the file")
    same(seen[0], ("Modify", ["/wo"]))
    # Who leaves the loop ends the watch.
    thread.join(60)
    assert not thread.is_alive()


def check_files_of_a_sandbox_that_is_over():
    with sandbox() as gone:
        gone.filesystem.write_text("x", "/x")
    gone.wait(raise_on_termination=False)
    again = modal.Sandbox.from_id(gone.object_id)
    for call in (lambda: again.filesystem.read_text("/x"), lambda: again.filesystem.write_text("y", "/x"),
                 lambda: again.filesystem.list_files("/")):
        with raises(NotFoundError):
            call()


if __name__ == "__main__":
    main(globals())
