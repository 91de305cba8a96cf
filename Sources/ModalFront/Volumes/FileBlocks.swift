import ModalProtocol
import SandboxModel

/// The content of a file that was sent in blocks, whose zeros at the end were left out.
struct FileBlocks {
    private static let zeros = [UInt8](repeating: 0, count: 256 * 1024)

    private let uploads: any UploadService
    private var blocks: ArraySlice<(digest: ContentDigest, bytes: UInt64)>
    private var content: (any UploadedContent)?
    /// Of the block that is being given.
    private var left: UInt64 = 0

    init(_ file: ModalVolumePutFiles2Request.File, uploads: any UploadService) throws {
        self.uploads = uploads
        let size = file.size
        blocks = try Self.digests(of: file).enumerated().map { index, digest in
            (digest, min(VolumeCalls.blockBytes, size - UInt64(index) * VolumeCalls.blockBytes))
        }[...]
    }

    /// Throws `invalidArgument` when there aren't as many blocks as the file's size has.
    static func digests(of file: ModalVolumePutFiles2Request.File) throws(CordonError) -> [ContentDigest] {
        let needed = file.size / VolumeCalls.blockBytes + (file.size % VolumeCalls.blockBytes == 0 ? 0 : 1)
        guard UInt64(file.blocks.count) == needed else {
            throw .invalid(
                field: "files.blocks", value: "\(file.blocks.count)", rule: "\(needed) for \(file.size) bytes")
        }
        var digests: [ContentDigest] = []
        for block in file.blocks {
            guard block.contentsSha256.count == 32 else {
                throw .invalid(
                    field: "files.blocks.contents_sha256", value: "\(block.contentsSha256.count) bytes",
                    rule: "32 bytes")
            }
            digests.append(ContentDigest(bytes: block.contentsSha256))
        }
        return digests
    }

    /// nil at the end.
    mutating func next() async throws -> [UInt8]? {
        while true {
            if let content, let piece = try await content.next() {
                guard UInt64(piece.count) <= left else {
                    throw CordonError.invalid(
                        field: "files.blocks", value: nil, rule: "none longer than \(VolumeCalls.blockBytes) bytes")
                }
                left -= UInt64(piece.count)
                return piece
            }
            content = nil
            if left > 0 {
                let count = min(left, UInt64(Self.zeros.count))
                left -= count
                return Array(Self.zeros.prefix(Int(count)))
            }
            guard let block = blocks.popFirst() else { return nil }
            content = try await uploads.open(block.digest)
            left = block.bytes
        }
    }
}
