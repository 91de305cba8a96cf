import Crypto
import Foundation
import SandboxModel
import StoredFiles

extension UploadStore {
    public func keep(_ tree: UploadedTree) async throws -> TreeID {
        try await during("keeping a tree of files") {
            let missing = try await missing(tree.files.map(\.digest))
            guard missing.isEmpty else {
                throw CordonError(
                    .failedPrecondition, "\(missing.count) files haven't been sent, the first is \(missing[0].hex)",
                    field: "files", value: missing[0].hex)
            }
            let text = TreeDocument.text(of: tree)
            let id = TreeID(digest: Array(SHA256.hash(data: text)))
            let path = "\(trees)/\(id)"
            guard utimes(path, nil) != 0 else { return id }
            try room.enter()
            let temporary = "\(path).\(BlobID.mint())\(Self.partial)"
            var bytes: UInt64 = 0
            do {
                var rest: [UInt8]? = text
                bytes = try await write(
                    to: temporary,
                    {
                        defer { rest = nil }
                        return rest
                    }, { _ in })
                try replace(path, with: temporary)
            } catch {
                unlink(temporary)
                room.leave(bytes: bytes)
                throw error
            }
            return id
        }
    }

    public func tree(_ id: TreeID) async throws -> UploadedTree {
        try await during("reading a tree of files") {
            let path = "\(trees)/\(id)"
            guard let bytes = FileManager.default.contents(atPath: path) else {
                throw CordonError(
                    .notFound, "there is no tree of files \(id), or not any more", field: "mount", value: id.text)
            }
            utimes(path, nil)
            let tree = try TreeDocument.tree([UInt8](bytes))
            // What is used stays, and its files with it.
            _ = try await missing(tree.files.map(\.digest))
            return tree
        }
    }
}

/// A tree on the disk: for each file a line with its digest, its permissions and its path, which ends with a NUL.
private enum TreeDocument {
    static func text(of tree: UploadedTree) -> [UInt8] {
        tree.files.flatMap { file in
            Array("\(file.digest.hex) \(String(file.mode, radix: 8)) \(file.path.text)\0".utf8)
        }
    }

    /// Throws `dataLoss` for anything that `text` hasn't written.
    static func tree(_ bytes: [UInt8]) throws(CordonError) -> UploadedTree {
        var files: [UploadedTree.File] = []
        for line in bytes.split(separator: 0) {
            let parts = line.split(separator: UInt8(ascii: " "), maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3, let digest = ContentDigest("sha256:" + String(decoding: parts[0], as: UTF8.self)),
                let mode = UInt32(String(decoding: parts[1], as: UTF8.self), radix: 8),
                let path = try? FilePath(String(decoding: parts[2], as: UTF8.self))
            else { throw CordonError(.dataLoss, "a tree of files on the disk can't be read") }
            files.append(UploadedTree.File(path: path, digest: digest, mode: mode))
        }
        return try UploadedTree(files)
    }
}
