import FrontConnections
import SandboxModel

/// How a client of old opens a file, as Python spells it.
struct OpenMode {
    var reads = false
    var writes = false
    var appends = false
    /// Whether what is there goes.
    var truncates = false
    /// Whether nothing may be there.
    var isExclusive = false

    /// nil for what Python wouldn't take either.
    init?(_ text: String) {
        var kinds = 0
        for letter in text {
            switch letter {
            case "r": (reads, kinds) = (true, kinds + 1)
            case "w": (writes, truncates, kinds) = (true, true, kinds + 1)
            case "a": (writes, appends, kinds) = (true, true, kinds + 1)
            case "x": (writes, isExclusive, kinds) = (true, true, kinds + 1)
            case "+": (reads, writes) = (true, true)
            case "b", "t": break
            default: return nil
            }
        }
        guard kinds == 1 else { return nil }
    }
}

/// A file that a client of old has open. One that is written is in memory until it is flushed or closed: agents write
/// files whole.
actor OpenFile {
    let path: FilePath
    let mode: OpenMode
    let sandbox: SandboxID
    private(set) var lastUsed = ContinuousClock.now
    private var position = 0
    /// nil for one that is only read.
    private var content: [UInt8]?
    private var isChanged = false
    /// The content's share of the room for all.
    private let held: HeldBytes

    init(_ path: FilePath, _ mode: OpenMode, in sandbox: SandboxID, holding held: HeldBytes) {
        (self.path, self.mode, self.sandbox, self.held) = (path, mode, sandbox, held)
    }

    /// Opens it for real. Throws a file's fault, or `tooLarge` where it has more than `most` bytes.
    func open(_ session: any FileSession, most: Int) async throws {
        if mode.writes {
            if mode.truncates || mode.isExclusive {
                content = []
            } else {
                do {
                    content = try await read(session, from: 0, count: nil, most: most, holding: held)
                } catch let error as CordonError where error.code == .notFound && mode.appends {
                    content = []
                }
            }
            isChanged = true
            try await flush(session, isNew: mode.isExclusive)
        } else {
            _ = try await session.read(path, from: 0, upTo: 0)
        }
    }

    func read(_ session: any FileSession, count: Int?, most: Int) async throws -> [UInt8] {
        try require(mode.reads)
        let bytes: [UInt8]
        if let content {
            let rest = content[min(position, content.count)...]
            bytes = Array(count.map { rest.prefix($0) } ?? rest)
        } else {
            bytes = try await read(session, from: position, count: count, most: most, holding: held.beside())
        }
        position += bytes.count
        return bytes
    }

    /// To the end of the line, with it.
    func readLine(_ session: any FileSession, most: Int) async throws -> [UInt8] {
        try require(mode.reads)
        var line: [UInt8] = []
        let start = position
        while true {
            let piece = try await read(session, count: 65_536, most: most)
            if let end = piece.firstIndex(of: UInt8(ascii: "\n")) {
                line += piece[...end]
                break
            }
            line += piece
            guard !piece.isEmpty else { break }
            guard line.count <= most else { throw FileFault.tooLarge.error(path) }
        }
        position = start + line.count
        return line
    }

    func write(_ bytes: [UInt8], most: Int) throws {
        try require(mode.writes)
        guard var content else { return }
        self.content = nil
        defer { self.content = content }
        let start = mode.appends ? content.count : position
        guard start + bytes.count <= most else { throw FileFault.tooLarge.error(path) }
        try held.resize(to: max(content.count, start + bytes.count))
        if start > content.count { content += [UInt8](repeating: 0, count: start - content.count) }
        content.replaceSubrange(start..<min(content.count, start + bytes.count), with: bytes)
        position = start + bytes.count
        isChanged = true
    }

    /// Replaces a stretch, the whole where none is named, by other bytes, which may be none.
    func replace(from first: Int?, to end: Int?, by bytes: [UInt8], most: Int) throws {
        try require(mode.writes)
        guard var content else { return }
        let start = first ?? 0
        let stop = end ?? content.count
        guard start <= stop, stop <= content.count else { throw FileFault.invalid.error(path) }
        let left = content.count - (stop - start) + bytes.count
        guard left <= most else { throw FileFault.tooLarge.error(path) }
        try held.resize(to: left)
        self.content = nil
        content.replaceSubrange(start..<stop, with: bytes)
        self.content = content
        isChanged = true
    }

    /// - Parameter origin: 0 from the beginning, 1 from here, 2 from the end.
    func seek(_ session: any FileSession, by offset: Int, from origin: Int) async throws {
        let base: Int
        switch origin {
        case 1: base = position
        case 2:
            if let content {
                base = content.count
            } else {
                base = Int(clamping: try await session.attributes(of: path, followingLinks: true).size)
            }
        default: base = 0
        }
        let (place, isBeyond) = base.addingReportingOverflow(offset)
        guard !isBeyond, place >= 0 else { throw FileFault.invalid.error(path) }
        position = place
    }

    /// Writes what has changed.
    func flush(_ session: any FileSession, isNew: Bool = false) async throws {
        guard isChanged, let content else { return }
        if isNew {
            do {
                _ = try await session.attributes(of: path, followingLinks: false)
                throw FileFault.exists.error(path)
            } catch let error as CordonError where error.code == .notFound {}
        }
        _ = try await session.write(FileWrite(path: path, makesParents: false), content: content)
        isChanged = false
    }

    private func require(_ isAllowed: Bool) throws {
        lastUsed = .now
        guard isAllowed else { throw FileFault.permissionDenied.error(path) }
    }

    /// - Parameter held: holds what was read, and nothing else.
    private func read(
        _ session: any FileSession, from start: Int, count: Int?, most: Int, holding held: HeldBytes
    ) async throws -> [UInt8] {
        let limit = count.map { min($0, most) } ?? most
        let attributes = try await session.read(path, from: UInt64(start), upTo: UInt64(limit))
        // Neither is negative: unsigned, their sum is in range.
        if count == nil, attributes.size > UInt64(start) + UInt64(most) { throw FileFault.tooLarge.error(path) }
        var bytes: [UInt8] = []
        while let piece = try await session.nextPiece() {
            try held.resize(to: bytes.count + piece.count)
            bytes += piece
        }
        return bytes
    }
}

/// The files that clients of old have open.
actor OpenFiles {
    private static let most = 512
    /// Of all files' contents in memory.
    private static let mostBytes = 512 << 20
    /// Of one file.
    static let mostBytesOfOne = 128 << 20
    private static let kept: Duration = .seconds(3600)

    private nonisolated let room = Places(mostBytes)
    private var open: [String: OpenFile] = [:]

    /// Room for the content of one more.
    nonisolated func holding() -> HeldBytes { HeldBytes(in: room) }

    /// Adds a file, by a handle that nobody can guess.
    func add(_ file: OpenFile) async throws -> String {
        for (handle, other) in open where await other.lastUsed < .now - Self.kept { open[handle] = nil }
        guard open.count < Self.most else {
            throw CordonError(.resourceExhausted, "too many files are open", detail: ["reason": "no_space"])
        }
        let handle = "fd-" + AppID.mint().text.dropFirst(AppID.prefix.count)
        open[handle] = file
        return handle
    }

    /// Throws a fault for a handle of another sandbox, or of none.
    func file(_ handle: String, in sandbox: SandboxID) throws -> OpenFile {
        guard let file = open[handle], file.sandbox == sandbox else { throw FileFault.invalid.error(.root) }
        return file
    }

    func remove(_ handle: String) { open[handle] = nil }
}
