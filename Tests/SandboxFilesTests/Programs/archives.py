"""Archives made and unpacked by the file agent, compared with what GNU tar and Python's tarfile make of them."""

import gzip
import io
import itertools
import random
import shutil
import subprocess
import tarfile
import threading

from agent import *


def random_tree(top, chance, size=60):
    """A tree of all that an unprivileged user can make, and with root's rights, owners."""
    directories, files = [top], []
    odd = [b"name", "n\u00e4me".encode(), b"\xff\xfe", b"with space", b"new\nline", b"=%3D%", b"-rf", b"x" * 255, b"y" * 120]
    for number in range(size):
        where = chance.choice(directories)
        path = os.fsencode(where) + b"/" + chance.choice(odd)[:250] + str(number).encode()
        kind = chance.choice(["directory", "file", "file", "file", "link", "hard", "fifo", "sparse"])
        if kind == "directory" and len(path) < 1500:
            os.mkdir(path)
            directories.append(os.fsdecode(path))
        elif kind == "link":
            os.symlink(chance.choice([b"somewhere", b"/etc/passwd", b"../" * 40 + b"x", b"\xff" * 150]), path)
        elif kind == "fifo":
            os.mkfifo(path)
        elif kind == "hard" and files:
            os.link(chance.choice(files), path)
            continue
        elif kind == "sparse":
            with open(path, "wb") as file:
                for _ in range(chance.randrange(4)):
                    file.seek(chance.randrange(1 << 22) & ~4095)
                    file.write(chance.randbytes(chance.randrange(10_000)))
                file.truncate(max(file.tell(), chance.randrange(1 << 23)))
            files.append(path)
        else:
            with open(path, "wb") as file:
                file.write(chance.randbytes(chance.choice([0, 1, 511, 512, 513, 70_000, 300_000])))
            files.append(path)
        if not os.path.islink(path):
            if os.path.isfile(path) and chance.random() < 0.3:
                os.setxattr(path, chance.choice(["user.a", "user.b=c%", "user.\u00e4"]), chance.randbytes(chance.randrange(1, 600)))
            os.chmod(path, chance.choice([0o644, 0o755, 0o4755, 0o2700, 0o600, 0o1777]) | (0o700 if os.path.isdir(path) else 0o400))
    everything = [os.path.join(os.fsencode(at), name) for at, folders, names in os.walk(os.fsencode(top)) for name in folders + names]
    for path in sorted(everything, reverse=True) + [os.fsencode(top)]:
        if os.geteuid() == 0 and chance.random() < 0.5:
            mode = os.lstat(path).st_mode
            os.lchown(path, chance.choice([0, 1, 1000, 65534, 3_000_000]), chance.choice([0, 5, 2_500_000]))
            if not os.path.islink(path):
                os.chmod(path, mode & 0o7777)
        os.utime(path, ns=(0, chance.choice([0, 1_700_000_000_123_456_789, -5_500_000_000, 1_000_000_001])), follow_symlinks=False)


def gnu(*arguments, **options):
    done = subprocess.run(["tar", "--xattrs", "--xattrs-include=*", *arguments], capture_output=True, **options)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


def packed(seed):
    """What the agent packs, GNU tar and tarfile unpack."""
    agent, chance = Agent(), random.Random(int(seed))
    with Work() as work:
        tree = work + "/tree"
        os.mkdir(tree)
        random_tree(tree, chance)
        for compression, option in ((NONE, []), (GZIP, ["-z"]), (ZSTD, ["--zstd"])):
            there = f"{work}/there{compression}"
            os.mkdir(there)
            archive = agent.pack(tree, compression)
            gnu("-x", "-p", *(["--same-owner"] if os.geteuid() == 0 else []), *option, "-f", "-", "-C", there, input=archive)
            same(seen(there), seen(tree), f"GNU tar, compression {compression}, seed {seed}")
        # The other reader knows neither attributes nor times before 1970 of its own accord.
        with tarfile.open(fileobj=io.BytesIO(agent.pack(tree)), encoding="utf-8", errors="surrogateescape") as opened:
            names = {os.fsencode(member.name).removeprefix(b"./") for member in opened.getmembers()} - {b"."}
            same(names, set(seen(tree)) - {b""}, "tarfile")
            for member in opened.getmembers():
                if member.isreg():
                    with open(os.fsencode(tree) + b"/" + os.fsencode(member.name), "rb") as file:
                        assert opened.extractfile(member).read() == file.read(), member.name
        # And itself.
        for compression in (NONE, GZIP, ZSTD):
            there = f"{work}/own{compression}"
            told = agent.unpack(there, agent.pack(tree, compression), compression=compression)
            same(seen(there), seen(tree), "the agent itself")
            same((told["entries"], told["left_out_count"]), (len(seen(tree)), 0))
            allocated = sum(os.lstat(os.path.join(at, name)).st_blocks for top in (there,) for at, _, names in os.walk(top) for name in names)
            there_before = sum(os.lstat(os.path.join(at, name)).st_blocks for at, _, names in os.walk(tree) for name in names)
            assert allocated <= there_before * 1.1 + 1000, "holes were filled"


