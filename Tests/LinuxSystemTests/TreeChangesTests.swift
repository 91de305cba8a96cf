import CLinux
import Glibc
import LinuxSystem
import Testing

/// What is written stands for a file's content; `nil` is a whiteout.
private typealias Files = [String: String?]

@Suite("Changes of a writable layer")
struct TreeChangesTests {
    private func put(_ files: Files, in directory: Directory) throws {
        for (path, content) in files.sorted(by: { $0.key < $1.key }) {
            var parent = directory
            let names = path.split(separator: "/").map(String.init)
            for name in names.dropLast() { parent = try parent.make(name, mode: 0o755) }
            guard let last = names.last else { continue }
            if let content {
                try parent.replace(last, with: Array(content.utf8), mode: 0o644)
            } else {
                try check(cordon_make_node(parent.raw, last, S_IFCHR), "mknod", last)
            }
        }
    }

    /// All files and whiteouts of a layer, and its directories with a slash behind them.
    private func shown(_ directory: Directory, _ path: String = "") throws -> Files {
        var found: Files = [:]
        for name in try directory.entries() {
            var status = stat()
            try check(fstatat(directory.raw, name, &status, AT_SYMLINK_NOFOLLOW), "stat", name)
            switch status.st_mode & S_IFMT {
            case S_IFDIR:
                found[path + name + "/"] = ""
                try found.merge(shown(try directory.directory(name), path + name + "/")) { $1 }
            case S_IFCHR: found.updateValue(nil, forKey: path + name)
            default: found[path + name] = String(decoding: try directory.read(name) ?? [], as: UTF8.self)
            }
        }
        return found
    }

    private func makeOpaque(_ directory: Directory) throws {
        try check(cordon_set_attribute(directory.raw, "trusted.overlay.opaque", "y", 1), "setxattr")
    }

