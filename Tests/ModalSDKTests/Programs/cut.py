"""Connections that are cut, by a proxy in between: every byte comes once, whatever is read or written."""

import asyncio.base_events
import hashlib
import os
import socket
import threading

_target = os.environ["MODAL_SERVER_URL"].removeprefix("http://").rstrip("/")
_host, _port = _target.rsplit(":", 1)


class Proxy:
    """Carries connections to the service, and cuts all of them when it is told to."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lock, self.open, self.cuts = threading.Lock(), set(), 0
        self.carried, self.cuts_at = 0, []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection((_host, int(_port)))
            with self.lock:
                self.open |= {client, server}
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=self.carry, args=(one, other), daemon=True).start()

    def carry(self, one, other):
        try:
            while data := one.recv(65536):
                with self.lock:
                    self.carried += len(data)
                    is_due = self.cuts_at and self.carried >= self.cuts_at[0]
                    if is_due:
                        self.cuts_at.pop(0)
                if is_due:
                    self.cut()
                other.sendall(data)
        except OSError:
            pass
        for end in (one, other):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut_after(self, *counts):
        """Cuts once so many bytes more were carried, in all directions together."""
        with self.lock:
            self.cuts, self.cuts_at = 0, [self.carried + count for count in counts]

    def cut(self):
        with self.lock:
            ends, self.open = self.open, set()
            self.cuts += 1
        for end in ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


proxy = Proxy()
_connect = asyncio.base_events.BaseEventLoop.create_connection


def through_the_proxy(loop, factory, host=None, port=None, **options):
    """The network, with the proxy in it: whoever wants the service, by whichever of its addresses, comes to it."""
    return _connect(loop, factory, host, proxy.port if str(port) == _port else port, **options)


asyncio.base_events.BaseEventLoop.create_connection = through_the_proxy

from sdk import app, host, main, same, sandbox  # noqa: E402


def check_three_cuts():
    with sandbox(timeout=600) as box:
        box.exec("true").wait()
        process = box.exec("sh", "-c", "i=0; while [ $i -lt 60 ]; do echo line $i; i=$((i+1)); sleep 0.05; done", bufsize=1)
        said = []
        for line in process.stdout:
            said.append(line)
            if len(said) in (10, 25, 40):
                proxy.cut()
        same(said, [f"line {number}\n" for number in range(60)])
        same((process.wait(), proxy.cuts), (0, 3))


def check_main_command():
    script = "i=0; while [ $i -lt 60 ]; do echo line $i; i=$((i+1)); sleep 0.05; done"
    with sandbox("sh", "-c", script, timeout=600) as box:
        said = []
        for line in box.stdout:
            said.append(line)
            if len(said) in (10, 40):
                proxy.cut()
        same(said, [f"line {number}\n" for number in range(60)])


def check_files_and_stdin_new():
    data = os.urandom(24_000_000)
    with sandbox(timeout=600) as box:
        box.filesystem.write_bytes(b"", "/first")
        for counts in ((3_000_000, 9_000_000, 20_000_000), (100_000,)):
            proxy.cut_after(*counts)
            box.filesystem.write_bytes(data, "/large")
            same(proxy.cuts, len(counts), "cuts of what is written")
            proxy.cut_after(*counts)
            assert box.filesystem.read_bytes("/large") == data
            same(proxy.cuts, len(counts), "cuts of what is read")
        process = box.exec("sha256sum")
        proxy.cut_after(5_000_000, 15_000_000)
        for start in range(0, len(data), 1_000_000):
            process.stdin.write(data[start:start + 1_000_000])
            process.stdin.drain()
        process.stdin.write_eof()
        process.stdin.drain()
        same(process.stdout.read().split()[0], hashlib.sha256(data).hexdigest())


if __name__ == "__main__":
    main(globals(), workers=1)
