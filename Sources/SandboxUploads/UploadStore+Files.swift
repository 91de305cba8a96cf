import Crypto
import Foundation
import NIOCore
import SandboxModel
import StoredFiles

extension UploadStore {
    private func path(_ digest: ContentDigest) -> String { "\(files)/\(digest.hex)" }

    public func missing(_ digests: [ContentDigest]) async throws -> [ContentDigest] {
        digests.filter { utimes(path($0), nil) != 0 }
    }

    public func take(_ digest: ContentDigest, next: () async throws -> [UInt8]?) async throws {
        try await during("taking a file") {
            try room.enter()
            let temporary = "\(path(digest)).\(BlobID.mint())\(Self.partial)"
            var hash = SHA256()
            var bytes: UInt64 = 0
            do {
                bytes = try await write(to: temporary, next) { hash.update(data: $0) }
                let found = ContentDigest(bytes: hash.finalize())
                guard found == digest else {
                    throw CordonError.invalid(
                        field: "sha256", value: digest.hex, rule: "the content's own, which is \(found.hex)")
                }
                try replace(path(digest), with: temporary)
            } catch {
                unlink(temporary)
                room.leave(bytes: bytes)
                throw error
            }
        }
    }

    public func open(_ digest: ContentDigest) async throws -> any UploadedContent {
        guard let file = try? StoredFile(path(digest), O_RDONLY) else {
            throw CordonError(
                .notFound, "there is no file with the SHA-256 \(digest.hex) here, or not any more", field: "sha256",
                value: digest.hex)
        }
        utimes(path(digest), nil)
        return try StoredContent([file])
    }

    /// Gives a file its name; another one that has it, and the same content, gives way.
    func replace(_ path: String, with temporary: String) throws {
        let (isThere, before) = (access(path, F_OK) == 0, Self.bytes(of: path))
        guard rename(temporary, path) == 0 else { throw StorageFault("rename") }
        if isThere { room.leave(bytes: before) }
    }

    /// Writes pieces to a new file and syncs it; how much it was. What was written counts until the caller gives it back.
    /// When it throws, it has given that back itself.
    func write(
        to path: String, atMost most: UInt64? = nil, _ next: () async throws -> [UInt8]?,
        _ look: ([UInt8]) -> Void
    ) async throws -> UInt64 {
        let file = try StoredFile(path, O_RDWR | O_CREAT | O_EXCL)
        var count: UInt64 = 0
        do {
            while let piece = try await next() {
                guard count + UInt64(piece.count) <= most ?? limits.bytes else {
                    throw CordonError(
                        .resourceExhausted, "the upload has more than \(most ?? limits.bytes) bytes",
                        rule: most == nil ? "the option image_max_mib" : "as long as was said")
                }
                try room.take(UInt64(piece.count))
                count += UInt64(piece.count)
                try await file.append(ByteBuffer(bytes: piece))
                look(piece)
            }
            try await file.sync()
        } catch {
            room.leave(bytes: count, count: 0)
            throw error
        }
        return count
    }
}

/// Files one behind the other. One reader at a time.
final class StoredContent: UploadedContent {
    private static let pieceBytes = 256 * 1024

    let bytes: UInt64
    private let files: [StoredFile]

    init(_ files: [StoredFile]) throws {
        self.files = files
        bytes = try files.reduce(0) { try $0 + $1.bytes() }
    }

    func next() async throws -> [UInt8]? {
        // A file that was read to its end stays there.
        for file in files { if let piece = try await file.next(Self.pieceBytes) { return piece } }
        return nil
    }
}
