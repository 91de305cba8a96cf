import CLinux
import Glibc
import LinuxSystem
import SandboxFiles
import SandboxModel
import ShimProtocol
import Testing

/// An agent on a thread of its own.
enum AgentThread {
    /// The other end of its socket, and the thread, which ends when that is closed.
    static func start() throws -> (socket: Int32, thread: pthread_t) {
        var pair: [Int32] = [-1, -1]
        try check(cordon_socketpair(Int32(SOCK_STREAM.rawValue), &pair), "socketpair")
        signal(SIGPIPE, SIG_IGN)
        var thread = pthread_t()
        let box = Unmanaged.passRetained(End(pair[1]))
        pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                let end = Unmanaged<End>.fromOpaque(argument).takeRetainedValue()
                try? FileAgent(input: end.socket, output: end.socket).serve()
                close(end.socket)
                return nil
            }, box.toOpaque())
        return (pair[0], thread)
    }

    private final class End {
        let socket: Int32
        init(_ socket: Int32) { self.socket = socket }
    }
}

/// An agent on a thread of its own, and a directory for it to work in; a conversation over a socket.
final class AgentClient: @unchecked Sendable {
    let directory: String
    private let socket: Int32
    private let thread: pthread_t
    private var assembler = FrameAssembler()

    init() throws {
        var template = Array("/tmp/cordon-files-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemCallError("mkdtemp") }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        (socket, thread) = try AgentThread.start()
        _ = try next(FilesReady.self)
    }

    deinit {
        close(socket)
        pthread_join(thread, nil)
        if let parent = try? Directory(path: "/tmp") {
            var removal = TreeRemoval(in: parent)
            try? removal.remove(String(directory.dropFirst(5)))
        }
    }

    func path(_ name: String) -> String { directory + "/" + name }

    func send(_ message: some Message) throws { try send(Frame.bytes(message, request: 0)) }

    func send(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try writeAll($0, to: socket) } }

    /// Says that nothing more will be asked.
    func finish() { shutdown(socket, Int32(SHUT_WR)) }

    /// The next frame; nil when the agent has hung up.
    func next() throws -> Frame? {
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            if let frame = try assembler.next() {
                if frame.type == Working.type.rawValue { continue }
                return frame
            }
            let count = recv(socket, &buffer, buffer.count, 0)
            guard count > 0 else { return nil }
            assembler.append(buffer[..<count])
        }
    }

    /// The next message; throws the agent's fault.
    func next<Body: Message>(_ type: Body.Type) throws -> Body {
        let frame = try #require(try next(), "the agent has hung up")
        if frame.type == Fault.type.rawValue { throw try frame.decode(Fault.self) }
        return try frame.decode(type)
    }

    /// What an operation comes to: nil when it is done.
    func fault(of message: some Message) throws -> FileFault? {
        try send(message)
        let frame = try #require(try next())
        return frame.type == Fault.type.rawValue ? try frame.decode(Fault.self).fault : nil
    }

    func write(_ name: String, _ content: [UInt8], atomic: Bool = false, mode: UInt32? = nil) throws -> FileAttributes {
        try send(WriteFile(path: path(name), mode: mode, atomic: atomic, makesParents: true))
        try send(FileData(bytes: content))
        try send(FileEnd(isWhole: true))
        return try next(FileState.self).attributes
    }

    func read(_ path: String, from offset: UInt64 = 0, upTo length: UInt64 = .max) throws -> [UInt8] {
        try send(ReadFile(path: path, offset: offset, length: length))
        _ = try next(FileState.self)
        var bytes: [UInt8] = []
        while let frame = try next(), frame.type == FileData.type.rawValue {
            bytes += try frame.decode(FileData.self).bytes
        }
        return bytes
    }

    func list(_ path: String, after: [UInt8] = [], limit: UInt32) throws -> (names: [[UInt8]], hasMore: Bool) {
        try send(ListDirectory(path: path, after: after, limit: limit))
        var names: [[UInt8]] = []
        while true {
            let listing = try next(DirectoryListing.self)
            names += listing.entries.map(\.name)
            if listing.isLast { return (names, listing.hasMore) }
        }
    }
}
