import SandboxModel
import TarArchives

/// A build context as an archive, piece by piece: the files of a tree, and small ones that came with the request.
package final class BuildContextPieces {
    private let uploads: any UploadService
    private var files: ArraySlice<UploadedTree.File>
    private var inline: ArraySlice<(path: FilePath, bytes: [UInt8])>
    private var current: (any UploadedContent)?
    private var padding = 0
    private var isOver = false

    /// - Parameter inline: Are laid over the tree's.
    package init(_ tree: UploadedTree?, inline: [(path: FilePath, bytes: [UInt8])], from uploads: any UploadService) {
        self.uploads = uploads
        files = (tree?.files ?? [])[...]
        self.inline = inline[...]
    }

    /// nil at the end.
    package func next() async throws -> [UInt8]? {
        if let content = current {
            if let piece = try await content.next() { return piece }
            current = nil
            if padding > 0 { return [UInt8](repeating: 0, count: padding) }
        }
        if let file = files.popFirst() {
            let content = try await uploads.open(file.digest)
            current = content
            padding = TarFormat.padding(content.bytes)
            return Self.header(file.path, content.bytes, file.mode)
        }
        if let (path, bytes) = inline.popFirst() {
            return Self.header(path, UInt64(bytes.count), 0o644) + bytes
                + [UInt8](repeating: 0, count: TarFormat.padding(UInt64(bytes.count)))
        }
        guard !isOver else { return nil }
        isOver = true
        return TarWriter.end
    }

    private static func header(_ path: FilePath, _ bytes: UInt64, _ mode: UInt32) -> [UInt8] {
        var entry = TarEntry(kind: .file, name: Array(path.text.drop { $0 == "/" }.utf8))
        entry.size = bytes
        entry.mode = mode == 0 ? 0o644 : mode
        return TarWriter.header(of: entry)
    }
}
