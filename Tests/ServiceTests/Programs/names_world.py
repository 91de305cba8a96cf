"""What has names in the world of names.py: a DNS server, and a web server with and without TLS, on every address.

names_world.py ZONE KEY REPOSITORIES: ZONE is JSON, addresses by name; KEY a file with a key and a certificate; REPOSITORIES a
folder of git repositories, served below /git/. Other answers say who was asked, where and under which name.
"""

import http.server
import json
import os
import socket
import socketserver
import ssl
import struct
import subprocess
import sys
import threading

from dnslib import A, AAAA, CNAME, QTYPE, RCODE, RR, DNSRecord

ZONE = json.loads(sys.argv[1])
TTL = 1
asked = []


def lookup(name):
    """What a name has; one with `*.` in front has what every name below it does that isn't there itself."""
    if name in ZONE:
        return ZONE[name]
    while "." in name:
        name = name.split(".", 1)[1]
        if "*." + name in ZONE:
            return ZONE["*." + name]
    return None


def answer(query):
    """As a recursive resolver would: with CNAME records followed."""
    request = DNSRecord.parse(query)
    reply = request.reply()
    owner = str(request.q.qname).rstrip(".")
    asked.append(owner.lower())
    found = lookup(owner.lower())
    if found and isinstance(found[0], list):
        # Now here, now there: each question for IPv4 gets the next of several answers, the last one again and again.
        found = found.pop(0) if len(found) > 1 and QTYPE.get(request.q.qtype) == "A" else found[0]
    if found is None:
        reply.header.rcode = RCODE.NXDOMAIN
    while found and not found[0][0].isdigit():
        reply.add_answer(RR(owner, QTYPE.CNAME, rdata=CNAME(found[0]), ttl=TTL))
        owner = found[0]
        found = lookup(owner)
    for address in found or []:
        kind = "AAAA" if ":" in address else "A"
        if QTYPE.get(request.q.qtype) == kind:
            reply.add_answer(RR(owner, getattr(QTYPE, kind), rdata={"A": A, "AAAA": AAAA}[kind](address), ttl=TTL))
    return reply.pack()


class Resolver(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        sock.sendto(answer(data), self.client_address)


class TCPResolver(socketserver.BaseRequestHandler):
    def handle(self):
        (length,) = struct.unpack("!H", self.request.recv(2, socket.MSG_WAITALL))
        reply = answer(self.request.recv(length, socket.MSG_WAITALL))
        self.request.sendall(struct.pack("!H", len(reply)) + reply)


class Web(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.git()

    def content(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def git(self):
        """Git's own server, as a CGI program."""
        path, _, query = self.path.partition("?")
        body = self.content()
        environment = {
            "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": sys.argv[3], "GIT_HTTP_EXPORT_ALL": "1", "REMOTE_USER": "somebody",
            "REQUEST_METHOD": self.command, "PATH_INFO": path.removeprefix("/git"), "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", "")}
        said = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True).stdout
        head, _, content = said.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self):
        if self.path.startswith("/git/"):
            return self.git()
        if self.path == "/asked":
            body = json.dumps(asked).encode()
        else:
            host = self.headers.get("Host")
            body = f"hello {self.connection.getsockname()[0]} {host} {self.client_address[0]}\n".encode()
        if self.path == "/drip":
            self.send_response(200)
            self.end_headers()
            for _ in range(600):
                self.wfile.write(b".")
                self.wfile.flush()
                stop.wait(0.1)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


stop = threading.Event()


class Web6(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        super().server_bind()

    def handle_error(self, request, client_address):
        pass


class Web4(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        pass


def main():
    servers = [socketserver.ThreadingUDPServer(("198.51.100.1", 53), Resolver), socketserver.ThreadingTCPServer(("198.51.100.1", 53), TCPResolver)]
    # A resolver that isn't the sandbox's.
    servers += [socketserver.ThreadingUDPServer(("8.8.8.8", 53), Resolver), socketserver.ThreadingTCPServer(("8.8.8.8", 53), TCPResolver)]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2])
    for kind, host in ((Web4, "0.0.0.0"), (Web6, "::")):
        for port in (80, 443):
            server = kind((host, port), Web)
            if port == 443:
                server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
            servers.append(server)
    for server in servers:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)
    threading.Event().wait()


main()