def unpacked(seed):
    """What GNU tar and tarfile pack, in every format, the agent unpacks."""
    agent, chance = Agent(), random.Random(int(seed))
    with Work() as work:
        tree = work + "/tree"
        os.mkdir(tree)
        random_tree(tree, chance)
        formats = [("--format=posix", True), ("--format=posix --sparse --sparse-version=1.0", True),
                   ("--format=posix --sparse --sparse-version=0.1", True), ("--format=posix --sparse --sparse-version=0.0", True),
                   ("--format=gnu", False), ("--format=gnu --sparse", False)]
        for number, (options, is_exact) in enumerate(formats):
            options = options.split()
            plain = ["tar"] + options + (["--xattrs", "--xattrs-include=*"] if is_exact else [])
            done = subprocess.run([*plain, "-c", "-f", "-", "-C", tree, "."], capture_output=True)
            assert done.returncode == 0, done.stderr
            there = f"{work}/there{number}"
            told = agent.unpack(there, done.stdout, piece=chance.choice([1 << 18, 511, 4097, 512]))
            same(told["digest"], hashlib.sha256(done.stdout).hexdigest())
            wanted, got = seen(tree, times=is_exact), seen(there, times=is_exact)
            if not is_exact:
                wanted, got = ({name: [part for part in entry if not isinstance(part, dict)] for name, entry in one.items()} for one in (wanted, got))
            same(got, wanted, f"{options}, seed {seed}")
        for kind in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
            held = io.BytesIO()
            with tarfile.open(fileobj=held, mode="w", format=kind, errors="surrogateescape") as made:
                made.add(tree, arcname=".")
            there = f"{work}/python{kind}"
            compressed = chance.random() < 0.5
            archive = gzip.compress(held.getvalue()) if compressed else held.getvalue()
            agent.unpack(there, archive, compression=GZIP if compressed else NONE)
            bare = lambda found: {name: [part for part in entry if not isinstance(part, dict)] for name, entry in found.items()}
            same(bare(seen(there, times=False)), bare(seen(tree, times=False)), f"tarfile {kind}, seed {seed}")


def member(name, kind=tarfile.REGTYPE, content=b"", target="", **values):
    one = tarfile.TarInfo(name)
    one.type, one.linkname, one.size, one.mode = kind, target, len(content), 0o755 if kind == tarfile.DIRTYPE else 0o644
    one.uid, one.gid = os.geteuid(), os.getegid()
    for key, value in values.items():
        setattr(one, key, value)
    return one, content


def archive(*members, format=tarfile.PAX_FORMAT):
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=format, errors="surrogateescape") as made:
        for one, content in members:
            made.addfile(one, io.BytesIO(content))
    return held.getvalue()


def raw(name=b"file", kind=b"0", size=b"%011o\0" % 0, mode=b"0000644\0", owner=b"0000000\0", magic=b"ustar\00000", linkname=b"", checksum=None):
    block = bytearray(512)
    for at, value in ((0, name), (100, mode), (108, owner), (116, owner), (124, size), (136, b"%011o\0" % 0), (148, b" " * 8),
                      (156, kind), (157, linkname), (257, magic)):
        block[at:at + len(value)] = value
    block[148:156] = checksum or b"%06o\0 " % sum(block)
    return bytes(block)


