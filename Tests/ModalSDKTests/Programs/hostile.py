"""What a client with a token, or with a statement about one sandbox, can't do: reach others', or end the service.

Speaks the protocol itself, with the messages of the SDK: its own client would send none of this.
"""

import asyncio
import base64
import json
import os
import random
import urllib.error
import urllib.request
import uuid

import grpclib.client
import grpclib.const
import modal
from grpclib import GRPCError, Status
from google.protobuf.descriptor import FieldDescriptor as Field
from modal_proto import api_grpc, api_pb2, task_command_router_grpc, task_command_router_pb2 as router
from sdk import app, host, main, once, run, same, sandbox

HOST, PORT = os.environ["MODAL_SERVER_URL"].removeprefix("http://").rstrip("/").rsplit(":", 1)
TOKEN = {"x-modal-token-id": os.environ["MODAL_TOKEN_ID"], "x-modal-token-secret": os.environ["MODAL_TOKEN_SECRET"],
         "x-modal-client-version": "1.6.4"}


def box():
    return once("box", lambda: modal.Sandbox.create("sleep", "1000", app=app(), image=host(), timeout=600))


class Client:
    """A connection, and both of the services by way of it."""

    def __init__(self, headers=TOKEN):
        self.channel, self.headers = grpclib.client.Channel(HOST, int(PORT)), headers
        self.control = api_grpc.ModalClientStub(self.channel)
        self.router = task_command_router_grpc.TaskCommandRouterStub(self.channel)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        self.channel.close()

    async def call(self, method, request, timeout=30):
        """The last answer, or the status that it was refused with."""
        try:
            async with method.open(timeout=timeout, metadata=self.headers) as stream:
                await stream.send_message(request, end=True)
                answer = None
                while (next := await stream.recv_message()) is not None:
                    answer = next
                await stream.recv_trailing_metadata()
                return answer
        except GRPCError as error:
            return error.status
        except asyncio.TimeoutError:
            return Status.DEADLINE_EXCEEDED


def methods(stub):
    return {name: method for name, method in vars(stub).items() if isinstance(method, grpclib.client.ServiceMethod)}


def started(*argv):
    """A command's id, once it runs."""
    exec_id = str(uuid.uuid4())

    async def start():
        async with Client() as client:
            own = await statement(client, box().object_id)
        async with Client({"authorization": f"Bearer {own}"}) as client:
            answer = await client.call(client.router.TaskExecStart, router.TaskExecStartRequest(
                task_id=task_of(box()), exec_id=exec_id, command_args=argv, stdout_config=1, stderr_config=1))
            assert not isinstance(answer, Status), answer

    box()
    asyncio.run(start())
    return exec_id


def task_of(made):
    return "ta-" + made.object_id.removeprefix("sb-") + "V"


async def statement(client, sandbox_id):
    answer = await client.call(
        client.control.SandboxGetCommandRouterAccess, api_pb2.SandboxGetCommandRouterAccessRequest(sandbox_id=sandbox_id))
    return answer.jwt


# Whose sandbox it is


def check_statement_is_about_one_sandbox():
    async def tried(other):
        async with Client() as client:
            theirs = task_of(box())
            own = await statement(client, other.object_id)
        async with Client({"authorization": f"Bearer {own}"}) as client:
            for name, method in methods(client.router).items():
                request = method.request_type()
                for field in ("task_id", "sandbox_id"):
                    if field in request.DESCRIPTOR.fields_by_name:
                        setattr(request, field, theirs)
                if name == "TaskExecStdinWriteStream":
                    request.start.task_id, request.start.exec_id = theirs, "x"
                answer = await client.call(method, request)
                assert answer in (Status.NOT_FOUND, Status.UNIMPLEMENTED, Status.INVALID_ARGUMENT), (name, answer)
            same(await client.call(client.router.TaskExecPoll, router.TaskExecPollRequest(task_id=theirs, exec_id="main")),
                 Status.NOT_FOUND)
            # Nor is another's sandbox a sidecar of one's own.
            for name, method in methods(client.router).items():
                request = method.request_type()
                if "container_id" not in request.DESCRIPTOR.fields_by_name:
                    continue
                request.task_id, request.container_id = task_of(other), box().object_id
                for field, value in (("exec_id", "x"), ("path", b"/tmp")):
                    if field in request.DESCRIPTOR.fields_by_name:
                        setattr(request, field, value)
                if "command_args" in request.DESCRIPTOR.fields_by_name:
                    request.command_args.append("true")
                answer = await client.call(method, request)
                assert answer == Status.NOT_FOUND, (name, answer)
            # A statement is no token.
            same(await client.call(client.control.AppList, api_pb2.AppListRequest()), Status.UNAUTHENTICATED)
    box()
    with sandbox("sleep", "1000") as other:
        asyncio.run(tried(other))
    same(run(box(), "echo", "alive"), "alive\n")


