"""The internet of the tests: a DNS server that misbehaves by name, and servers for HTTP, TLS and bare bytes.

upstream.py: prints its ports as one line of JSON, and serves until stdin ends.
"""

import json
import os
import socket
import socketserver
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

from dnslib import A, AAAA, CAA, CNAME, MX, NAPTR, NS, QTYPE, RCODE, RD, RR, SOA, SRV, TXT, DNSRecord

PUBLIC = "198.51.100.10"
asked = []


def addresses(name):
    """What a name has, for those that behave."""
    return {
        "private.example": ["10.0.0.1"],
        "mixed.example": ["10.0.0.1", "198.51.100.20"],
        "metadata.example": ["169.254.169.254"],
        "loopback6.example": ["::1"],
        "mapped.example": ["::ffff:a00:1"],
        "closed.example": ["127.9.9.9"],
        "site.example": ["127.0.0.1"],
        "shared.example": ["127.0.0.1"],
        "other.example": ["127.0.0.1"],
        "elsewhere.example": ["127.0.0.77"],
        "six.example": ["2001:db8::6"],
        "huge.example": [f"198.51.{i // 250}.{i % 250}" for i in range(600)],
    }.get(name, [PUBLIC])


def answer(query, over_tcp):
    """Messages to send, each as bytes; none is silence."""
    request = DNSRecord.parse(query)
    name = str(request.q.qname).rstrip(".").lower()
    kind = QTYPE.get(request.q.qtype)
    asked.append((name, kind))
    reply = request.reply()
    reply.header.ra = 1
    owner = request.q.qname

    def add(record_name, rdata, ttl=60):
        reply.add_answer(RR(record_name, getattr(QTYPE, type(rdata).__name__), rdata=rdata, ttl=ttl))

    def forged(**changes):
        other = DNSRecord.parse(reply.pack())
        for key, value in changes.items():
            setattr(other.header, key, value)
        other.add_answer(RR(owner, QTYPE.A, rdata=A("6.6.6.6"), ttl=60))
        return other

    if name.startswith("silent"):
        return []
    if name == "servfail.example":
        reply.header.rcode = RCODE.SERVFAIL
        return [reply.pack()]
    if name == "garbage.example" and not over_tcp:
        return [os.urandom(40), b"", b"\0" * 11, reply.pack()[:-3] + b"\xff\xff\xff"] * 3
    if name == "nothere.example":
        reply.header.rcode = RCODE.NXDOMAIN
        reply.add_auth(RR("example", QTYPE.SOA, rdata=SOA("ns.example", "me.example", (1, 2, 3, 4, 60)), ttl=60))
        return [reply.pack()]
    if name == "formerr.example" and request.ar:
        reply.header.rcode = RCODE.FORMERR
        return [reply.pack()]
    if name == "types.example":
        for rdata in everything():
            if type(rdata).__name__ == kind:
                add(owner, rdata)
        return [reply.pack()]
    if name == "chain.example":
        add(owner, CNAME("Two.example"))
        add("two.example", CNAME("three.example"))
        add("three.example", A(PUBLIC))
        return [reply.pack()]
    if name == "half.example":
        add(owner, CNAME("good.example"))
        return [reply.pack()]
    if name in ("loop.example", "loop2.example"):
        add(owner, CNAME("loop2.example" if name == "loop.example" else "loop.example"))
        return [reply.pack()]
    if name == "endless.example" or name.endswith(".endless.example"):
        add(owner, CNAME("x." + name))
        return [reply.pack()]

    if kind in ("A", "AAAA"):
        for address in addresses(name):
            if (":" in address) == (kind == "AAAA"):
                add(owner, AAAA(address) if ":" in address else A(address))
    elif kind == "PTR":
        pass
    if name == "poison.example":
        reply.add_answer(RR("bank.example", QTYPE.A, rdata=A("6.6.6.6"), ttl=60))
        reply.add_auth(RR("example", QTYPE.NS, rdata=NS("ns.evil.example"), ttl=60))
        reply.add_ar(RR("ns.evil.example", QTYPE.A, rdata=A("6.6.6.6"), ttl=60))
    if not reply.rr:
        reply.add_auth(RR("example", QTYPE.SOA, rdata=SOA("ns.example", "me.example", (1, 2, 3, 4, 60)), ttl=60))

    if over_tcp:
        return [reply.pack()]
    if name == "wrongid.example":
        return [forged(id=(reply.header.id + i) & 0xFFFF).pack() for i in (1, 2, 3)] + [reply.pack()]
    if name == "wrongquestion.example":
        other = DNSRecord.question("elsewhere.example").reply()
        other.header.id = reply.header.id
        other.add_answer(RR("elsewhere.example", QTYPE.A, rdata=A("6.6.6.6"), ttl=60))
        return [other.pack(), reply.pack()]
    if name == "onlywrong.example":
        return [forged(id=(reply.header.id + i) & 0xFFFF).pack() for i in range(1, 20)]
    if name == "query.example":
        return [query, forged(qr=0).pack(), reply.pack()]
    if name == "case.example":
        packed = reply.pack()
        return [packed[:12] + packed[12:].lower()]
    packed = reply.pack()
    if name == "cut.example" or len(packed) > 1232:
        reply.rr, reply.auth = [], []
        reply.header.tc = 1
        return [reply.pack()]
    return [packed]


