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
    /// Entries whose names come after `after`, at most `limit`.
    func list(_ path: FilePath, after: [UInt8], limit: Int) async throws -> DirectoryPage
    func makeDirectory(_ path: FilePath, parents: Bool, mode: UInt32?) async throws
    func remove(_ path: FilePath, recursive: Bool) async throws
    /// With `replacing` a file in the way goes.
    func rename(_ path: FilePath, to other: FilePath, replacing: Bool) async throws
    func changeMode(of path: FilePath, to mode: UInt32) async throws
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

    /// The largest piece that goes at once.
    public static var pieceBytes: Int { 256 * 1024 }
}
