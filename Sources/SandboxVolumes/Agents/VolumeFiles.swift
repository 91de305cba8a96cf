import SandboxModel
import Synchronization

/// A volume's files as an agent has them, by their paths from the volume's root.
final class VolumeFiles: FileSession {
    private let inner: any FileSession
    private let isReadOnly: Bool
    private let onClose: Mutex<(@Sendable () -> Void)?>

    init(_ inner: any FileSession, isReadOnly: Bool, onClose: @escaping @Sendable () -> Void) {
        self.inner = inner
        self.isReadOnly = isReadOnly
        self.onClose = Mutex(onClose)
    }

    func write(_ write: FileWrite, next: () async throws -> [UInt8]?) async throws -> FileAttributes {
        try requireWritable()
        return try await at(write.path) { path in
            var inside = write
            inside.path = path
            return try await inner.write(inside, next: next)
        }
    }

    func read(_ path: FilePath, from offset: UInt64, upTo length: UInt64) async throws -> FileAttributes {
        try await at(path) { try await inner.read($0, from: offset, upTo: length) }
    }

    func nextPiece() async throws -> [UInt8]? { try await inner.nextPiece() }

    func attributes(of path: FilePath, followingLinks: Bool) async throws -> FileAttributes {
        try await at(path) { try await inner.attributes(of: $0, followingLinks: followingLinks) }
    }

    func digest(of path: FilePath) async throws -> [UInt8] { try await at(path) { try await inner.digest(of: $0) } }

    func list(_ path: FilePath, after: [UInt8], limit: Int) async throws -> DirectoryPage {
        try await at(path) { try await inner.list($0, after: after, limit: limit) }
    }

    func makeDirectory(_ path: FilePath, parents: Bool, mode: UInt32?) async throws {
        try requireWritable()
        try await at(path) { try await inner.makeDirectory($0, parents: parents, mode: mode) }
    }

    func remove(_ path: FilePath, recursive: Bool) async throws {
        try requireWritable()
        try await at(path) { try await inner.remove($0, recursive: recursive) }
    }

    func rename(_ path: FilePath, to other: FilePath, replacing: Bool) async throws {
        try requireWritable()
        let target = try inside(other)
        try await at(path) { try await inner.rename($0, to: target, replacing: replacing) }
    }

    func changeMode(of path: FilePath, to mode: UInt32) async throws {
        try requireWritable()
        try await at(path) { try await inner.changeMode(of: $0, to: mode) }
    }

    func unpack(_ unpacking: Unpacking, next: () async throws -> [UInt8]?) async throws -> UnpackingSummary {
        try requireWritable()
        return try await at(unpacking.path) { path in
            var inside = unpacking
            inside.path = path
            return try await inner.unpack(inside, next: next)
        }
    }

    func pack(_ path: FilePath, compression: ArchiveCompression, omittingTimes: Bool) async throws {
        try await at(path) { try await inner.pack($0, compression: compression, omittingTimes: omittingTimes) }
    }

    func watch(_ path: FilePath, recursive: Bool) async throws {
        throw CordonError(.unimplemented, "a volume can't be watched from outside")
    }

    func nextChanges() async throws -> [FileChange]? { nil }

    func close() {
        inner.close()
        let last = onClose.withLock { onClose in
            defer { onClose = nil }
            return onClose
        }
        last?()
    }

    deinit { close() }

    // MARK: Paths

    private func requireWritable() throws(CordonError) {
        guard !isReadOnly else {
            throw CordonError(.failedPrecondition, "the volume was opened for reading alone")
        }
    }

    private func inside(_ path: FilePath) throws(CordonError) -> FilePath {
        guard !path.text.pathNames.contains("..") else {
            throw .invalid(field: "path", value: path.text, rule: "a path in the volume, without ..")
        }
        return try FilePath(path.text == "/" ? FilePath.volume.text : FilePath.volume.text + path.text)
    }

    /// Faults are told with the path as the caller knows it.
    private func at<Value>(_ path: FilePath, _ work: (FilePath) async throws -> Value) async throws -> Value {
        do {
            return try await work(inside(path))
        } catch let error as CordonError {
            guard let fault = error.detail["reason"].flatMap({ FileFault(rawValue: $0) }) else { throw error }
            throw fault.error(path)
        }
    }
}