def check_statement_is_only_ours():
    def encoded(value):
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    async def tried():
        task = task_of(box())
        async with Client() as client:
            good = await statement(client, box().object_id)
            general = (await client.call(client.control.AuthTokenGet, api_pb2.AuthTokenGetRequest())).token
        head, body, seal = good.split(".")
        other = encoded(json.dumps({**json.loads(base64.urlsafe_b64decode(body + "==")), "exp": 1 << 40}).encode())
        unsigned = encoded(b'{"alg":"none","typ":"JWT"}')
        forged = (f"{head}.{other}.{seal}", f"{head}.{body}.", f"{head}.{body}", f"{head}.{body}.{seal[:-2]}AA", "", "x", "..",
                  f"{unsigned}.{body}.", general, good + "=", "a" * 8000)
        request = router.TaskExecPollRequest(task_id=task, exec_id="none")
        for text in forged:
            async with Client({"authorization": f"Bearer {text}"}) as client:
                same(await client.call(client.router.TaskExecPoll, request), Status.UNAUTHENTICATED, text[:80])
        for headers in ({}, TOKEN, {"authorization": good}):
            async with Client(headers) as client:
                same(await client.call(client.router.TaskExecPoll, request), Status.UNAUTHENTICATED)
        for headers in ({}, {**TOKEN, "x-modal-token-secret": "wrong"}, {**TOKEN, "x-modal-token-id": "wrong"}):
            async with Client(headers) as client:
                for method in methods(client.control).values():
                    answer = await client.call(method, method.request_type())
                    assert answer in (Status.UNAUTHENTICATED, Status.UNIMPLEMENTED), (method.name, answer)
    asyncio.run(tried())


# Values at the edges of their types

EDGES = {
    Field.CPPTYPE_INT32: (0, 1, -1, 2**31 - 1, -2**31, 7, 1000), Field.CPPTYPE_UINT32: (0, 1, 2**32 - 1, 2**31, 7, 1000),
    Field.CPPTYPE_INT64: (0, 1, -1, 2**63 - 1, -2**63, 2**62, 9_223_372_036_855, -9_223_372_036_855, 1_700_000_000),
    Field.CPPTYPE_UINT64: (0, 1, 2**64 - 1, 2**63, 2**63 - 1, 2**62, 100),
    Field.CPPTYPE_FLOAT: (0, 0.01, -1, 3e38, float("nan"), float("inf"), float("-inf")),
    Field.CPPTYPE_DOUBLE: (0, 0.01, -1, 1.7e308, float("nan"), float("inf"), float("-inf"), 1e19),
    Field.CPPTYPE_BOOL: (True, False),
    Field.CPPTYPE_STRING: ("", "x", "/", "/tmp", "../..", "/a/../../b", "a\0b", "ä" * 100, "9223372036854775807", "-9223372036854775808",
                           "18446744073709551615", "0" * 64, "-" * 26, "sb-", "ta-V", "main", "x/y", "A" * 70_000),
}
GENTLE = ("Terminate", "Stop", "Delete", "Disconnect")


