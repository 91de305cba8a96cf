"""A client of the file agent's, over the socket that is standard input."""

import hashlib
import os
import select
import socket
import stat
import struct
import subprocess
import sys
import tempfile

ARCHIVE, LAYER = 0, 1
NONE, GZIP, ZSTD = 0, 1, 2
FAULTS = {
    "failed": 0, "not_found": 1, "not_a_directory": 2, "permission_denied": 7, "name_too_long": 11, "link_loop": 12,
    "archive_invalid": 16, "over_budget": 17,
}


class Fault(Exception):
    def __init__(self, number, note):
        super().__init__(f"fault {number}: {note}")
        self.number, self.note = number, note


class Agent:
    def __init__(self):
        self.socket = socket.socket(fileno=os.dup(0))
        self.socket.settimeout(120)
        self.buffered = b""
        kind, _ = self.hear()
        assert kind == 60, kind

    def ask(self, kind, fields=b""):
        self.socket.sendall(struct.pack("<IHQ", 10 + len(fields), kind, 0) + fields)

    def take(self, count):
        while len(self.buffered) < count:
            piece = self.socket.recv(1 << 20)
            assert piece, "the agent has hung up"
            self.buffered += piece
        got, self.buffered = self.buffered[:count], self.buffered[count:]
        return got

    def hear(self):
        """The next answer's type and fields, but for the word that it goes on."""
        while True:
            length, kind, _ = struct.unpack("<IHQ", self.take(14))
            fields = self.take(length - 10)
            if kind != 74:
                return kind, fields

    def answer(self, wanted):
        kind, fields = self.hear()
        if kind == 73:
            raise Fault(fields[0], fields[5:].decode())
        assert kind == wanted, (kind, wanted)
        return fields

    def unpack(self, path, archive, kind=ARCHIVE, compression=NONE, bytes=1 << 40, entries=1 << 40, piece=256 * 1024):
        """Unpacks an archive, bytes or pieces of them; what is told of it at the end."""
        self.ask(75, text(path) + struct.pack("<BBQQ", kind, compression, bytes, entries))
        pieces = (archive[at:at + piece] for at in range(0, len(archive), piece)) if hasattr(archive, "__len__") else archive
        self.socket.setblocking(True)
        for one in pieces:
            self.ask(63, text(one))
            # A fault ends it; what still comes is thrown away.
            if self.has_word():
                break
        self.ask(64, b"\x01")
        fields = self.answer(76)
        entries, stored, length = struct.unpack_from("<QQI", fields)
        digest, at = fields[20:20 + length], 20 + length
        count, at = struct.unpack_from("<I", fields, at)[0], at + 4
        left_out = []
        for _ in range(count):
            length = struct.unpack_from("<I", fields, at)[0]
            left_out.append(fields[at + 4:at + 4 + length].decode())
            at += 4 + length
        return {"entries": entries, "bytes": stored, "digest": digest.hex(), "left_out": left_out,
                "left_out_count": struct.unpack_from("<Q", fields, at)[0]}

    def has_word(self):
        while self.buffered or select.select([self.socket], [], [], 0)[0]:
            head = self.take(14)
            length, kind, _ = struct.unpack("<IHQ", head)
            fields = self.take(length - 10)
            if kind != 74:
                self.buffered = head + fields + self.buffered
                return True
        return False

    def pack(self, path, compression=NONE):
        self.ask(77, text(path) + bytes([compression]))
        self.answer(71)
        archive = []
        while True:
            kind, fields = self.hear()
            if kind == 64:
                assert fields[0] == 1
                return b"".join(archive)
            if kind == 73:
                raise Fault(fields[0], fields[5:].decode())
            assert kind == 63 and 0 < len(fields) - 4 <= 256 * 1024
            archive.append(fields[4:])


def text(value):
    value = value.encode() if isinstance(value, str) else value
    return struct.pack("<I", len(value)) + value


def refused(reason, work):
    try:
        done = work()
    except Fault as fault:
        assert fault.number == FAULTS[reason], (fault, reason)
        return fault.note
    raise AssertionError(f"{reason} was due, and it came to {done}")


def same(got, wanted, about=""):
    if got != wanted:
        if isinstance(got, dict) and isinstance(wanted, dict):
            got, wanted = ({k: v for k, v in one.items() if other.get(k) != v} for one, other in ((got, wanted), (wanted, got)))
        raise AssertionError(f"{about}: {str(got)[:2000]}\ninstead of {str(wanted)[:2000]}")


def seen(top, times=True, owners=os.geteuid() == 0):
    """All that a tree consists of: path, kind, mode, owner, times, attributes, content, and which names are one file."""
    found, inodes = {}, {}

    def look(path, name):
        status = os.lstat(path)
        kind = stat.S_IFMT(status.st_mode)
        entry = [oct(kind), oct(status.st_mode & 0o7777) if kind != stat.S_IFLNK else ""]
        entry += [status.st_uid, status.st_gid] if owners else []
        entry += [status.st_mtime_ns] if times else []
        if kind == stat.S_IFREG:
            with open(path, "rb") as file:
                entry += [status.st_size, hashlib.sha256(file.read()).hexdigest()]
            entry.append(inodes.setdefault(status.st_ino, name) if status.st_nlink > 1 else "")
        elif kind == stat.S_IFLNK:
            entry.append(os.readlink(path))
        if kind in (stat.S_IFREG, stat.S_IFDIR):
            entry.append({key: os.getxattr(path, key) for key in os.listxattr(path)})
        found[name] = entry
        if kind == stat.S_IFDIR:
            for child in sorted(os.listdir(path)):
                look(path + b"/" + child, name + b"/" + child if name else child)

    look(os.fsencode(top), b"")
    return found


class Work:
    """A directory for the time of a check."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="cordon-archives-", dir="/var/tmp")
        return self.path

    def __exit__(self, *_):
        os.chmod(self.path, 0o700)
        # Some trees are deeper than Python goes.
        subprocess.run(["rm", "-rf", self.path], check=True)


def main(checks):
    name, *arguments = sys.argv[1:]
    checks[name](*arguments)
    print("ok")
