import Crypto
import Foundation
import LayerKeeping
import NIOCore
import SandboxModel
import StoredFiles

/// Downloads, as files named by their digest. Whatever bears its whole name is whole and verified; what ends in
/// `.part` is gone on with.
struct BlobStore: Sendable {
    /// Bytes collected before they are written.
    private static let pieceBytes = 1 << 20
    private static let tries = 5
    private static let partial = ".part"

    /// Gives a blob's bytes from an offset on, or from an earlier one, which it names.
    typealias Source = (
        _ offset: UInt64, _ take: (_ start: UInt64, inout ResponsePieces) async throws -> Void
    ) async throws -> Void

    private let directory: String
    /// Free space that downloads leave.
    private let reserveBytes: UInt64
    private let turns = Turns<ContentDigest>()

    /// Makes the directory where there is none.
    init(directory: String, reserveBytes: UInt64) throws {
        self.directory = directory
        self.reserveBytes = reserveBytes
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    private func path(_ digest: ContentDigest) -> String { "\(directory)/\(digest.hex)" }

    /// Sees that a blob is there, while nobody else fetches the same, and does `use` with its file.
    ///
    /// - Parameters:
    ///   - source: Gives the bytes from an offset on, or from an earlier one.
    ///   - progress: Hears how many bytes are there.
    func with<Value>(
        _ blob: Descriptor,
        from source: @escaping Source, progress: @escaping (UInt64) async -> Void,
        use: (StoredFile) async throws -> Value
    ) async throws -> Value {
        try await turns.hold(blob.digest) {
            if !FileManager.default.fileExists(atPath: path(blob.digest)) {
                try await fetch(blob, from: source, progress: progress)
            }
            return try await use(try StoredFile(path(blob.digest), O_RDONLY))
        }
    }

    /// Removes a blob that has served.
    func remove(_ digest: ContentDigest) { unlink(path(digest)) }

    /// Removes what nobody works with; how many files.
    func collect() throws -> Int {
        var count = 0
        for name in try FileManager.default.contentsOfDirectory(atPath: directory) {
            let hex = name.hasSuffix(Self.partial) ? String(name.dropLast(Self.partial.count)) : name
            guard let digest = ContentDigest("sha256:\(hex)"), !turns.isBusy(digest) else { continue }
            if unlink("\(directory)/\(name)") == 0 { count += 1 }
        }
        return count
    }

    // MARK: Fetching

    private func fetch(
        _ blob: Descriptor, from source: @escaping Source, progress: @escaping (UInt64) async -> Void
    ) async throws {
        try requireRoom(for: blob)
        let partial = path(blob.digest) + Self.partial
        let file = try StoredFile(partial, O_RDWR | O_CREAT)
        var (hash, count) = try await reread(file)
        var failures = 0
        while count < blob.size {
            let before = count
            do {
                try await source(count) { start, pieces in
                    if start < count {
                        try file.truncate()
                        (hash, count) = (SHA256(), 0)
                    }
                    try await take(&pieces, of: blob, into: file, &hash, &count, progress)
                }
                if count < blob.size {
                    throw RegistryError.unreachable(host: "the registry", why: "it sent too little")
                }
            } catch let error as RegistryError where error.isPassing {
                failures = count > before ? 1 : failures + 1
                guard failures < Self.tries else { throw error }
                try await Task.sleep(for: .milliseconds(200 << failures))
            }
        }
        let found = ContentDigest(bytes: hash.finalize())
        guard count == blob.size, found == blob.digest else {
            unlink(partial)
            throw RegistryError.digestMismatch(expected: blob.digest, found: found)
        }
        try await file.sync()
        guard rename(partial, path(blob.digest)) == 0 else { throw StorageFault("rename") }
    }

    private func take(
        _ pieces: inout ResponsePieces, of blob: Descriptor, into file: StoredFile, _ hash: inout SHA256,
        _ count: inout UInt64, _ progress: (UInt64) async -> Void
    ) async throws {
        var pending = ByteBuffer()
        func flush(_ hash: inout SHA256, _ count: inout UInt64) async throws {
            guard pending.readableBytes > 0 else { return }
            try await file.append(pending)
            pending.withUnsafeReadableBytes { hash.update(bufferPointer: $0) }
            count += UInt64(pending.readableBytes)
            pending.clear()
            await progress(count)
        }
        do {
            while let piece = try await pieces.next() {
                guard count + UInt64(pending.readableBytes + piece.readableBytes) <= blob.size else {
                    throw RegistryError.tooLarge(
                        what: "\(blob.digest)", bytes: count + UInt64(pending.readableBytes + piece.readableBytes),
                        limit: blob.size)
                }
                pending.writeImmutableBuffer(piece)
                if pending.readableBytes >= Self.pieceBytes { try await flush(&hash, &count) }
            }
        } catch let error as ResponsePieces.BrokenOff {
            // What has come is kept: the next try goes on behind it.
            try await flush(&hash, &count)
            throw error
        }
        try await flush(&hash, &count)
    }

    /// The state of the hash over what an earlier try has left.
    private func reread(_ file: StoredFile) async throws -> (SHA256, UInt64) {
        var (hash, count) = (SHA256(), UInt64(0))
        while let bytes = try await file.next(Self.pieceBytes) {
            hash.update(data: bytes)
            count += UInt64(bytes.count)
        }
        return (hash, count)
    }

    private func requireRoom(for blob: Descriptor) throws {
        let free = try FreeSpace.bytes(at: directory)
        guard free >= blob.size, free - blob.size >= reserveBytes else {
            throw CordonError(
                .resourceExhausted, "there is no disk space for a download of \(blob.size) bytes",
                rule: "the option disk_reserve_mib")
        }
    }
}
