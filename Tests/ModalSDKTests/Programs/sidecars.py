"""Sidecars: second containers inside of a sandbox."""

import asyncio
import os
import urllib.parse
import uuid

import modal
from grpclib.client import Channel
from grpclib.const import Status
from grpclib.exceptions import GRPCError
from modal_proto import api_grpc, api_pb2, task_command_router_grpc, task_command_router_pb2
from modal.exception import AlreadyExistsError, InvalidError, NotFoundError, SandboxTerminatedError
from sdk import host, main, once, raises, run, same, sandbox, until

SERVER = """
import socket
server = socket.create_server(('127.0.0.1', 7000))
while True:
    client, _ = server.accept()
    client.sendall(b'beside')
    client.close()
"""
FETCH = """
import socket, sys, time
for _ in range(600):
    try:
        client = socket.create_connection(('127.0.0.1', 7000), 10)
        print(client.recv(100).decode())
        sys.exit(0)
    except OSError: time.sleep(0.1)
sys.exit(1)
"""


def built():
    """The host's image as one that was built: sidecars take no other."""
    return once("built", lambda: host().build(once("built-app", lambda: modal.App.lookup("sidecars", create_if_missing=True))))


def sidecar(box, *argv, name="side", **options):
    return box._experimental_sidecars.create(*argv, name=name, image=built(), **options)


def check_basic_lifecycle():
    with sandbox() as box:
        side = sidecar(box, "sleep", "1000")
        same(side.poll(), None)
        same([each.object_id for each in box._experimental_sidecars.list()], [side.object_id])
        same(box._experimental_sidecars.get(name="side").object_id, side.object_id)
        same(side.terminate(wait=True), 137)
        same(side.poll(), 137)
        with raises(SandboxTerminatedError):
            side.wait()
        same(box._experimental_sidecars.list(), [])
        with raises(NotFoundError):
            box._experimental_sidecars.get(name="side")
        ended = box._experimental_sidecars.get(name="side", include_terminated=True)
        same((ended.object_id, ended.poll()), (side.object_id, 137))
        same(box.poll(), None)


def check_wait_after_natural_exit():
    with sandbox() as box:
        side = sidecar(box, "sh", "-c", "exit 42")
        side.wait()
        same(side.poll(), 42)
        side.terminate()
        same(side.poll(), 42)
        until(lambda: not box._experimental_sidecars.list(), "an end")
        with raises(NotFoundError):
            box._experimental_sidecars.get(name="side")
        again = sidecar(box, "sleep", "1000")
        same(box._experimental_sidecars.get(name="side", include_terminated=True).object_id, again.object_id)
        with raises(AlreadyExistsError):
            sidecar(box, "sleep", "1000")
        both = box._experimental_sidecars.list(include_terminated=True)
        same([each.object_id for each in both], [side.object_id, again.object_id])
        same(both[0].poll(), 42)


def check_names_and_images():
    with sandbox() as box:
        for name in ["main", ""]:
            with raises(InvalidError):
                sidecar(box, name=name)
            with raises(InvalidError):
                box._experimental_sidecars.get(name=name)
        with raises(InvalidError):
            box._experimental_sidecars.create(name="x", image=modal.Image.from_registry("never-built"))
        with raises(Exception, "shares its sandbox's network"):
            sidecar(box, outbound_cidr_allowlist=["203.0.113.0/24"])


def check_secrets_env_and_exec():
    secret = modal.Secret.from_dict({"A": "secret", "B": "secret"})
    with sandbox() as box:
        side = sidecar(box, secrets=[secret], env={"B": "env"}, workdir="/srv")
        same(run(side, "sh", "-c", "echo $A $B $C; pwd", env={"C": "exec"}), "secret env exec\n/srv\n")
        same(run(side, "sh", "-c", "echo $MODAL_SANDBOX_ID"), box.object_id + "\n")
        process = side.exec("sh", "-c", "cat; echo err >&2; exit 7")
        process.stdin.write("in\n")
        process.stdin.write_eof()
        process.stdin.drain()
        same((process.stdout.read(), process.stderr.read(), process.wait()), ("in\n", "err\n", 7))
        terminal = side.exec("tty", pty=True)
        assert terminal.stdout.read().startswith("/dev/pts/"), "no terminal"
        same(terminal.wait(), 0)


