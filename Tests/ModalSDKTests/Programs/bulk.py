"""Much at a time: sandboxes, output, input, and many that want one name."""

import asyncio
import hashlib
import uuid

import modal
from modal.exception import AlreadyExistsError
from sdk import OLD, app, host, main, once, run, same, sandbox


def check_fifty_sandboxes_at_once():
    async def one(number):
        box = await modal.Sandbox.create.aio(app=app(), image=host())
        process = await box.exec.aio("echo", str(number))
        said = await process.stdout.read.aio()
        await box.terminate.aio()
        return said.strip()

    async def all():
        return await asyncio.gather(*(one(number) for number in range(50)))

    app(), host()
    same(asyncio.run(all()), [str(number) for number in range(50)])


BYTES = 100_000_000
# Text whose place can be told, and bytes of all kinds.
TEXT = "import sys\nline=b'0123456789abcdef'*4000+b'\\n'\nleft=%d\nwhile left>0:\n sys.stdout.buffer.write(line[:left]); left-=len(line)" % BYTES
BINARY = "import sys\nblock=bytes(range(256))*256\nleft=%d\nwhile left>0:\n sys.stdout.buffer.write(block[:left]); left-=len(block)" % BYTES


def expected(block):
    hash, left = hashlib.sha256(), BYTES
    while left > 0:
        hash.update(block[:left])
        left -= len(block)
    return hash.hexdigest()


def check_hundred_megabytes_of_text_read_late():
    with sandbox(timeout=600) as box:
        process = box.exec("python3", "-c", TEXT)
        run(box, "sleep", "1")
        said = process.stdout.read().encode()
        same((len(said), hashlib.sha256(said).hexdigest()), (BYTES, expected(b"0123456789abcdef" * 4000 + b"\n")))
        same(process.wait(), 0)


def check_hundred_megabytes_of_bytes_read_late():
    with sandbox(timeout=600) as box:
        process = box.exec("python3", "-c", BINARY, text=False)
        run(box, "sleep", "1")
        said = process.stdout.read()
        same((len(said), hashlib.sha256(said).hexdigest()), (BYTES, expected(bytes(range(256)) * 256)))
        same(process.wait(), 0)


def check_fifty_megabytes_of_stdin():
    with sandbox(timeout=600) as box:
        process = box.exec("sha256sum")
        block, hash = bytes(range(256)) * 4096, hashlib.sha256()
        for _ in range(50):
            process.stdin.write(block)
            process.stdin.drain()
            hash.update(block)
        process.stdin.write_eof()
        process.stdin.drain()
        same(process.stdout.read().split()[0], hash.hexdigest())


def check_race_for_one_name():
    name = "raced-" + uuid.uuid4().hex[:8]

    async def one():
        try:
            return await modal.Sandbox.create.aio(app=app(), image=host(), name=name)
        except AlreadyExistsError:
            return None

    async def all():
        return await asyncio.gather(*(one() for _ in range(10)))

    app(), host()
    won = [box for box in asyncio.run(all()) if box]
    same(len(won), 1, "how many have the name")
    won[0].terminate()


if __name__ == "__main__":
    main(globals(), workers=1)
