import CLinux
import Glibc
import LinuxSystem
import Testing

@Suite("Removing a tree that a guest made")
struct TreeRemovalTests {
    private func remove(_ name: String, in directory: Directory) throws {
        var removal = TreeRemoval(in: directory)
        try removal.remove(name)
        #expect(!directory.exists(name))
        #expect(try directory.entries().filter { $0.hasPrefix(".deep") } == [], "nothing is left beside the tree")
    }

    @Test("one that isn't there is removed already")
    func absent() throws { try withDirectory { try remove("none", in: $0) } }

    @Test("a name is the bytes it is, UTF-8 or not")
    func oddNames() throws {
        try withDirectory { directory in
            let tree = try directory.make("tree")
            // Repaired into text, the first two would be the same name, and nobody's.
            let names: [[UInt8]] = [
                [0xff], [0xfe, 0x80], [0xc3], Array("a\nb".utf8), [1, 2, 3], Array("…".utf8), [0xed, 0xa0, 0x80],
            ]
            for (index, name) in names.enumerated() {
                let path = name.map { CChar(bitPattern: $0) } + [0]
                if index % 2 == 0 {
                    try check(mkdirat(tree.raw, path, 0o700), "mkdir")
                    let inner = openat(tree.raw, path, O_RDONLY | O_DIRECTORY)
                    try check(mkdirat(inner, path, 0o700), "mkdir")
                    close(inner)
                } else {
                    close(try check(openat(tree.raw, path, O_WRONLY | O_CREAT, 0o600), "open"))
                }
            }
            // Of our own directories such names are left out, not repaired.
            #expect(try Set(tree.entries()) == ["a\nb", "\u{1}\u{2}\u{3}", "…"])
            try remove("tree", in: directory)
        }
    }

    @Test("8,000 directories, each in the one before, go with few descriptors open")
    func deep() throws {
        try withDirectory { directory in
            var current = try directory.make("tree").descriptorCopy()
            for _ in 0..<8_000 {
                try check(mkdirat(current.raw, "d", 0o700), "mkdir")
                current = Descriptor(owning: try check(openat(current.raw, "d", O_RDONLY | O_DIRECTORY), "open"))
            }
            try remove("tree", in: directory)
        }
    }

    @Test("a guest's own .deep names are in nobody's way")
    func takenNames() throws {
        try withDirectory { directory in
            let tree = try directory.make("tree")
            for number in 1...5 { try tree.make(".deep-\(number)") }
            var path = "tree"
            for _ in 0..<200 {
                path += "/x"
                try directory.make(path)
            }
            try remove("tree", in: directory)
        }
    }

    @Test("20,000 entries in one directory go")
    func wide() throws {
        try withDirectory { directory in
            let tree = try directory.make("tree")
            for number in 0..<20_000 {
                close(try check(openat(tree.raw, "f\(number)", O_WRONLY | O_CREAT, 0o600), "open"))
            }
            try remove("tree", in: directory)
        }
    }

    @Test("what links point at stays, and no kind of file is in the way")
    func links() throws {
        try withDirectory { directory in
            let outside = try directory.make("outside")
            try outside.replace("kept", with: [1, 2, 3])
            let tree = try directory.make("tree")
            try check(symlinkat("../outside", tree.raw, "directory"), "symlink")
            try check(symlinkat("../outside/kept", tree.raw, "file"), "symlink")
            try check(symlinkat("/", tree.raw, "root"), "symlink")
            try check(linkat(outside.raw, "kept", tree.raw, "hard", 0), "link")
            try check(mkfifoat(tree.raw, "fifo", 0o600), "mkfifo")
            try cordon_make_device(tree.raw, "null", 1, 3) == 0 ? () : { throw SystemCallError("mknod") }()
            try tree.make("locked", mode: 0).make("inner", mode: 0)
            try remove("tree", in: directory)
            #expect(try outside.read("kept") == [1, 2, 3])
            var status = stat()
            #expect(fstatat(outside.raw, "kept", &status, 0) == 0 && status.st_nlink == 1)
        }
    }

    @Test("a mount in the tree is refused, not entered")
    func mounts() throws {
        guard getuid() == 0 else { return }
        try withDirectory { directory in
            let point = try directory.make("tree").make("point")
            let tmpfs = try Mount.make("tmpfs", ["size": "64k"], attributes: .hostile)
            try Mount.attach(tmpfs, at: point)
            let inside = try directory.directory("tree").make("point")
            try inside.replace("kept", with: [7])
            var removal = TreeRemoval(in: directory)
            #expect(throws: SystemCallError.self) { try removal.remove("tree") }
            #expect(try inside.read("kept") == [7])
            try check(cordon_detach("\(directory.procPath)/tree/point"), "umount")
            try remove("tree", in: directory)
        }
    }
}
