/// Work on a sandbox's files, done inside of it by one agent process, one operation after the other.
///
/// Throws `CordonError` alone: faults of files name `path`. What was begun when the session is closed
/// is given up. What comes back is the sandbox's word: lengths are bounded, nothing else is sure.
public protocol FileSession: Sendable {
    /// Writes a whole file from pieces until `next` returns nil. What `next` throws leaves a file that
    /// is replaced as it was; one that is written in place keeps what came.
    func write(_ write: FileWrite, next: () async throws -> [UInt8]?) async throws -> FileAttributes
    /// Begins to read a regular file from `offset`, at most `length` bytes; `nextPiece` gives them.
    func read(_ path: FilePath, from offset: UInt64, upTo length: UInt64) async throws -> FileAttributes
    /// The next bytes of what is being read; nil at the end, which can come early.
    func nextPiece() async throws -> [UInt8]?
    func attributes(of path: FilePath, followingLinks: Bool) async throws -> FileAttributes
    /// The SHA-256 of a regular file's content, or of where a link leads; nothing is followed.
    func digest(of path: FilePath) async throws -> [UInt8]
    /// Entries whose names come after `after`, at most `limit`.
    func list(_ path: FilePath, after: [UInt8], limit: Int) async throws -> DirectoryPage
    func makeDirectory(_ path: FilePath, parents: Bool, mode: UInt32?) async throws
    func remove(_ path: FilePath, recursive: Bool) async throws
    /// With `replacing` a file in the way goes.
    func rename(_ path: FilePath, to other: FilePath, replacing: Bool) async throws
    func changeMode(of path: FilePath, to mode: UInt32) async throws
    /// Unpacks an archive from pieces until `next` returns nil. What was unpacked before it failed stays.
    func unpack(_ unpacking: Unpacking, next: () async throws -> [UInt8]?) async throws -> UnpackingSummary
    /// Begins to read the directory as a tar archive, with paths from it; `nextPiece` gives the archive's bytes.
    /// Without times the same files give the same archive.
    func pack(_ path: FilePath, compression: ArchiveCompression, omittingTimes: Bool) async throws
    /// Begins to watch a file, or a directory, with all beneath when `recursive`.
    func watch(_ path: FilePath, recursive: Bool) async throws
    /// What has happened since, which may be nothing after a while; nil when what was watched is no more.
    func nextChanges() async throws -> [FileChange]?
    /// Ends the agent. Every session is closed.
    func close()
}

/// A file to write.
public struct FileWrite: Sendable, Hashable {
    public var path: FilePath
    /// nil keeps the mode of a file that is there, and gives a new one 0644.
    public var mode: UInt32?
    /// Whether readers see the old file or the new one and nothing in between.
    public var atomic: Bool
    /// Whether missing directories on the way are made.
    public var makesParents: Bool

    public init(path: FilePath, mode: UInt32? = nil, atomic: Bool = false, makesParents: Bool = true) {
        self.path = path
        self.mode = mode
        self.atomic = atomic
        self.makesParents = makesParents
    }
}

extension FileSession {
    /// Writes a file that is in memory.
    public func write(_ write: FileWrite, content: [UInt8]) async throws -> FileAttributes {
        var rest = content[...]
        return try await self.write(write) {
            guard !rest.isEmpty else { return nil }
            defer { rest = rest.dropFirst(Self.pieceBytes) }
            return Array(rest.prefix(Self.pieceBytes))
        }
    }

    /// The same, with times.
    public func pack(_ path: FilePath, compression: ArchiveCompression) async throws {
        try await pack(path, compression: compression, omittingTimes: false)
    }

    /// The largest piece that goes at once.
    public static var pieceBytes: Int { 256 * 1024 }
}