class Filler:
    """Messages filled with values at the edges, and with ids of what there is."""

    def __init__(self, seed, ids):
        self.random, self.ids = random.Random(seed), ids

    def value(self, field):
        if field.cpp_type == Field.CPPTYPE_STRING:
            if field.type == Field.TYPE_BYTES:
                return self.random.choice((b"", b"x", b"\xff\xfe", b"/tmp", b"{}", os.urandom(32), b"x" * 70_000))
            known = next((value for name, value in self.ids.items() if field.name.startswith(name)), None)
            return known if known and self.random.random() < 0.85 else self.random.choice(EDGES[Field.CPPTYPE_STRING])
        if field.cpp_type == Field.CPPTYPE_ENUM:
            return self.random.choice([value.number for value in field.enum_type.values])
        return self.random.choice(EDGES[field.cpp_type])

    def fill(self, message, depth=0):
        for field in message.DESCRIPTOR.fields:
            # Not everything at a time: the first thing that is wrong would hide all others.
            if depth > 4 or self.random.random() < (0.5 if depth else 0.3) and field.name not in self.ids:
                continue
            if field.message_type and field.message_type.GetOptions().map_entry:
                if field.message_type.fields_by_name["value"].message_type is None:
                    key, value = (self.value(field.message_type.fields_by_name[name]) for name in ("key", "value"))
                    getattr(message, field.name)[key] = value
            elif field.is_repeated:
                for _ in range(self.random.choice((1, 1, 3))):
                    if field.message_type:
                        self.fill(getattr(message, field.name).add(), depth + 1)
                    else:
                        getattr(message, field.name).append(self.value(field))
            elif field.message_type:
                inner = getattr(message, field.name)
                inner.SetInParent()
                self.fill(inner, depth + 1)
            else:
                setattr(message, field.name, self.value(field))
        return message


def check_no_value_ends_the_service():
    volume = modal.Volume.from_name("hostile-" + uuid.uuid4().hex[:8], create_if_missing=True)
    volume.hydrate()
    exec_id = started("sh", "-c", "echo out; cat")
    ids = {"sandbox_id": box().object_id, "task_id": task_of(box()), "exec_id": exec_id,
           "volume_id": volume.object_id, "app_id": app().app_id, "image_id": host().object_id or "", "path": "/tmp"}
    bad = []

    async def one(client, name, method, seed):
        filler = Filler(f"{name} {seed}", {} if any(word in name for word in GENTLE) else ids)
        answer = await client.call(method, filler.fill(method.request_type()), timeout=2)
        if answer in (Status.INTERNAL, Status.UNKNOWN):
            bad.append((name, seed, answer))

    async def all():
        room = asyncio.Semaphore(24)

        async def bounded(*arguments):
            async with room:
                try:
                    await one(*arguments)
                except Exception as error:  # Whatever else it is: the connection has gone.
                    bad.append((arguments[1], arguments[3], repr(error)))

        async with Client() as control:
            own = await statement(control, box().object_id)
            async with Client({"authorization": f"Bearer {own}"}) as routed:
                calls = [(control, name, method) for name, method in methods(control.control).items()]
                calls += [(routed, name, method) for name, method in methods(routed.router).items()] * 4
                await asyncio.gather(*(bounded(*call, seed) for seed, call in enumerate(calls * 5)))

    asyncio.run(all())
    assert not bad, bad[:20]
    same(run(box(), "echo", "alive"), "alive\n")


def check_offsets_that_nothing_has():
    exec_id = started("sh", "-c", "echo out; cat")

    async def tried():
        task = task_of(box())
        async with Client() as client:
            own = await statement(client, box().object_id)
            for last in (0, 1, 2**63, 2**64 - 1):
                await client.call(client.control.ContainerExecGetOutput, api_pb2.ContainerExecGetOutputRequest(
                    exec_id=f"{box().object_id}/{exec_id}", timeout=0.1, last_batch_index=last, file_descriptor=1), timeout=1)
                await client.call(client.control.SandboxGetLogs, api_pb2.SandboxGetLogsRequest(
                    sandbox_id=box().object_id, timeout=0.1, last_entry_id=str(last), file_descriptor=1), timeout=1)
                await client.call(client.control.AppGetLogs, api_pb2.AppGetLogsRequest(
                    app_id=app().app_id, timeout=0.1, last_entry_id=str(last)), timeout=1)
        async with Client({"authorization": f"Bearer {own}"}) as client:
            for offset in (2**62, 2**63 - 1, 2**63, 2**64 - 1):
                await client.call(client.router.TaskExecStdioRead, router.TaskExecStdioReadRequest(
                    task_id=task, exec_id=exec_id, offset=offset), timeout=0.3)
                await client.call(client.router.SandboxStdioReadV2, router.SandboxStdioReadV2Request(
                    task_id=task, offset=offset), timeout=0.3)
                for write, request in ((client.router.TaskExecStdinWrite, router.TaskExecStdinWriteRequest(
                        task_id=task, exec_id=exec_id, offset=offset, data=b"x")),
                        (client.router.SandboxStdinWriteV2, router.SandboxStdinWriteV2Request(
                            task_id=task, offset=offset, data=b"x"))):
                    answer = await client.call(write, request)
                    assert answer in (Status.FAILED_PRECONDITION, Status.INVALID_ARGUMENT, Status.OUT_OF_RANGE), answer
    asyncio.run(tried())
    same(run(box(), "echo", "alive"), "alive\n")


