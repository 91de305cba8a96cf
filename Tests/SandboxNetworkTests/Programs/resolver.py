"""Clients of the resolver that we did not write: dnspython, and dig. resolver.py PORT CASE

Sandboxes are addresses here: 127.0.0.2 is open, 127.0.0.3 has a domain_allowlist, 127.0.0.4 an empty one, 127.0.0.9 is
nobody's.
"""

import re
import socket
import struct
import subprocess
import sys
import time

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

PORT = int(sys.argv[1])
OPEN, LISTED, EMPTY, NOBODY = "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.9"


def ask(name, kind="A", source=OPEN, tcp=False, timeout=5, **options):
    query = dns.message.make_query(name, kind, use_edns=0, **options)
    send = dns.query.tcp if tcp else dns.query.udp
    return send(query, "127.0.0.1", port=PORT, source=source, timeout=timeout)


def texts(reply):
    return sorted(item.to_text() for rrset in reply.answer for item in rrset)


def same(got, expected):
    assert got == expected, f"{got} instead of {expected}"


def raw(message, source=OPEN, timeout=2):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((source, 0))
        sock.settimeout(timeout)
        sock.sendto(message, ("127.0.0.1", PORT))
        return sock.recv(65535)


def fault(reply):
    return [(int(o.code), o.text) for o in reply.options if int(o.otype) == 15]


def kinds():
    """All kinds of records come through as they are, over UDP and TCP."""
    for kind, expected in {
        "A": ["198.51.100.10"], "AAAA": ["2001:db8::1"], "MX": ["10 mail.types.example.", "20 types.example."],
        "TXT": ['"one" "%s"' % ("two" * 80)], "SRV": ["1 2 443 srv.types.example."], "NS": ["ns.types.example."],
        "SOA": ["ns.types.example. me.types.example. 1 2 3 4 5"], "CAA": ['0 issue "ca.example"'],
        "NAPTR": ['1 2 "S" "SIP+D2U" "!^.*$!sip:x@y!" _sip._udp.types.example.'], "CNAME": ["good.example."],
    }.items():
        for tcp in (False, True):
            same(texts(ask("types.example", kind, tcp=tcp)), expected)


def chains():
    """CNAME chains are followed, by us where the upstream leaves that to us."""
    for source in (OPEN, LISTED):
        same(texts(ask("chain.example", source=source)), ["198.51.100.10", "Two.example.", "three.example."])
    same(texts(ask("half.example", source=LISTED)), ["198.51.100.10", "good.example."])
    ask("loop.example", source=OPEN)
    assert not [t for t in texts(ask("loop.example", source=LISTED)) if t[0].isdigit()]
    same(ask("endless.example", source=LISTED).rcode(), dns.rcode.REFUSED)


def large():
    """What doesn't fit is cut, and whole over TCP."""
    query = dns.message.make_query("huge.example", "A")
    reply, tcp = dns.query.udp_with_fallback(query, "127.0.0.1", port=PORT, source=OPEN, timeout=5)
    assert tcp and len(texts(reply)) == 600
    same(len(texts(ask("cut.example"))), 1)
    reply = ask("huge.example", payload=65000)
    assert reply.flags & dns.flags.TC and not reply.answer


def forgeries():
    """Answers with another id, question, or place are not taken."""
    for name in ("wrongid", "wrongquestion", "onlywrong", "query", "case", "garbage"):
        same(texts(ask(name + ".example")), ["198.51.100.10"])
    reply = ask("poison.example")
    same(texts(reply), ["198.51.100.10"])
    assert not reply.authority and not reply.additional, reply


def failures():
    """Upstreams that fail or are silent are told as SERVFAIL, with the reason, and before the client gives up."""
    began = time.monotonic()
    reply = ask("silent.example")
    assert time.monotonic() - began < 4.9
    same((reply.rcode(), fault(reply)), (dns.rcode.SERVFAIL, [(22, "no resolver answered in time")]))
    same(ask("servfail.example").rcode(), dns.rcode.SERVFAIL)
    same(texts(ask("formerr.example")), ["198.51.100.10"])
    reply = ask("nothere.example")
    same((reply.rcode(), len(reply.authority)), (dns.rcode.NXDOMAIN, 1))