def check_file_system():
    with sandbox() as box:
        side = sidecar(box)
        side.filesystem.write_text("of the sidecar", "/srv/x")
        same(side.filesystem.read_text("/srv/x"), "of the sidecar")
        same([each.name for each in side.filesystem.list_files("/srv")], ["x"])
        same(box.exec("test", "-e", "/srv/x").wait(), 1)
        image = side.snapshot_filesystem()
        side.mount_image("/mounted", side.snapshot_directory("/srv"))
        same(run(side, "cat", "/mounted/x"), "of the sidecar")
        same(box.exec("test", "-e", "/mounted").wait(), 1)
        side.unmount_image("/mounted")
        other = box._experimental_sidecars.create(name="other", image=image)
        same(run(other, "cat", "/srv/x"), "of the sidecar")


def check_volumes():
    volume = modal.Volume.from_name("sidecars-" + uuid.uuid4().hex, create_if_missing=True)
    with sandbox() as box:
        side = sidecar(box, volumes={"/data": volume})
        reader = sidecar(box, name="reader", volumes={"/data": volume.with_mount_options(read_only=True)})
        run(side, "sh", "-c", "echo kept > /data/x")
        same(box.exec("test", "-e", "/data/x").wait(), 1)
        side.terminate(wait=True)
        reader.reload_volumes()
        same(run(reader, "cat", "/data/x"), "kept\n")
        assert reader.exec("touch", "/data/y").wait() != 0, "a volume that is read only was written to"


def check_shared_localhost():
    with sandbox() as box:
        sidecar(box, "python3", "-c", SERVER)
        same(run(box, "python3", "-c", FETCH), "beside\n")


def check_ends_with_its_sandbox():
    with sandbox("cat") as box:
        side = sidecar(box, "sleep", "1000")
        box.stdin.write_eof()
        box.stdin.drain()
        box.wait()
        side.wait(raise_on_termination=False)
        same(side.poll(), 137)


def check_only_of_its_own_sandbox():
    """A statement about one sandbox doesn't reach another's sidecars."""
    place = urllib.parse.urlsplit(os.environ["MODAL_SERVER_URL"])

    async def ask(mine, theirs):
        channel = Channel(place.hostname, place.port)
        try:
            token = {"x-modal-token-id": os.environ["MODAL_TOKEN_ID"], "x-modal-token-secret": os.environ["MODAL_TOKEN_SECRET"]}
            access = await api_grpc.ModalClientStub(channel).SandboxGetCommandRouterAccess(
                api_pb2.SandboxGetCommandRouterAccessRequest(sandbox_id=mine), metadata=token)
            router = task_command_router_grpc.TaskCommandRouterStub(channel)
            task = "ta-" + mine.removeprefix("sb-") + "V"
            for call, request in [
                (router.TaskContainerTerminate, task_command_router_pb2.TaskContainerTerminateRequest(task_id=task, container_id=theirs)),
                (router.TaskExecStart, task_command_router_pb2.TaskExecStartRequest(
                    task_id=task, container_id=theirs, exec_id="e-foreign", command_args=["true"])),
            ]:
                with raises(GRPCError) as refusal:
                    await call(request, metadata={"authorization": "Bearer " + access.jwt})
                same(refusal.error.status, Status.NOT_FOUND)
        finally:
            channel.close()

    with sandbox() as box, sandbox() as other:
        side = sidecar(box)
        asyncio.run(ask(other.object_id, side.object_id))
        asyncio.run(ask(other.object_id, box.object_id))
        same(side.poll(), None)


if __name__ == "__main__":
    main(globals())
