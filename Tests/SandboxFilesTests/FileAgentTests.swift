import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol
import Testing

@Suite("The file agent")
struct FileAgentTests {
    @Test("what is written is read again, whole and in parts")
    func contents() throws {
        let agent = try AgentClient()
        let content = (0..<700_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        try agent.send(WriteFile(path: agent.path("a/b/c"), mode: 0o640, atomic: false, makesParents: true))
        for start in stride(from: 0, to: content.count, by: 200_000) {
            try agent.send(FileData(bytes: Array(content[start..<min(start + 200_000, content.count)])))
        }
        try agent.send(FileEnd(isWhole: true))
        let state = try agent.next(FileState.self).attributes
        #expect(state.size == 700_000 && state.mode == 0o640 && state.kind == .file)
        #expect(try agent.read(agent.path("a/b/c")) == content)
        #expect(try agent.read(agent.path("a/b/c"), from: 699_990, upTo: 5) == Array(content[699_990..<699_995]))
        #expect(try agent.read(agent.path("a/b/c"), from: 800_000) == [])
        #expect(try agent.write("a/b/c", [1]).mode == 0o640, "a file that is there keeps its mode")
        #expect(try agent.read(agent.path("a/b/c")) == [1])
    }

    @Test("a file is replaced at once or not at all")
    func replacement() throws {
        let agent = try AgentClient()
        _ = try agent.write("file", [1, 2, 3], mode: 0o600)
        try agent.send(WriteFile(path: agent.path("file"), mode: nil, atomic: true, makesParents: false))
        try agent.send(FileData(bytes: [9]))
        try agent.send(FileEnd(isWhole: false))
        #expect(throws: Fault(.failed)) { try agent.next(FileState.self) }
        #expect(try agent.read(agent.path("file")) == [1, 2, 3])
        #expect(try agent.write("file", [4], atomic: true).mode == 0o600)
        #expect(try agent.read(agent.path("file")) == [4])
        #expect(try agent.list(agent.directory, limit: 10).names == [Array("file".utf8)], "nothing is left beside it")
    }

    @Test("a fault in the middle of a file is told at once, and the rest of it is thrown away")
    func faultWhileWriting() throws {
        let agent = try AgentClient()
        try agent.send(WriteFile(path: agent.directory, mode: nil, atomic: false, makesParents: false))
        #expect(throws: Fault(.isADirectory)) { try agent.next(FileState.self) }
        try agent.send(FileData(bytes: [1]))
        try agent.send(FileEnd(isWhole: true))
        #expect(try agent.write("next", [2]).size == 1)
    }

    @Test("a link that isn't followed tells where it leads, whether or not there is anything")
    func linkTargets() throws {
        let agent = try AgentClient()
        let long = "nowhere/" + String(repeating: "x", count: 200)
        symlink(long, agent.path("link"))
        try agent.send(DescribeFile(path: agent.path("link"), followsLinks: false))
        let link = try agent.next(FileState.self).attributes
        #expect(link.kind == .link && link.linkTarget == Array(long.utf8))
        try agent.send(DescribeFile(path: agent.directory, followsLinks: false))
        #expect(try agent.next(FileState.self).attributes.linkTarget == nil)
    }

    @Test("an agent that says nothing of where links lead is understood")
    func olderAgent() throws {
        let attributes = FileAttributes(
            kind: .link, size: 3, mode: 0o777, user: 1, group: 2, modifiedAt: Timestamp(microseconds: 4))
        var writer = WireWriter()
        writer.put(attributes)
        var reader = WireReader(writer.bytes)
        #expect(try FileState(from: &reader).attributes == attributes)
    }

    @Test("what isn't a regular file is neither read nor written, and nothing waits for it")
    func irregular() throws {
        let agent = try AgentClient()
        mkfifo(agent.path("fifo"), 0o666)
        symlink("fifo", agent.path("to-fifo"))
        symlink("loop", agent.path("loop"))
        symlink("/proc/self/fd/0", agent.path("magic"))
        symlink("/dev/zero", agent.path("zero"))
        let cases: [(String, FileFault)] = [
            (agent.path("fifo"), .notARegularFile), (agent.path("to-fifo"), .notARegularFile),
            (agent.path("loop"), .linkLoop), (agent.path("magic"), .linkLoop), (agent.path("zero"), .notARegularFile),
            ("/proc/self/fd/1", .linkLoop), (agent.directory, .isADirectory), (agent.path("no/thing"), .notFound),
            (agent.path(String(repeating: "x", count: 300)), .nameTooLong),
        ]
        for (path, fault) in cases {
            #expect(try agent.fault(of: ReadFile(path: path, offset: 0, length: 10)) == fault, "reading \(path)")
        }
        for (path, fault) in cases where fault != .notFound {
            try agent.send(WriteFile(path: path, mode: nil, atomic: false, makesParents: false))
            try agent.send(FileEnd(isWhole: true))
            #expect(throws: Fault(fault), "writing \(path)") { try agent.next(FileState.self) }
        }
        #expect(
            try agent.fault(of: WriteFile(path: agent.path("fifo"), mode: nil, atomic: true, makesParents: false))
                == .notARegularFile)
    }