def check_ends_that_no_file_has():
    """A stream of stdin for a command that reads none, and the file calls of old, at the last offsets that there are."""
    path = f"/dev/shm/{uuid.uuid4().hex}"
    run(box(), "truncate", "-s", str(2**63 - 1), path)
    reads = started("/__modal/.bin/modal-sandbox-fs-tools", json.dumps({"ReadFile": {"path": "/etc/passwd"}}))

    async def done(client, **fields):
        request = api_pb2.ContainerFilesystemExecRequest(task_id=task_of(box()), **fields)
        answer = await client.call(client.control.ContainerFilesystemExec, request)
        return answer.file_descriptor if not isinstance(answer, Status) else None

    async def tried():
        async with Client() as client:
            own = await statement(client, box().object_id)
            opened = await done(client, file_open_request=api_pb2.ContainerFileOpenRequest(path=path, mode="r"))
            assert opened and opened != "fd-none", opened
            for offset, whence in ((1, 2), (0, 2), (2**31 - 1, 1), (2**31 - 1, 2)):
                await done(client, file_seek_request=api_pb2.ContainerFileSeekRequest(
                    file_descriptor=opened, offset=offset, whence=whence))
                await done(client, file_read_request=api_pb2.ContainerFileReadRequest(file_descriptor=opened))
                await done(client, file_read_request=api_pb2.ContainerFileReadRequest(file_descriptor=opened, n=2**32 - 1))
                await done(client, file_read_line_request=api_pb2.ContainerFileReadLineRequest(file_descriptor=opened))
        async with Client({"authorization": f"Bearer {own}"}) as client:
            request = router.TaskExecStdinWriteStreamRequest
            async with client.router.TaskExecStdinWriteStream.open(timeout=30, metadata=client.headers) as stream:
                begun = request()
                begun.start.task_id, begun.start.exec_id, begun.start.offset = task_of(box()), reads, 2**64 - 1
                await stream.send_message(begun)
                await stream.send_message(request(data=b"A"))
                await stream.send_message(request(data=b"A"), end=True)
                try:
                    await stream.recv_message()
                    raise AssertionError("it was taken")
                except GRPCError as error:
                    same(error.status, Status.OUT_OF_RANGE)
    asyncio.run(tried())
    same(run(box(), "echo", "alive"), "alive\n")


# Much of it


def check_messages_that_are_too_large():
    async def tried():
        async with Client() as client:
            request = api_pb2.MountPutFileRequest(sha256_hex="0" * 64, data=b"x" * (70 << 20))
            try:
                answer = await client.call(client.control.MountPutFile, request, timeout=60)
                assert isinstance(answer, Status), answer
            except Exception:  # The stream, or the connection, is reset.
                pass
    asyncio.run(tried())
    same(run(box(), "echo", "alive"), "alive\n")