def everything():
    return [
        A(PUBLIC), AAAA("2001:db8::1"), MX("mail.types.example", 10), MX("types.example", 20),
        TXT(["one", "two" * 80]), SRV(1, 2, 443, "srv.types.example"), NS("ns.types.example"),
        SOA("ns.types.example", "me.types.example", (1, 2, 3, 4, 5)), CAA(0, "issue", "ca.example"),
        NAPTR(1, 2, b"S", b"SIP+D2U", b"!^.*$!sip:x@y!", "_sip._udp.types.example"), CNAME("good.example"),
    ]


def dns_udp(sock):
    while True:
        query, source = sock.recvfrom(4096)
        try:
            for reply in answer(query, False):
                sock.sendto(reply, source)
        except Exception as error:
            print("upstream:", error, file=sys.stderr)


class DNSOverTCP(socketserver.BaseRequestHandler):
    def handle(self):
        (length,) = struct.unpack("!H", self.request.recv(2, socket.MSG_WAITALL))
        for reply in answer(self.request.recv(length, socket.MSG_WAITALL), True)[:1]:
            # In two pieces.
            self.request.sendall(struct.pack("!H", len(reply)) + reply[:5])
            time.sleep(0.01)
            self.request.sendall(reply[5:])


class Web(socketserver.StreamRequestHandler):
    """Answers each request with what it read: a server that takes framing as its head says."""

    def handle(self):
        while True:
            head = []
            while True:
                line = self.rfile.readline(65537)
                if not line:
                    return
                if line == b"\r\n":
                    break
                head.append(line.decode("latin-1").rstrip("\r\n"))
            fields = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in head[1:])}
            body = b""
            if fields.get("transfer-encoding") == "chunked":
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
            elif "content-length" in fields:
                body = self.rfile.read(int(fields["content-length"]))
            if head[0].split(" ")[1].endswith("/slow"):
                time.sleep(0.3)
            payload = json.dumps({"head": head, "body": len(body), "at": self.server.label}).encode()
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(payload), payload))
            if fields.get("connection") == "close":
                return


class Echo(socketserver.BaseRequestHandler):
    """Sends all back, and how much it was once the other side has ended its own."""

    def handle(self):
        total = 0
        while piece := self.request.recv(1 << 16):
            total += len(piece)
            self.request.sendall(piece)
        self.request.sendall(b"[%d]" % total)


class Threading(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256
    label = ""

    def handle_error(self, request, client_address):
        pass


def serve(handler, address="127.0.0.1", port=0, label="", context=None):
    server = Threading((address, port), handler)
    server.label = label
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def certificate():
    folder = tempfile.mkdtemp(prefix="cordon-names-")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=test", "-addext", "subjectAltName=DNS:site.example,DNS:shared.example,DNS:other.example",
         "-keyout", folder + "/key", "-out", folder + "/certificate"], check=True, stderr=subprocess.DEVNULL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder + "/certificate", folder + "/key")
    return folder, context


def main():
    folder, context = certificate()
    dns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    while True:
        dns.bind(("127.0.0.1", 0))
        port = dns.getsockname()[1]
        try:
            serve(DNSOverTCP, port=port)
            break
        except OSError:
            dns.close()
            dns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    threading.Thread(target=dns_udp, args=(dns,), daemon=True).start()
    web = serve(Web, label="web")
    print(json.dumps({
        "dns": port, "web": web, "tls": serve(Web, label="tls", context=context), "echo": serve(Echo),
        "certificate": folder + "/certificate"}), flush=True)
    sys.stdin.read()
    subprocess.run(["rm", "-r", folder], check=True)


main()