def replacing():
    """What is in the way goes, but for directories that stay; nothing is written through what was there."""
    agent = Agent()
    with Work() as work:
        top, outside = work + "/top", work + "/outside"
        os.mkdir(outside)
        with open(outside + "/kept", "w") as file:
            file.write("kept")
        for make in (lambda path: os.symlink(outside + "/kept", path), lambda path: os.link(outside + "/kept", path),
                     lambda path: os.mkfifo(path), lambda path: os.makedirs(path + "/deep/deeper"), lambda path: os.symlink(outside, path)):
            for one, content in (member("a", content=b"new"), member("a", tarfile.SYMTYPE, target="x"), member("a", tarfile.DIRTYPE), member("a", tarfile.FIFOTYPE)):
                shutil.rmtree(top, ignore_errors=True)
                os.mkdir(top)
                make(top + "/a")
                agent.unpack(top, archive((one, content)))
                status = os.lstat(top + "/a")
                assert stat.S_IFMT(status.st_mode) == {tarfile.REGTYPE: stat.S_IFREG, tarfile.SYMTYPE: stat.S_IFLNK, tarfile.DIRTYPE: stat.S_IFDIR, tarfile.FIFOTYPE: stat.S_IFIFO}[one.type]
                same((open(outside + "/kept").read(), os.listdir(outside)), ("kept", ["kept"]))
        # A directory that is there keeps what it holds, and gets what the archive says.
        shutil.rmtree(top)
        os.makedirs(top + "/d/inner")
        agent.unpack(top, archive(member("d", tarfile.DIRTYPE, mode=0o711), member("d/f", content=b"f")))
        same((sorted(os.listdir(top + "/d")), oct(os.stat(top + "/d").st_mode & 0o777)), (["f", "inner"], "0o711"))
        # A directory without write permission is filled all the same; missing ones are made, and the target too.
        agent.unpack(top + "/new/target", archive(member("ro", tarfile.DIRTYPE, mode=0o555, mtime=5), member("ro/f", content=b"f"), member("x/y/z", content=b"z")))
        status = os.stat(top + "/new/target/ro")
        same((oct(status.st_mode & 0o777), status.st_mtime, open(top + "/new/target/x/y/z").read()), ("0o555", 5.0, "z"))
        os.chmod(top + "/new/target/ro", 0o755)
        # The target itself keeps what it has.
        os.chmod(top, 0o750)
        agent.unpack(top, archive(member("./", tarfile.DIRTYPE, mode=0o700), member("./p", content=b"p")))
        same(oct(os.stat(top).st_mode & 0o777), "0o750")


def ways_out():
    """Names, links and links to links that lead elsewhere lead nowhere."""
    agent = Agent()
    with Work() as work:
        top, outside = work + "/top", work + "/outside"
        os.mkdir(outside)
        with open(outside + "/kept", "w") as file:
            file.write("kept")
        up = "../" * 20 + outside[1:]
        for what, members in {
            "up": [member("../escaped", content=b"x")], "up within": [member("a/../../escaped", content=b"x")], "dots": [member("..", tarfile.DIRTYPE)],
            "through a link": [member("a", tarfile.SYMTYPE, target=outside), member("a/escaped", content=b"x")],
            "through a relative link": [member("a", tarfile.SYMTYPE, target=up), member("a/escaped", content=b"x")],
            "through two": [member("a", tarfile.SYMTYPE, target="b"), member("b", tarfile.SYMTYPE, target=outside), member("a/escaped", content=b"x")],
            "a directory through a link": [member("a", tarfile.SYMTYPE, target=outside), member("a/b/c", tarfile.DIRTYPE)],
            "a link through a link": [member("a", tarfile.SYMTYPE, target=outside), member("h", tarfile.LNKTYPE, target="a/kept"), member("h", content=b"x")],
            "another's link": [member("h", tarfile.LNKTYPE, target=up + "/kept")],
            "another's link, absolute": [member("h", tarfile.LNKTYPE, target=outside + "/kept")],
            "a whole directory": [member("d", tarfile.DIRTYPE), member("h", tarfile.LNKTYPE, target="d")],
            "the directory itself": [member(".", tarfile.REGTYPE, content=b"x")], "itself as a link": [member("./", tarfile.SYMTYPE, target=outside)],
        }.items():
            shutil.rmtree(top, ignore_errors=True)
            os.mkdir(top)
            try:
                agent.unpack(top, archive(*members))
            except Fault as fault:
                assert fault.number in (1, 2, 12, 16), (what, fault)
            else:
                raise AssertionError(what + " was unpacked")
            same((os.listdir(outside), open(outside + "/kept").read(), sorted(os.listdir(work))), (["kept"], "kept", ["outside", "top"]), what)
            assert os.stat(outside + "/kept").st_nlink == 1, what
        # A name may begin with a slash: it counts for nothing. A link may lead anywhere, as long as nobody follows it.
        for members in ([member("/etc/passwd-of-mine", content=b"x")], [member("//a", content=b"x")],
                        [member("a", tarfile.SYMTYPE, target=outside + "/kept"), member("a", content=b"own")],
                        [member("a", tarfile.SYMTYPE, target=outside + "/kept"), member("h", tarfile.LNKTYPE, target="a"), member("h", content=b"own")],
                        [member("a", content=b"x"), member("a", tarfile.LNKTYPE, target="a"), member("b", tarfile.LNKTYPE, target="./a")]):
            agent.unpack(top, archive(*members))
            same(open(outside + "/kept").read(), "kept")
        assert os.path.exists(top + "/etc/passwd-of-mine") and not os.path.exists("/etc/passwd-of-mine")
        assert open(top + "/b").read() == "x"
        # Devices are left out and told.
        told = agent.unpack(top, archive(member("null", tarfile.CHRTYPE, devmajor=1, devminor=3), member("disk", tarfile.BLKTYPE)))
        same((told["left_out"], told["left_out_count"], os.path.lexists(top + "/null")), (["null", "disk"], 2, False))
        # A whiteout is a file like any other where no layer is unpacked.
        agent.unpack(top, archive(member(".wh.b")))
        assert os.path.exists(top + "/b") and os.path.exists(top + "/.wh.b")