def check_streams_that_nobody_reads():
    """Thousands of calls that wait, and streams that say nothing or more than is read: others are served meanwhile."""
    exec_id = started("yes")

    async def tried():
        async with Client() as first:
            own = await statement(first, box().object_id)
        clients = [Client() for _ in range(3)] + [Client({"authorization": f"Bearer {own}"}) for _ in range(3)]
        opened = []
        try:
            for client in clients[:3]:
                for _ in range(600):
                    opened.append(asyncio.ensure_future(client.call(
                        client.control.SandboxWait, api_pb2.SandboxWaitRequest(sandbox_id=box().object_id, timeout=50), timeout=300)))
            streams = []
            for client in clients[3:]:
                for _ in range(100):
                    stream = client.router.TaskExecStdioRead.open(metadata=client.headers)
                    streams.append(stream)
                    await stream.__aenter__()
                    await stream.send_message(router.TaskExecStdioReadRequest(
                        task_id=task_of(box()), exec_id=exec_id), end=True)
            await asyncio.sleep(1)
            await asyncio.to_thread(others_are_served)
        finally:
            for task in opened:
                task.cancel()
            await asyncio.gather(*opened, return_exceptions=True)
            for client in clients:
                client.channel.close()
    asyncio.run(tried())


def others_are_served():
    same(run(box(), "echo", "served"), "served\n")
    with sandbox() as made:
        same(run(made, "echo", "made"), "made\n")


# Paths and addresses


def check_paths_that_lead_elsewhere():
    digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    volume = modal.Volume.from_name("hostile-" + uuid.uuid4().hex[:8], create_if_missing=True)
    volume.hydrate()

    async def tried():
        async with Client() as client:
            for name in ("../x", "/a/../../x", "relative", "", "/", "/a\0b", "/" + "x" * 5000):
                request = api_pb2.MountGetOrCreateRequest(
                    files=[api_pb2.MountFile(filename=name, sha256_hex=digest)], object_creation_type=5)
                answer = await client.call(client.control.MountGetOrCreate, request)
                assert answer in (Status.INVALID_ARGUMENT, Status.FAILED_PRECONDITION, Status.NOT_FOUND), (name, answer)
            for path, part in (("/", ""), ("relative", ""), ("/../x", ""), ("/proc", ""), ("/a\0b", ""), ("/data", "../x"),
                               ("/data", "a/../../x")):
                request = api_pb2.SandboxCreateV2Request(app_id=app().app_id)
                request.definition.image_id, request.definition.timeout_secs = box_image(), 60
                mount = request.definition.volume_mounts.add(volume_id=volume.object_id, mount_path=path)
                if part:
                    mount.sub_path = part
                answer = await client.call(client.control.SandboxCreateV2, request)
                assert isinstance(answer, Status) and answer != Status.INTERNAL, (path, part, answer)
    asyncio.run(tried())


def box_image():
    box()
    return host().object_id


def fetched(url, method="GET", data=None):
    """The status of an answer."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=data, method=method), timeout=60) as answer:
            answer.read()
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def check_signed_addresses():
    async def made():
        async with Client() as client:
            answer = await client.call(client.control.BlobCreate, api_pb2.BlobCreateRequest(
                content_length=5, content_sha256_base64="x", content_md5="x"))
            return answer.multiparts.items[0], answer.blob_ids[0]

    item, blob = asyncio.run(made())
    url = item.upload_urls[0]
    at, query = url.split("?", 1)
    fields = dict(pair.split("=", 1) for pair in query.split("&"))
    others = [at, url[:-10] + ("A" if url[-10] != "A" else "B") + url[-9:], url + "A"]
    for key, value in fields.items():
        others.append(at + "?" + "&".join(f"{k}={v}" for k, v in fields.items() if k != key))
        if value.isdigit():
            others.append(at + "?" + "&".join(f"{k}={int(v) + 1 if k == key else v}" for k, v in fields.items()))
    others += [url.replace(blob, blob[:-1] + ("A" if blob[-1] != "A" else "B")), url.replace(at, at + "/../1"), url.replace(at, at + "1")]
    for other in others:
        if other != url:
            status = fetched(other, "PUT", b"other")
            assert status in (400, 401, 403, 404, 405), (status, other)
    # It is good for what it is made for, and for nothing else.
    assert fetched(url) in (400, 401, 403, 404, 405)
    assert fetched(url, "PUT", b"x" * 6) >= 400
    same(fetched(url, "PUT", b"right"), 200)


if __name__ == "__main__":
    main(globals(), workers=1)