def rebinding():
    """Addresses that the floor closes are not told, whatever the policy, and the reason is."""
    for source in (OPEN, LISTED):
        for name, kind, rule in (
            ("private", "A", "10.0.0.1: private"), ("metadata", "A", "169.254.169.254: metadata"),
            ("loopback6", "AAAA", "::1: reserved"), ("mapped", "AAAA", "::ffff:a00:1: private"),
        ):
            reply = ask(name + ".example", kind, source=source)
            same((reply.rcode(), texts(reply), fault(reply)), (dns.rcode.REFUSED, [], [(15, rule)]))
        same(texts(ask("mixed.example", source=source)), ["198.51.100.20"])


def listed():
    """Under a domain_allowlist permitted names alone resolve, and to addresses alone."""
    for name in ("good.example", "GOOD.example", "a.wild.example", "b.a.Wild.Example"):
        same(texts(ask(name, source=LISTED)), ["198.51.100.10"])
        same(texts(ask(name, source=LISTED, tcp=True)), ["198.51.100.10"])
    same(texts(ask("six.example", "AAAA", source=LISTED)), ["2001:db8::6"])
    for name, kind, rule in (
        ("evil.example", "A", "not in domain_allowlist"), ("wild.example", "A", "not in domain_allowlist"),
        ("sub.good.example", "A", "not in domain_allowlist"), ("agood.example", "A", "not in domain_allowlist"),
        ("good.example.evil.example", "A", "not in domain_allowlist"), ("example", "A", "not in domain_allowlist"),
        ("good.example", "TXT", "type TXT isn't resolved under domain_allowlist"),
        ("good.example", "ANY", "type ANY isn't resolved"), ("good.example", "AXFR", "type TYPE252 isn't resolved"),
    ):
        reply = ask(name, kind, source=LISTED)
        same((reply.rcode(), fault(reply)), (dns.rcode.REFUSED, [(18, rule)]))
    for kind in ("HTTPS", "SVCB"):
        reply = ask("good.example", kind, source=LISTED)
        same((reply.rcode(), texts(reply)), (dns.rcode.NOERROR, []))
    reply = ask("good.example", source=EMPTY)
    same((reply.rcode(), fault(reply)), (dns.rcode.REFUSED, [(18, "the allowlist is empty")]))
    try:
        ask("good.example", source=NOBODY, timeout=1.5)
        raise AssertionError("nobody was answered")
    except dns.exception.Timeout:
        pass


def tunnelling():
    """Many, long and odd names below a wildcard are refused with the reason."""
    long = ".".join(["a" * 30] * 4) + ".wild.example"
    same(fault(ask(long, source=LISTED)), [(18, "more than 100 characters below *.wild.example")])
    deep = ".".join("abcdefg") + ".wild.example"
    same(fault(ask(deep, source=LISTED)), [(18, "more than 6 labels below *.wild.example")])
    for odd in (r"\001\255.wild.example", r"a\.b.wild.example", "*.wild.example"):
        same(fault(ask(odd, source=LISTED)), [(18, "a name with odd characters")])
    refused = 0
    for number in range(300):
        reply = ask(f"n{number}.wild.example", source=LISTED)
        if reply.rcode() == dns.rcode.REFUSED:
            same(fault(reply), [(18, "more than 256 different names below *.wild.example")])
            refused += 1
        time.sleep(0.011)
    assert refused >= 44, refused
    # Names that were asked before, and other entries, go on.
    same(texts(ask("n1.wild.example", source=LISTED)), ["198.51.100.10"])
    same(texts(ask("good.example", source=LISTED)), ["198.51.100.10"])