    @Test("a file that grows or shrinks while it is read gives what is there")
    func changing() throws {
        let agent = try AgentClient()
        _ = try agent.write("file", [UInt8](repeating: 1, count: 100))
        try agent.send(ReadFile(path: agent.path("file"), offset: 0, length: 1 << 40))
        #expect(try agent.next(FileState.self).attributes.size == 100)
        #expect(try agent.next(FileData.self).bytes.count == 100)
        #expect(try agent.next(FileEnd.self).isWhole)
        // The kernel's files tell no size.
        #expect(try agent.read("/proc/self/status").count > 100)
    }

    @Test("a directory is listed in pages, by the bytes of its names")
    func pages() throws {
        let agent = try AgentClient()
        for number in 0..<250 { _ = try agent.write("d/\(number)", []) }
        // A name that is no text.
        let odd = (agent.path("d/") + "").utf8CString.dropLast() + [CChar(bitPattern: 0xff), 0]
        close(open(Array(odd), O_CREAT | O_WRONLY, 0o600))
        var names: [[UInt8]] = []
        while true {
            let page = try agent.list(agent.path("d"), after: names.last ?? [], limit: 60)
            names += page.names
            guard page.hasMore else { break }
            #expect(page.names.count == 60)
        }
        let wanted = (0..<250).map { Array("\($0)".utf8) } + [[0xff]]
        #expect(names == wanted.sorted { $0.lexicographicallyPrecedes($1) })
        #expect(try agent.fault(of: ListDirectory(path: agent.path("d/1"), after: [], limit: 1)) == .notADirectory)
    }

    @Test("directories are made, files renamed, changed and removed")
    func changes() throws {
        let agent = try AgentClient()
        func make(_ name: String, parents: Bool) throws -> FileFault? {
            try agent.fault(of: MakeDirectory(path: agent.path(name), parents: parents, mode: nil))
        }
        #expect(try make("a/b", parents: false) == .notFound)
        #expect(try make("a/b//c/", parents: true) == nil)
        #expect(try make("a/b/c", parents: true) == nil)
        #expect(try make("a/b/c", parents: false) == .exists)
        _ = try agent.write("a/file", [1])
        #expect(try make("a/file", parents: true) == .notADirectory)
        #expect(try make("a/file/x", parents: true) == .notADirectory)
        func rename(_ from: String, _ to: String, replaces: Bool) throws -> FileFault? {
            try agent.fault(of: RenameFile(path: agent.path(from), other: agent.path(to), replaces: replaces))
        }
        _ = try agent.write("a/other", [2])
        #expect(try rename("a/file", "a/other", replaces: false) == .exists)
        #expect(try rename("a/file", "a/other", replaces: true) == nil)
        #expect(try agent.read(agent.path("a/other")) == [1])
        #expect(try agent.fault(of: ChangeMode(path: agent.path("a/other"), mode: 0o4711)) == nil)
        try agent.send(DescribeFile(path: agent.path("a/other"), followsLinks: true))
        #expect(try agent.next(FileState.self).attributes.mode == 0o4711)
        func remove(_ name: String, recursive: Bool) throws -> FileFault? {
            try agent.fault(of: RemoveFile(path: agent.path(name), recursive: recursive))
        }
        #expect(try remove("a", recursive: false) == .notEmpty)
        symlink("/etc", agent.path("a/etc"))
        #expect(try remove("a/etc/", recursive: true) == nil, "the link goes, and nothing behind it")
        #expect(access("/etc/passwd", R_OK) == 0)
        #expect(try remove("a", recursive: true) == nil)
        #expect(try remove("a", recursive: true) == .notFound)
        for path in ["/", "/..", "/.", agent.path("."), agent.path("..")] {
            #expect(try agent.fault(of: RemoveFile(path: path, recursive: true)) == .invalid, "\(path)")
        }
    }

    @Test("a tree deeper than any path is removed")
    func deep() throws {
        let agent = try AgentClient()
        #expect(mkdir(agent.path("deep"), 0o755) == 0)
        var directory = open(agent.path("deep"), O_RDONLY)
        for _ in 0..<3000 {
            mkdirat(directory, "d", 0o755)
            let next = openat(directory, "d", O_RDONLY)
            close(directory)
            directory = next
        }
        close(directory)
        #expect(try agent.fault(of: RemoveFile(path: agent.path("deep"), recursive: true)) == nil)
        #expect(access(agent.path("deep"), F_OK) != 0)
    }

    @Test("bytes that are no requests end the agent, and nothing else", arguments: 0..<200)
    func nonsense(seed: Int) throws {
        let agent = try AgentClient()
        if seed % 2 == 0 {
            var bytes = (0..<Int.random(in: 1...4096)).map { _ in UInt8.random(in: 0...255) }
            if bytes.count > 5 { (bytes[4], bytes[5]) = (0, 0) }
            try? agent.send(bytes)
        } else {
            // A frame with a lie in its head or its lengths; of requests that change nothing, since this runs
            // outside of any sandbox.
            let type: MessageType = [.readFile, .describeFile, .listDirectory][seed / 2 % 3]
            var frame = Frame.bytes(ReadFile(path: agent.path("x"), offset: 1, length: 2), request: 0)
            frame[4] = UInt8(type.rawValue)
            for _ in 0..<2 { frame[[0, 1, 2, 3, 5, 14, 15, 16, 17].randomElement() ?? 0] = .random(in: 0...255) }
            try? agent.send(frame)
        }
        // It answers with a fault, waits for more, or hangs up.
        agent.finish()
        while let frame = try agent.next() {
            #expect([Fault.type, FileState.type, DirectoryListing.type].map(\.rawValue).contains(frame.type))
        }
    }
}
