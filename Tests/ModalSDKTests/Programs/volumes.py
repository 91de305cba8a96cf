"""Volumes of both versions: files in and out, in sandboxes and without one."""

import io
import os
import tempfile
import uuid

import modal
from modal.exception import InvalidError, NotFoundError
from sdk import OLD, main, raises, run, same, sandbox


def volume(version):
    return modal.Volume.from_name(f"v{version}-{uuid.uuid4().hex[:8]}", create_if_missing=True, version=version)


def both(check):
    for version in (1, 2):
        check(volume(version))


def check_write_in_one_sandbox_read_in_another():
    def check(own):
        with sandbox(volumes={"/data": own}) as box:
            run(box, "sh", "-c", "mkdir -p /data/d; echo written > /data/d/x; sync")
            box.reload_volumes()
        same(b"".join(own.read_file("d/x")), b"written\n")
        with sandbox(volumes={"/elsewhere": own}) as box:
            same(run(box, "cat", "/elsewhere/d/x"), "written\n")
    both(check)


def check_upload_list_read_copy_remove():
    def check(own):
        large = os.urandom(9 << 20) + b"\0" * 1000
        with tempfile.TemporaryDirectory() as directory:
            os.mkdir(directory + "/t")
            with open(directory + "/t/a", "w") as file:
                file.write("a\n")
            with own.batch_upload() as batch:
                batch.put_directory(directory + "/t", "/up")
                batch.put_file(io.BytesIO(large), "/up/large")
                batch.put_file(io.BytesIO(b""), "/up/empty")
        same(sorted(entry.path for entry in own.listdir("/", recursive=True) if entry.type.name == "FILE"),
             ["up/a", "up/empty", "up/large"])
        assert b"".join(own.read_file("up/large")) == large
        same(b"".join(own.read_file("up/empty")), b"")
        with raises(FileExistsError):
            with own.batch_upload() as batch:
                batch.put_file(io.BytesIO(b"x"), "/up/a")
        with own.batch_upload(force=True) as batch:
            batch.put_file(io.BytesIO(b"again\n"), "/up/a")
        own.copy_files(["up/a"], "copy")
        same(b"".join(own.read_file("copy")), b"again\n")
        own.remove_file("copy")
        with raises(FileNotFoundError):
            b"".join(own.read_file("copy"))
        own.remove_file("up", recursive=True)
        same(own.listdir("/"), [])
    both(check)


def check_read_only():
    def check(own):
        with sandbox(volumes={"/data": own.read_only() if hasattr(own, "read_only") else own}) as box:
            process = box.exec("sh", "-c", "echo x > /data/x")
            if hasattr(own, "read_only"):
                assert process.wait() != 0 and "ead-only" in process.stderr.read()
    both(check)


def check_part_of_a_volume_new():
    def check(own):
        part = own.with_mount_options(sub_path="/users/me")
        with sandbox(volumes={"/mine": part}) as box:
            run(box, "sh", "-c", "echo mine > /mine/x; sync")
            same(run(box, "sh", "-c", "ls -a /mine/.. | grep -c users || true"), "0\n")
            box.reload_volumes()
        same(b"".join(own.read_file("users/me/x")), b"mine\n")
        with sandbox(volumes={"/all": own}) as box:
            same(run(box, "cat", "/all/users/me/x"), "mine\n")
        with sandbox(volumes={"/ro": part.with_mount_options(read_only=True)}) as box:
            same(run(box, "cat", "/ro/x"), "mine\n")
            assert box.exec("sh", "-c", "echo x > /ro/y").wait() != 0
        for path in ("../outside", "a/../../outside"):
            with raises(Exception):
                sandbox(volumes={"/mine": own.with_mount_options(sub_path=path)})
    both(check)


def check_what_others_see_and_when():
    def check(own):
        with sandbox(volumes={"/data": own}) as writer, sandbox(volumes={"/data": own}) as reader:
            run(writer, "sh", "-c", "echo one > /data/x")
            writer.reload_volumes()
            reader.reload_volumes()
            same(run(reader, "cat", "/data/x"), "one\n")
    both(check)


def check_paths_that_lead_out():
    own = volume(2)
    for path in ("../x", "a/../../x", "/.."):
        with raises(Exception):
            list(own.listdir(path))
        with raises(Exception):
            b"".join(own.read_file(path))
        with raises(Exception):
            own.remove_file(path, recursive=True)
        with raises(Exception):
            with own.batch_upload() as batch:
                batch.put_file(io.BytesIO(b"x"), path)
    # A link that leads out ends in a place where there is nothing of the host's.
    with tempfile.NamedTemporaryFile() as secret:
        secret.write(b"the host's")
        secret.flush()
        directory, name = os.path.split(secret.name)
        with sandbox(volumes={"/data": own}) as box:
            run(box, "sh", "-c", f"ln -s {secret.name} /data/link; ln -s ../../../..{directory} /data/dir; sync")
            box.reload_volumes()
        for path in ("link", f"dir/{name}"):
            with raises(Exception):
                b"".join(own.read_file(path))


def check_listing_and_what_is_missing():
    def check(own):
        with raises(Exception):
            own.listdir("/none")
        with raises(Exception):
            own.remove_file("none")
        with own.batch_upload() as batch:
            for name in ("a", "d/b", "d/e/c"):
                batch.put_file(io.BytesIO(name.encode()), name)
        same(sorted(entry.path for entry in own.listdir("/")), ["a", "d"])
        same(sorted(entry.path for entry in own.iterdir("/", recursive=True)), ["a", "d", "d/b", "d/e", "d/e/c"])
        same([entry.path for entry in own.listdir("d/b")], ["d/b"])
    both(check)
    own = volume(2)
    with own.batch_upload() as batch:
        batch.put_file(io.BytesIO(b"c"), "d/e/c")
    own.copy_files(["d"], "copied", recursive=True)
    same(b"".join(own.read_file("copied/e/c")), b"c")


def check_names():
    own = f"named-{uuid.uuid4().hex[:8]}"
    with raises(NotFoundError):
        modal.Volume.from_name(own).hydrate()
    modal.Volume.objects.create(own)
    assert own in [volume.name for volume in modal.Volume.objects.list()]
    modal.Volume.rename(own, own + "-new")
    modal.Volume.objects.delete(own + "-new")
    with raises(NotFoundError):
        modal.Volume.from_name(own + "-new").hydrate()


def check_ephemeral():
    with modal.Volume.ephemeral() as own:
        with own.batch_upload() as batch:
            batch.put_file(io.BytesIO(b"x"), "/x")
        same(b"".join(own.read_file("x")), b"x")


if __name__ == "__main__":
    main(globals())