    /// Makes a layer in a new directory of `top`, and answers it with what the writable layer holds then.
    private func change(
        _ upper: Directory, base: Directory?, head: Directory?, since: TreeStamps?, in top: Directory, _ name: String
    ) throws -> (Files, TreeStamps) {
        var changes = TreeChanges(since: since)
        let trees = TreeChanges.Trees(upper: upper.raw, base: base?.raw, head: head?.raw)
        let target = try top.make(name)
        let stamps = try changes.make(of: trees, at: target.raw)
        // As it goes through a file.
        let file = try top.open("stamps", O_RDWR | O_CREAT | O_TRUNC, mode: 0o600)
        try stamps.write(to: file.raw)
        return (try shown(target), try #require(TreeStamps.read(try top.read("stamps", limit: 1 << 20) ?? [])))
    }

    private func compare(
        base: Files, head: Files, upper: Files, opaque: [String] = [], gives wanted: Files,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try withDirectory { top in
            let (b, h, u) = (try top.make("base"), try top.make("head"), try top.make("upper"))
            try put(base, in: b)
            try put(head, in: h)
            try put(upper, in: u)
            for name in opaque { try makeOpaque(try u.make(name, mode: 0o755)) }
            let (layer, _) = try change(u, base: b, head: h, since: nil, in: top, "layer")
            #expect(layer == wanted, sourceLocation: sourceLocation)
        }
    }

    @Test("new and changed files are copied, and removed ones hidden where they still are")
    func plain() throws {
        try compare(
            base: ["a": "0", "gone": "0", "lost": "0"], head: ["a": "0", "gone": "0", "new": "2"],
            upper: ["a": "1", "d/b": "1", "gone": nil, "lost": nil],
            gives: ["a": "1", "d/": "", "d/b": "1", "gone": nil])
    }

    @Test("a directory that was removed takes what was known of it along, and leaves what others added")
    func removedDirectory() throws {
        let base: Files = ["d/old": "0", "d/e/deep": "0", "d/f/x": "0"]
        try compare(base: base, head: base, upper: ["d": nil], gives: ["d": nil])
        try compare(
            base: base, head: ["d/old": "2", "d/e/deep": "0", "d/e/new": "2", "d/f/x": "0"], upper: ["d": nil],
            gives: ["d/": "", "d/old": nil, "d/e/": "", "d/e/deep": nil, "d/f": nil])
    }

    @Test("a directory that was made anew hides nothing but what was known of it")
    func remadeDirectory() throws {
        try compare(
            base: ["d/old": "0", "d/kept": "0"], head: ["d/old": "0", "d/kept": "0", "d/new": "2"],
            upper: ["d/kept": "1"], opaque: ["d"], gives: ["d/": "", "d/old": nil, "d/kept": "1"])
    }

    @Test("what was published once isn't published again, and what was removed since is hidden")
    func twice() throws {
        try withDirectory { top in
            let (empty, head, upper) = (try top.make("base"), try top.make("head"), try top.make("upper"))
            try put(["a": "1", "d/b": "1", "d/c": "1"], in: upper)
            let (first, stamps) = try change(upper, base: empty, head: empty, since: nil, in: top, "first")
            #expect(first == ["a": "1", "d/": "", "d/b": "1", "d/c": "1"])
            var unchanged = TreeChanges(since: stamps)
            let trees = TreeChanges.Trees(upper: upper.raw, base: empty.raw, head: head.raw)
            let nothing = unchanged.areThere(in: trees)
            #expect(!nothing)
            try put(["a": "2", "d/b": "1", "d/c": "1", "d/theirs": "2"], in: head)
            usleep(20_000)
            try upper.directory("d").unlink("c")
            try put(["d/n": "3"], in: upper)
            var changed = TreeChanges(since: stamps)
            let something = changed.areThere(in: trees)
            #expect(something)
            let (second, _) = try change(upper, base: empty, head: head, since: stamps, in: top, "second")
            #expect(second == ["d/": "", "d/c": nil, "d/n": "3"])
        }
    }

    @Test("a directory that was renamed is published whole, once, and gone from where it was")
    func renamed() throws {
        try withDirectory { top in
            let (base, upper) = (try top.make("base"), try top.make("upper"))
            try put(["d/a": "0", "d/s/b": "0", "d/gone": "0"], in: base)
            try put(["d": nil, "e/n": "1", "e/gone": nil], in: upper)
            let moved = try upper.directory("e")
            try LinuxSystem.check(cordon_set_attribute(moved.raw, "trusted.overlay.redirect", "d", 1), "setxattr")
            let (first, stamps) = try change(upper, base: base, head: base, since: nil, in: top, "first")
            #expect(first == ["d": nil, "e/": "", "e/n": "1", "e/a": "0", "e/s/": "", "e/s/b": "0"])
            let (second, _) = try change(upper, base: base, head: base, since: stamps, in: top, "second")
            #expect(second == [:])
        }
    }

    @Test("a file in the place of a directory, and the other way round")
    func kinds() throws {
        try compare(
            base: ["a": "0", "d/x": "0"], head: ["a": "2", "d/x": "0", "d/y": "2"],
            upper: ["a/b": "1", "d": "1"], gives: ["a/": "", "a/b": "1", "d": "1"])
    }

    @Test("layers that are merged show what they showed together, by the same files")
    func merged() throws {
        try withDirectory { top in
            let layers = try ["low", "middle", "high"].map { try top.make($0) }
            try put(["a": "0", "b": "0", "d/x": "0", "d/y": "0", "e/z": "0", "f": "0"], in: layers[0])
            try put(["a": nil, "d/x": nil, "d/n": "1", "e": nil, "f/g": "1"], in: layers[1])
            try put(["a": "2", "e/new": "2"], in: layers[2])
            let target = try top.make("merged")
            var merge = TreeMerge()
            try merge.merge(layers.reversed().map(\.raw), to: target.raw)
            let wanted: Files = [
                "a": "2", "b": "0", "d/": "", "d/y": "0", "d/n": "1", "e/": "", "e/new": "2", "f/": "", "f/g": "1",
            ]
            #expect(try shown(target) == wanted)
            var (one, other) = (stat(), stat())
            #expect(fstatat(target.raw, "b", &one, 0) == 0 && fstatat(layers[0].raw, "b", &other, 0) == 0)
            #expect(one.st_ino == other.st_ino)
        }
    }
}
