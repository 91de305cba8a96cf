import SandboxModel
import ShimProtocol
import Synchronization

/// The engine's `FileSession` over one agent.
final class AgentSession: FileSession {
    private let connection: AgentConnection
    private let reading = Mutex<Reading?>(nil)

    /// What is being read, and how much of it may still come: the agent decides when to stop, we how far it gets.
    private struct Reading {
        let path: FilePath
        var left: UInt64
    }

    init(_ connection: AgentConnection) { self.connection = connection }

    func close() { connection.close() }

    func write(_ write: FileWrite, next: () async throws -> [UInt8]?) async throws -> FileAttributes {
        try await about(write.path) {
            try await connection.send(
                WriteFile(
                    path: write.path.text, mode: write.mode, atomic: write.atomic, makesParents: write.makesParents))
            try await sendPieces(next)
            return try await connection.next(FileState.self).attributes
        }
    }

    /// Sends what a file or an archive consists of.
    private func sendPieces(_ next: () async throws -> [UInt8]?) async throws {
        do {
            try await connection.listen()
            while let piece = try await next() {
                // All that can come before the end is a fault: the rest isn't wanted.
                if connection.hasWord { break }
                guard piece.count > FileData.maximumBytes else {
                    try await connection.send(FileData(bytes: piece))
                    continue
                }
                for start in stride(from: 0, to: piece.count, by: FileData.maximumBytes) {
                    let part = piece[start..<min(start + FileData.maximumBytes, piece.count)]
                    try await connection.send(FileData(bytes: Array(part)))
                }
            }
        } catch {
            // The agent tidies up, and says no more than that it has.
            try await connection.send(FileEnd(isWhole: false))
            _ = try? await connection.next()
            throw error
        }
        try await connection.send(FileEnd(isWhole: true))
    }

    func read(_ path: FilePath, from offset: UInt64, upTo length: UInt64) async throws -> FileAttributes {
        try await about(path) {
            reading.withLock { $0 = Reading(path: path, left: length) }
            try await connection.send(ReadFile(path: path.text, offset: offset, length: length))
            return try await connection.next(FileState.self).attributes
        }
    }

    func nextPiece() async throws -> [UInt8]? {
        do {
            let frame = try await connection.next()
            if frame.type == MessageType.fileEnd.rawValue {
                guard try frame.decode(FileEnd.self).isWhole else {
                    throw CordonError(.aborted, "the file could not be read to its end")
                }
                return nil
            }
            if frame.type == MessageType.fileFault.rawValue { throw try frame.decode(Fault.self) }
            let bytes = try frame.decode(FileData.self).bytes
            let isDue = reading.withLock { reading in
                guard (1...FileData.maximumBytes).contains(bytes.count), let left = reading?.left, bytes.count <= left
                else { return false }
                reading?.left -= UInt64(bytes.count)
                return true
            }
            guard isDue else { throw WireError("more than was asked for") }
            return bytes
        } catch let fault as Fault {
            throw fault.fault.error(reading.withLock { $0?.path } ?? .root, note: fault.note)
        } catch { throw Self.converted(error) }
    }

    func attributes(of path: FilePath, followingLinks: Bool) async throws -> FileAttributes {
        try await about(path) {
            try await connection.send(DescribeFile(path: path.text, followsLinks: followingLinks))
            return try await connection.next(FileState.self).attributes
        }
    }

    func digest(of path: FilePath) async throws -> [UInt8] {
        try await about(path) {
            try await connection.send(DigestFile(path: path.text))
            return try await connection.next(FileDigest.self).bytes
        }
    }

    func list(_ path: FilePath, after: [UInt8], limit: Int) async throws -> DirectoryPage {
        try await about(path) {
            try await connection.send(ListDirectory(path: path.text, after: after, limit: UInt32(clamping: limit)))
            var entries: [DirectoryEntry] = []
            while true {
                let listing = try await connection.next(DirectoryListing.self)
                entries += listing.entries
                guard entries.count <= limit, listing.isLast || !listing.entries.isEmpty else {
                    throw WireError("more entries than were asked for")
                }
                if listing.isLast { return DirectoryPage(entries: entries, hasMore: listing.hasMore) }
            }
        }
    }

    func makeDirectory(_ path: FilePath, parents: Bool, mode: UInt32?) async throws {
        try await change(path, MakeDirectory(path: path.text, parents: parents, mode: mode))
    }

    func remove(_ path: FilePath, recursive: Bool) async throws {
        try await change(path, RemoveFile(path: path.text, recursive: recursive))
    }

    func rename(_ path: FilePath, to other: FilePath, replacing: Bool) async throws {
        try await change(path, RenameFile(path: path.text, other: other.text, replaces: replacing))
    }

    func changeMode(of path: FilePath, to mode: UInt32) async throws {
        try await change(path, ChangeMode(path: path.text, mode: mode))
    }

    func unpack(_ unpacking: Unpacking, next: () async throws -> [UInt8]?) async throws -> UnpackingSummary {
        try await about(unpacking.path) {
            try await connection.send(UnpackArchive(unpacking))
            try await sendPieces(next)
            return try await connection.next(ArchiveUnpacked.self).summary
        }
    }

    func pack(_ path: FilePath, compression: ArchiveCompression, omittingTimes: Bool) async throws {
        try await about(path) {
            reading.withLock { $0 = Reading(path: path, left: .max) }
            try await connection.send(PackDirectory(path: path, compression: compression, omitsTimes: omittingTimes))
            _ = try await connection.next(FileState.self)
        }
    }

    func watch(_ path: FilePath, recursive: Bool) async throws {
        try await about(path) {
            reading.withLock { $0 = Reading(path: path, left: 0) }
            try await connection.send(WatchFiles(path: path.text, recursive: recursive))
            _ = try await connection.next(FileState.self)
        }
    }

    func nextChanges() async throws -> [FileChange]? {
        try await about(reading.withLock { $0?.path } ?? .root) {
            let frame = try await connection.next()
            if frame.type == MessageType.fileFault.rawValue { throw try frame.decode(Fault.self) }
            if frame.type == MessageType.fileEnd.rawValue { return nil }
            return try frame.decode(FileChanges.self).changes
        }
    }

    private func change(_ path: FilePath, _ message: some Message) async throws {
        try await about(path) {
            try await connection.send(message)
            _ = try await connection.next(Done.self)
        }
    }

    private func about<Value>(_ path: FilePath, _ work: () async throws -> Value) async throws -> Value {
        do {
            return try await work()
        } catch let fault as Fault {
            throw fault.fault.error(path, note: fault.note)
        } catch { throw Self.converted(error) }
    }

    /// What isn't a fault of a file's: the agent is gone, or isn't what it should be.
    static func converted(_ error: any Error) -> any Error {
        switch error {
        case let failure as Failure: return CordonError(failure)
        case let fault as Fault: return CordonError(.aborted, "the file operation failed: \(fault.fault.rawValue)")
        case is AgentGone, is WireError:
            return CordonError(
                .aborted, "the file operation broke off: its process in the sandbox, or the sandbox itself, has ended",
                retryAfter: .seconds(1))
        default: return error
        }
    }
}