def nonsense():
    """What is no archive, or one that lies, is refused, and the agent goes on."""
    agent = Agent()
    end = bytes(1024)

    def pax(*records, kind=b"x"):
        data = b"".join(records)
        return raw(b"pax", kind, b"%011o\0" % len(data)) + data + bytes(-len(data) % 512)

    def record(key, value):
        for length in range(len(key) + len(value) + 3, len(key) + len(value) + 12):
            whole = b"%d %s=%s\n" % (length, key, value)
            if len(whole) == length:
                return whole

    whole = archive(member("f", content=b"x" * 2000), member("g"))
    cases = {
        "nothing": b"", "text": b"no archive at all\n" * 100, "half a block": whole[:300], "half a file": whole[:1600],
        "a wrong checksum": raw(checksum=b"0000001\0") + end, "a negative size": raw(size=b"\xff" * 12) + end,
        "a size beyond all": raw(size=b"\x80" + b"\xff" * 11) + end, "no octal": raw(size=b"zzzzzzzzzzz\0") + end,
        "an unknown type": raw(kind=b"Q") + end, "a negative owner": raw(owner=b"\xff" * 8) + end,
        "an owner that means none": raw(owner=b"\x80\0\0\0\xff\xff\xff\xff") + end,
        "a huge extended header": raw(kind=b"x", size=b"%011o\0" % ((1 << 20) + 1)) + end,
        "a huge long name": raw(kind=b"L", size=b"77777777777\0") + end,
        "a name of 5,000 bytes": raw(kind=b"L", size=b"%011o\0" % 5120) + b"n" * 5120 + raw() + end,
        "a path of 5,000 directories": pax(record(b"path", b"d/" * 5000)) + raw() + end,
        "a path with NUL": pax(record(b"path", b"a\0b")) + raw() + end, "a record too long": pax(b"99 path=a\n") + raw() + end,
        "a record too short": pax(b"3 path=a\n") + raw() + end, "a record without a length": pax(b"path=a\n") + raw() + end,
        "a record without an end": pax(b"9 path=abc") + raw() + end, "an overflowing size": pax(record(b"size", b"9" * 30)) + raw() + end,
        "a size that is none": pax(record(b"size", b"-1")) + raw() + end, "an owner too large": pax(record(b"uid", b"4294967295")) + raw() + end,
        "an end behind a header": pax(record(b"path", b"a")) + end, "too many global words": b"".join(pax(record(b"k%d" % n, b"v" * 1000), kind=b"g") for n in range(1100)) + end,
        "a map beyond its file": pax(record(b"GNU.sparse.map", b"0,10"), record(b"GNU.sparse.size", b"5")) + raw(size=b"%011o\0" % 10) + bytes(512) + end,
        "a map that goes back": pax(record(b"GNU.sparse.map", b"5,1,0,1"), record(b"GNU.sparse.size", b"10")) + raw(size=b"%011o\0" % 2) + bytes(512) + end,
        "a map that overflows": pax(record(b"GNU.sparse.map", b"9223372036854775807,9223372036854775807"), record(b"GNU.sparse.size", b"10")) + raw(size=b"%011o\0" % 2) + end,
        "half a pair": pax(record(b"GNU.sparse.map", b"1"), record(b"GNU.sparse.size", b"10")) + raw(size=b"%011o\0" % 2) + end,
        "a map of too many": pax(record(b"GNU.sparse.major", b"1"), record(b"GNU.sparse.minor", b"0"), record(b"GNU.sparse.realsize", b"1")) + raw(size=b"%011o\0" % 512) + b"99999999\n" + bytes(503) + end,
        "a map longer than its data": pax(record(b"GNU.sparse.major", b"1"), record(b"GNU.sparse.minor", b"0"), record(b"GNU.sparse.realsize", b"1")) + raw(size=b"%011o\0" % 512) + b"90\n" + b"1\n" * 254 + b"\n" + end,
        "another version of maps": pax(record(b"GNU.sparse.major", b"7"), record(b"GNU.sparse.minor", b"0"), record(b"GNU.sparse.realsize", b"1")) + raw() + end,
    }
    with Work() as work:
        for what, bytes_ in cases.items():
            for compression in (NONE, GZIP):
                given = gzip.compress(bytes_) if compression else bytes_
                try:
                    agent.unpack(work + "/top", given, compression=compression)
                except Fault as fault:
                    assert fault.number == FAULTS["archive_invalid"] and fault.note, (what, fault)
                else:
                    raise AssertionError(what + " was unpacked")
        compressed = gzip.compress(whole)
        for what, given, compression in [("no gzip", whole, GZIP), ("no zstd", whole, ZSTD), ("half a stream", compressed[:-10], GZIP), ("garbage behind", compressed + b"garbage", GZIP),
                                         ("a wrong sum", compressed[:-8] + bytes(8), GZIP), ("nothing", b"", GZIP), ("nothing", b"", ZSTD)]:
            refused("archive_invalid", lambda: agent.unpack(work + "/top", given, compression=compression))
        # Streams behind one another are one; what stands behind the end counts for the digest alone.
        told = agent.unpack(work + "/top", gzip.compress(whole[:700]) + gzip.compress(whole[700:] + b"behind"), compression=GZIP)
        same(told["digest"], hashlib.sha256(whole + b"behind").hexdigest())
        # Names are bytes.
        odd = [b"new\nline", b"\xff\xfe", b"tab\t", "\u202e".encode()]
        agent.unpack(work + "/odd", archive(*(member(os.fsdecode(name)) for name in odd)))
        same(sorted(os.listdir(os.fsencode(work) + b"/odd")), sorted(odd))
        # As deep as a name can tell.
        agent.unpack(work + "/deep", pax(record(b"path", b"d/" * 2000 + b"f")) + raw() + end)
        same(len(agent.pack(work + "/deep")) > 2000 * 512, True)


