import Crypto
import Foundation
import SandboxModel
import StoredFiles

extension UploadStore {
    private static let complete = "complete"
    private static let length = "length"

    private func directory(_ id: BlobID) -> String { "\(blobs)/\(id)" }

    public func createBlob(bytes: UInt64) async throws -> BlobUpload {
        try await during("announcing a blob") {
            guard bytes <= limits.bytes else {
                throw CordonError.invalid(
                    field: "content_length", value: "\(bytes)",
                    rule: "at most \(limits.bytes) (the option image_max_mib)")
            }
            try room.enter()
            let upload = BlobUpload(id: .mint(), bytes: bytes)
            let temporary = directory(upload.id) + Self.partial
            do {
                guard mkdir(temporary, 0o700) == 0 else { throw StorageFault("mkdir") }
                let file = try StoredFile("\(temporary)/\(Self.length)", O_WRONLY | O_CREAT | O_EXCL)
                try await file.append(.init(string: "\(bytes)"))
                try await file.sync()
                guard rename(temporary, directory(upload.id)) == 0 else { throw StorageFault("rename") }
            } catch {
                room.leave(bytes: 0)
                throw error
            }
            return upload
        }
    }

    private func upload(_ id: BlobID) throws(CordonError) -> BlobUpload {
        guard let text = try? String(contentsOfFile: "\(directory(id))/\(Self.length)", encoding: .utf8),
            let bytes = UInt64(text)
        else {
            throw CordonError(
                .notFound, "there is no blob \(id), or not any more", field: "blob", value: id.text)
        }
        return BlobUpload(id: id, bytes: bytes)
    }

    /// A part's MD5 is in its name: it is what it was when it was put.
    private func part(_ number: Int, of id: BlobID) throws -> String? {
        try Self.names(in: directory(id)).first { $0.hasPrefix("\(number)-") && !$0.hasSuffix(Self.partial) }
    }

    public func takePart(_ number: Int, of id: BlobID, next: () async throws -> [UInt8]?) async throws -> String {
        try await during("taking a part of a blob") {
            let upload = try upload(id)
            guard let expected = upload.bytes(ofPart: number) else {
                throw CordonError.invalid(field: "part", value: "\(number)", rule: "from 1 to \(upload.parts)")
            }
            guard access("\(directory(id))/\(Self.complete)", F_OK) != 0 else {
                throw CordonError(.failedPrecondition, "the blob \(id) is complete", field: "blob", value: id.text)
            }
            let temporary = "\(directory(id))/\(number)-\(BlobID.mint())\(Self.partial)"
            var hash = Insecure.MD5()
            do {
                let bytes = try await write(to: temporary, atMost: expected, next) { hash.update(data: $0) }
                guard bytes == expected else {
                    room.leave(bytes: bytes, count: 0)
                    throw CordonError.invalid(
                        field: "body", value: "\(bytes) bytes", rule: "the part's \(expected) bytes")
                }
                let tag = Self.hex(hash.finalize())
                if let before = try part(number, of: id), unlink("\(directory(id))/\(before)") == 0 {
                    room.leave(bytes: expected, count: 0)
                }
                guard rename(temporary, "\(directory(id))/\(number)-\(tag)") == 0 else { throw StorageFault("rename") }
                return tag
            } catch {
                unlink(temporary)
                throw error
            }
        }
    }

    public func complete(_ id: BlobID, tags: [String]) async throws -> String {
        try await during("completing a blob") {
            let upload = try upload(id)
            guard tags.count == upload.parts else {
                throw CordonError.invalid(field: "body", value: "\(tags.count) parts", rule: "\(upload.parts) parts")
            }
            var all = Insecure.MD5()
            for (index, tag) in tags.enumerated() {
                guard try part(index + 1, of: id) == "\(index + 1)-\(tag)" else {
                    throw CordonError.invalid(
                        field: "body", value: tag, rule: "part \(index + 1)'s own tag, and the part is here")
                }
                all.update(data: Self.bytes(hex: tag))
            }
            _ = try StoredFile("\(directory(id))/\(Self.complete)", O_WRONLY | O_CREAT)
            return "\(Self.hex(all.finalize()))-\(tags.count)"
        }
    }

    public func open(_ id: BlobID) async throws -> any UploadedContent {
        try await during("reading a blob") {
            let upload = try upload(id)
            guard access("\(directory(id))/\(Self.complete)", F_OK) == 0 else {
                throw CordonError(.failedPrecondition, "the blob \(id) isn't complete", field: "blob", value: id.text)
            }
            return try StoredContent(
                (1...upload.parts).map { number in
                    guard let name = try part(number, of: id) else {
                        throw CordonError(.dataLoss, "part \(number) of the blob \(id) is gone")
                    }
                    return try StoredFile("\(directory(id))/\(name)", O_RDONLY)
                })
        }
    }

    private static func hex(_ bytes: some Sequence<UInt8>) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private static func bytes(hex: String) -> [UInt8] {
        let digits = hex.utf8.compactMap { Character(Unicode.Scalar($0)).hexDigitValue }.map { UInt8($0) }
        return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}
