"""What a tunnel costs, beside haproxy and nginx as TCP relays in front of the same server, in the same run."""

import os
import pathlib
import socket
import subprocess
import sys
import time

from measures import measured
from service import Refused

# A connection says what it is: S, and all that comes is taken, then answered with one byte; or E, and it is an echo.
SERVER = r"""
import socket, sys, threading
def serve(c):
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buffer = bytearray(1 << 20)
    echo = c.recv(1) == b"E"
    while True:
        count = c.recv_into(buffer)
        if not count: break
        if echo: c.sendall(memoryview(buffer)[:count])
    if not echo: c.sendall(b"!")
    c.close()
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1]))); s.listen(64)
while True:
    c, _ = s.accept()
    threading.Thread(target=serve, args=(c,), daemon=True).start()
"""


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def connected(port, first):
    for _ in range(500):
        try:
            connection = socket.create_connection(("127.0.0.1", port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(first)
            if first == b"E":
                connection.sendall(b"x")
                if connection.recv(1) != b"x":
                    raise ConnectionError
            return connection
        except OSError:
            time.sleep(0.02)
    raise SystemExit(f"nobody serves port {port}")


def haproxy(directory, listen, server):
    path = pathlib.Path(directory) / "haproxy.cfg"
    path.write_text(f"""
defaults
    mode tcp
    option splice-auto
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen relay
    bind 127.0.0.1:{listen}
    server only 127.0.0.1:{server}
""")
    return ["haproxy", "-db", "-f", str(path)]


def nginx(directory, listen, server):
    root = pathlib.Path(directory) / "root"
    path = pathlib.Path(directory) / "nginx.conf"
    path.write_text(f"""
load_module {root}/usr/lib/nginx/modules/ngx_stream_module.so;
daemon off; pid {directory}/nginx.pid; error_log {directory}/nginx.log; worker_processes auto;
events {{ worker_connections 1024; }}
stream {{ server {{ listen 127.0.0.1:{listen}; proxy_pass 127.0.0.1:{server}; tcp_nodelay on; proxy_half_close on; }} }}
""")
    return ["nginx", "-c", str(path), "-p", str(directory), "-e", f"{directory}/nginx.log"]


def measure(report, service, runner, directory, count, size=2 << 30, rounds=5):
    connection = service.connection()
    inside = 7000
    sandbox = connection.create(
        argv=["python3", "-c", SERVER, str(inside)], unencrypted_ports=[inside],
        # The others' server is a process of the host, with its weight.
        cpu={"request": os.cpu_count()}, memory_mib={"limit": 1024}, timeout_seconds=3600)
    tunnel = connection.call("GET", f"/v1/sandboxes/{sandbox}/tunnels")["tunnels"][0]["port"]
    server = free_port()
    processes = [subprocess.Popen([sys.executable, "-c", SERVER, str(server)])]
    ways = [("Cordon: a tunnel", tunnel), ("no relay", server)]
    for name, configure in (("haproxy, TCP mode", haproxy), ("nginx stream", nginx)):
        port = free_port()
        argv = configure(directory, port, server)
        if not runner.has(argv[0]):
            print(f"  {name} can't be had here")
            continue
        processes.append(subprocess.Popen(
            [runner.path(argv[0]), *argv[1:]], env=runner.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        ways.append((name, port))
    try:
        rates = {name: [] for name, _ in ways}
        for _ in range(rounds):
            # In turn, so that whatever else the machine does meets all of them.
            for name, port in ways:
                rates[name].append(rate(port, size))
        beside = [name for name in rates if name.startswith("haproxy")]
        target = sorted(rates[beside[0]])[rounds // 2] if beside else None
        for name, port in ways:
            report.add(f"{size >> 30} GiB through one connection", name, rates[name], unit="GB/s",
                       target=target if name.startswith("Cordon") else None, most=False)
        for name, port in ways:
            echo = connected(port, b"E")

            def exchange():
                echo.sendall(b"x")
                if echo.recv(1) != b"x":
                    raise Refused("an echo isn't what was said")

            report.add("A byte there and back", name, measured(exchange, count * 5, between=lambda: time.sleep(0.001)))
            echo.close()
    finally:
        for process in processes:
            process.terminate()
            process.wait()
        connection.remove(sandbox)


def rate(port, size):
    with connected(port, b"E"):
        pass
    connection = connected(port, b"S")
    piece = memoryview(bytearray(1 << 20))
    started = time.perf_counter()
    for _ in range(size >> 20):
        connection.sendall(piece)
    connection.shutdown(socket.SHUT_WR)
    if connection.recv(1) != b"!":
        raise Refused("the server didn't take all")
    taken = time.perf_counter() - started
    connection.close()
    return size / taken / 1e9