def budgets():
    """An archive is cut off where it holds more than it may, whatever it is compressed by."""
    agent = Agent()
    with Work() as work:
        note = refused("over_budget", lambda: agent.unpack(work + "/a", raw(size=b"%011o\0" % 5000), bytes=4999))
        assert "4999" in note, note
        assert not os.path.exists(work + "/a/file"), "it was begun"
        agent.unpack(work + "/a", archive(member("f", content=b"x" * 5000)), bytes=5000, entries=1)
        refused("over_budget", lambda: agent.unpack(work + "/a", archive(member("f"), member("g")), entries=1))
        # Directories that are made on the way count, too.
        refused("over_budget", lambda: agent.unpack(work + "/a", archive(member("d/" * 100 + "f")), entries=50))
        # Bombs: zeros without end as a file, behind the end, as headers; a terabyte of holes.
        zeros = lambda: (bytes(1 << 20) for _ in range(128))

        def zipped(pieces, tool):
            with subprocess.Popen(tool, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
                def feed():
                    for piece in pieces:
                        process.stdin.write(piece)
                    process.stdin.close()
                thread = threading.Thread(target=feed)
                thread.start()
                got = process.stdout.read()
                thread.join()
                return got

        for tool, compression in ((["gzip", "-1"], GZIP), (["zstd", "-q"], ZSTD)):
            for what, head in (("a file", raw(size=b"%011o\0" % (1 << 27))), ("the end", bytes(1024))):
                bomb = zipped(itertools.chain([head], zeros()), tool)
                assert len(bomb) < 8 << 20
                refused("over_budget", lambda: agent.unpack(work + "/b", bomb, compression=compression, bytes=1 << 20, entries=100))
        holes = b"GNU.sparse.map=1,1\n"
        record = lambda text: next(b"%d %s" % (n, text) for n in range(len(text), len(text) + 9) if len(b"%d %s" % (n, text)) == n)
        data = record(holes) + record(b"GNU.sparse.size=1099511627776\n")
        sparse = raw(b"pax", b"x", b"%011o\0" % len(data)) + data + bytes(-len(data) % 512) + raw(size=b"%011o\0" % 1) + b"x" + bytes(511 + 1024)
        refused("over_budget", lambda: agent.unpack(work + "/c", sparse, bytes=1 << 30))
        agent.unpack(work + "/c", sparse, bytes=1 << 40)
        status = os.stat(work + "/c/file")
        assert status.st_size == 1 << 40 and status.st_blocks < 1000
        # And packed again it is as small.
        assert len(agent.pack(work + "/c")) < 20_000
        # A million entries, and no more.
        one = raw(b"same")
        refused("over_budget", lambda: agent.unpack(work + "/d", (one * 512 for _ in range(1 << 20)), entries=100_000))


def layers():
    """Whiteouts hide what lay below and nothing of the layer itself; links on the way are those of the root."""
    agent = Agent()
    with Work() as work:
        top = work + "/root"

        def below():
            shutil.rmtree(top, ignore_errors=True)
            for path in ("usr/bin/old", "opt/a/x", "opt/a/y/z", "opt/b", "etc/conf", "var/cache/deep/er/f"):
                os.makedirs(os.path.dirname(f"{top}/{path}"), exist_ok=True)
                with open(f"{top}/{path}", "w") as file:
                    file.write("below")
            os.symlink("usr/bin", top + "/bin")
            os.symlink("/usr/bin", top + "/absolute")
            os.symlink("../../../../../../usr/bin", top + "/opt/up")

        def unpack(*members):
            below()
            return agent.unpack(top, archive(*members), kind=LAYER)

        unpack(member("bin/new", content=b"new"), member("absolute/two", content=b"2"), member("opt/up/three", content=b"3"))
        same(sorted(os.listdir(top + "/usr/bin")), ["new", "old", "three", "two"])
        assert os.readlink(top + "/bin") == "usr/bin"
        unpack(member("opt/.wh.a"), member("etc/.wh.conf"), member("bin/.wh.old"), member("no/such/.wh.thing"), member(".wh.var"))
        same((os.listdir(top + "/opt"), os.listdir(top + "/etc"), os.listdir(top + "/usr/bin"), os.path.exists(top + "/var")), (["up", "b"] if os.listdir(top + "/opt")[0] == "up" else ["b", "up"], [], [], False))
        assert not os.path.exists(top + "/no")
        # Opaque: whichever comes first, what the layer has made stays.
        for order in (0, 1):
            members = [member("opt/a", tarfile.DIRTYPE), member("opt/a/n", content=b"n"), member("opt/a/y", tarfile.DIRTYPE), member("opt/a/y/m", content=b"m")]
            members.insert(0 if order else len(members), member("opt/a/.wh..wh..opq"))
            unpack(*members)
            same((sorted(os.listdir(top + "/opt/a")), os.listdir(top + "/opt/a/y")), (["n", "y"], ["m"]))
            assert os.path.exists(top + "/opt/b")
        unpack(member("bin/n", content=b"n"), member("usr/bin/.wh..wh..opq"))
        same(os.listdir(top + "/usr/bin"), ["n"], "made through a link")
        unpack(member("opt/a/x", content=b"again"), member("opt/.wh.a"))
        same((os.listdir(top + "/opt/a"), open(top + "/opt/a/x").read()), (["x"], "again"))
        unpack(member(".wh..wh.plnk", tarfile.DIRTYPE), member(".wh..wh.plnk/x"), member("f"))
        assert not any(name.startswith(".wh.") for name in os.listdir(top))
        for name in (".wh.", ".wh..", ".wh..."):
            refused("archive_invalid", lambda: unpack(member(name)))
        # What the kernel's file systems are mounted on.
        for name in ("proc", "sys", "dev", "/dev", "./proc/", "absolute-root/sys"):
            for kind in (tarfile.SYMTYPE, tarfile.REGTYPE, tarfile.FIFOTYPE):
                if name.endswith("/") and kind == tarfile.REGTYPE:
                    continue
                refused("archive_invalid", lambda: unpack(member("absolute-root", tarfile.SYMTYPE, target="/"), member(name, kind, target="x" if kind == tarfile.SYMTYPE else "")))
        unpack(member("proc", tarfile.DIRTYPE), member("dev", tarfile.DIRTYPE))
        # A way out through the root is none: the root is the root.
        unpack(member("out", tarfile.SYMTYPE, target="/../../.."), member("out/escaped", content=b"x"))
        assert os.path.exists(top + "/escaped")
        if os.geteuid() == 0:
            unpack(member("suid", content=b"x", mode=0o6755, uid=1000, gid=7), member("bin", tarfile.DIRTYPE, mode=0o1777, uid=5))
            status = os.stat(top + "/suid")
            same((oct(status.st_mode), status.st_uid, status.st_gid), ("0o106755", 1000, 7))
            assert not os.path.islink(top + "/bin") and os.path.exists(top + "/usr/bin/old")


def left_out():
    """Sockets and devices aren't packed; nothing is read that isn't a file; what can't be read ends it."""
    agent = Agent()
    with Work() as work:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(work + "/socket")
        os.mkfifo(work + "/fifo")
        os.symlink("loop", work + "/loop")
        with tarfile.open(fileobj=io.BytesIO(agent.pack(work))) as packed_:
            same(sorted(packed_.getnames()), [".", "fifo", "loop"])
        refused("not_found", lambda: agent.pack(work + "/none"))
        refused("not_a_directory", lambda: agent.pack(work + "/fifo"))
        refused("link_loop", lambda: agent.pack(work + "/loop"))
        refused("link_loop", lambda: agent.pack("/proc/self/cwd"))
        # The kernel's own file systems have no end.
        with tarfile.open(fileobj=io.BytesIO(agent.pack("/proc"))) as packed_:
            same(packed_.getnames(), ["."])


def mutations(seed):
    """A good archive with some of its bytes changed is unpacked or refused; the agent goes on, and nothing is outside."""
    agent, chance = Agent(), random.Random(int(seed))
    with Work() as work:
        tree = work + "/tree"
        os.mkdir(tree)
        random_tree(tree, chance, size=15)
        sources = [agent.pack(tree)]
        for options in (["--format=gnu", "--sparse"], ["--format=posix", "--sparse", "--sparse-version=0.1"]):
            sources.append(subprocess.run(["tar", *options, "-c", "-C", tree, "."], capture_output=True).stdout)
        sources = [one for one in sources if len(one) < 2_000_000] or [archive(member("f", content=b"x"))]
        before = sorted(os.listdir(work))
        refusals = 0
        for round in range(150):
            bytes_ = bytearray(chance.choice(sources))
            for _ in range(chance.randrange(1, 6)):
                block = chance.randrange(len(bytes_) // 512) * 512
                what = chance.random()
                if what < 0.6:
                    bytes_[block + chance.randrange(512)] = chance.randrange(256)
                    if chance.random() < 0.8:
                        head = bytes_[block:block + 512]
                        bytes_[block + 148:block + 156] = b"%06o\0 " % (sum(head[:148]) + sum(head[156:]) + 256)
                elif what < 0.8:
                    del bytes_[block:block + 512 * chance.randrange(1, 4)]
                else:
                    bytes_[block:block] = bytes_[:512 * chance.randrange(1, 4)]
                if len(bytes_) < 1024:
                    break
            kind = chance.choice([ARCHIVE, LAYER])
            try:
                agent.unpack(work + "/there", bytes(bytes_), kind=kind, bytes=1 << 26, entries=10_000, piece=chance.choice([512, 700, 1 << 18]))
            except Fault:
                refusals += 1
            shutil.rmtree(work + "/there", ignore_errors=True)
            same(sorted(os.listdir(work)), before, "outside")
        assert 10 < refusals < 150, refusals


main({check.__name__: check for check in (packed, unpacked, replacing, ways_out, nonsense, budgets, layers, left_out, mutations)})