def rate():
    """Too many queries are refused, and it is over when it is over."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((OPEN, 0))
    sock.settimeout(1)
    query = dns.message.make_query("good.example", "A").to_wire()
    refused = answered = 0
    for number in range(600):
        sock.sendto(struct.pack("!H", number) + query[2:], ("127.0.0.1", PORT))
        try:
            reply = dns.message.from_wire(sock.recv(4096), ignore_trailing=False)
        except TimeoutError:
            continue
        refused += reply.rcode() == dns.rcode.REFUSED
        answered += reply.rcode() == dns.rcode.NOERROR
    assert refused > 100 and answered >= 150, (refused, answered)
    same(texts(ask("good.example", source=LISTED)), ["198.51.100.10"])
    time.sleep(1.5)
    same(texts(ask("good.example")), ["198.51.100.10"])


def malformed():
    """Messages that aren't queries as they should be are answered as such, or not at all."""
    query = dns.message.make_query("good.example", "A", use_edns=False).to_wire()
    same(raw(query + b"\0")[3] & 15, dns.rcode.FORMERR)
    same(raw(query[:-1])[3] & 15, dns.rcode.FORMERR)
    same(raw(query[:4] + b"\0\2" + query[6:])[3] & 15, dns.rcode.FORMERR)
    same(raw(query[:12] + b"\xc0\x0c\0\1\0\1")[3] & 15, dns.rcode.FORMERR)
    same(raw(query[:2] + b"\x29" + query[3:])[3] & 15, dns.rcode.NOTIMP)
    same(dns.message.from_wire(raw(query[:-2] + b"\0\3")).rcode(), dns.rcode.REFUSED)
    for silent in (b"", query[:11], query[:2] + b"\x81" + query[3:]):
        try:
            raise AssertionError(f"{silent} was answered: {raw(silent, timeout=0.3)}")
        except TimeoutError:
            pass
    versioned = dns.message.make_query("good.example", "A")
    versioned.use_edns(1)
    same(dns.query.udp(versioned, "127.0.0.1", port=PORT, source=OPEN, timeout=2).rcode(), dns.rcode.BADVERS)
    plain = dns.message.from_wire(raw(query))
    assert plain.edns == -1 and texts(plain) == ["198.51.100.10"]


def streams():
    """One connection takes many queries; one that says nothing, or too much, is closed."""
    queries = [dns.message.make_query(f"n{n}.example", "A") for n in range(10)]
    with socket.create_connection(("127.0.0.1", PORT), source_address=(OPEN, 0), timeout=5) as sock:
        for query in queries:
            wire = query.to_wire()
            sock.sendall(struct.pack("!H", len(wire)) + wire[:7])
            sock.sendall(wire[7:])
        ids = set()
        for _ in queries:
            reply, _ = dns.query.receive_tcp(sock, time.time() + 5)
            same(texts(reply), ["198.51.100.10"])
            ids.add(reply.id)
        same(ids, {query.id for query in queries})
    with socket.create_connection(("127.0.0.1", PORT), source_address=(OPEN, 0), timeout=5) as sock:
        sock.sendall(b"\xff\xff" + b"a" * 2000)
        try:
            same(sock.recv(10), b"")
        except ConnectionResetError:
            pass
    many = [socket.create_connection(("127.0.0.1", PORT), source_address=(OPEN, 0), timeout=5) for _ in range(12)]
    time.sleep(0.3)
    closed = 0
    for sock in many:
        sock.setblocking(False)
        try:
            closed += sock.recv(1) == b""
        except BlockingIOError:
            pass
        except ConnectionResetError:
            closed += 1
        sock.close()
    same(closed, 4)


def dig():
    """dig shows the reason, and takes all else as it should be."""
    def run(*arguments):
        return subprocess.run(
            ["dig", "@127.0.0.1", "-p", str(PORT), "+tries=1", "+timeout=5", *arguments], capture_output=True, text=True).stdout
    out = run("-b", LISTED, "evil.example")
    assert re.search(r"status: REFUSED", out) and re.search(r"EDE: 18 \(Prohibited\): \(not in domain_allowlist\)", out), out
    out = run("-b", OPEN, "+dnssec", "types.example", "MX")
    assert "status: NOERROR" in out and "ANSWER: 2" in out and "flags: do" in out and "WARNING" not in out, out
    out = run("-b", OPEN, "+tcp", "huge.example")
    assert "ANSWER: 600" in out, out[:500]
    assert run("-b", LISTED, "+short", "good.example") == "198.51.100.10\n"


globals()[sys.argv[2]]()
