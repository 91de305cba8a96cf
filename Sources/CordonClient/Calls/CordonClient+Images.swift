public import CordonAPI
import Foundation
import NIOCore
import NIOPosix

extension CordonClient {
    private static func imagePath(_ image: String) -> String { "/v1/images/\(escape(image))" }

    /// One page, newest first.
    public func images(after cursor: String? = nil) async throws -> ImageList {
        try await ask(.GET, "/v1/images" + (cursor.map { "?cursor=\(Self.escape($0))" } ?? ""))
    }

    /// Images as trees: from one on, or all.
    public func imageTree(from image: String? = nil) async throws -> [ImageTreeNode] {
        let tree: ImageTree = try await ask(.GET, "/v1/images?tree=\(Self.escape(image ?? ""))")
        return tree.nodes
    }

    /// One page of what differs between two images.
    public func imageDiff(
        _ before: String, _ after: String, path: String? = nil, unified: Bool = false, after cursor: String? = nil
    ) async throws -> ImageDiff {
        var parameters = ["unified=\(unified)"]
        if let path { parameters.append("path=\(Self.escape(path))") }
        if let cursor { parameters.append("cursor=\(Self.escape(cursor))") }
        return try await ask(
            .GET, "\(Self.imagePath(before))/diff/\(Self.escape(after))?\(parameters.joined(separator: "&"))")
    }

    /// The image of an id or a name.
    public func image(_ image: String) async throws -> Image { try await ask(.GET, Self.imagePath(image)) }

    /// Removes a name, and the image with its last; or an image by its id. What is left of it.
    public func removeImage(_ image: String) async throws -> Image? {
        let removed: RemovedImage = try await ask(.DELETE, Self.imagePath(image))
        return removed.image
    }

    /// Removes what nothing refers to.
    public func collectImages() async throws -> CollectedImagesResponse {
        try JSONText.decode(
            CollectedImagesResponse.self, from: try await bytes(.POST, "/v1/images/collect", []))
    }

    /// Fetches an image; `show` hears how far it is.
    public func pullImage(
        _ request: PullImageRequest, _ show: (ImageProgress) async throws -> Void
    ) async throws -> Image {
        try await make("/v1/images/pull", JSONText.encode(request), show)
    }

    /// Builds an image; `show` hears of each step, and of what it writes.
    public func buildImage(
        _ request: BuildImageRequest, _ show: (ImageProgress) async throws -> Void
    ) async throws -> Image {
        try await make("/v1/images/build", JSONText.encode(request), show)
    }

    /// Sends an archive of images: an OCI layout, or what `docker save` writes.
    public func importImages(_ archive: Archive, names: [String]) async throws -> [Image] {
        let query = names.map { "name=\(Self.escape($0))" }.joined(separator: "&")
        let answer = try await upload(archive, to: "/v1/images/import" + (query.isEmpty ? "" : "?\(query)"))
        return try JSONText.decode(ImageList.self, from: answer).images
    }

    /// Sends a build context; its id.
    public func addBuildContext(_ archive: Archive) async throws -> String {
        try JSONText.decode(BuildContextResponse.self, from: try await upload(archive, to: "/v1/images/contexts")).id
    }

    private func make(
        _ path: String, _ body: [UInt8], _ show: (ImageProgress) async throws -> Void
    ) async throws -> Image {
        let last = try await follow(path, body, show)
        if let image = last?.image { return image }
        if let problem = last?.problem { throw ClientError.refused(problem) }
        throw ClientError.unexpected("the answer has no end")
    }

    private func upload(_ archive: Archive, to path: String) async throws -> [UInt8] {
        var call = call(.POST, path)
        call.headers.append(("Content-Type", "application/octet-stream"))
        call.upload = HTTPCall.Upload(length: archive.length, next: archive.next)
        var collected: [UInt8] = []
        var status = 0
        do {
            _ = try await transport.send(
                call, onHead: { status = $0.status }, onBody: { collected.append(contentsOf: $0.readableBytesView) })
        } catch let lost as ConnectionLost {
            // It is read once: there is nothing to send again.
            throw ClientError.unreachable(lost.reason)
        }
        guard (200..<300).contains(status) else { throw ClientError(status: status, body: collected) }
        return collected
    }
}

/// A file that is sent as it is read.
public final class Archive: Sendable {
    private static let pieceBytes = 256 * 1024

    private let handle: FileHandle
    let length: UInt64?

    /// Throws `unexpected` when there is no such file.
    public init(path: String) throws(ClientError) {
        guard let handle = FileHandle(forReadingAtPath: path),
            let size = (try? FileManager.default.attributesOfItem(atPath: path))?[.size] as? UInt64
        else { throw .unexpected("\(path) can't be read") }
        (self.handle, length) = (handle, size)
    }

    /// What is read from a descriptor, to its end.
    public init(_ handle: FileHandle) { (self.handle, length) = (handle, nil) }

    @Sendable func next() async throws -> ByteBuffer? {
        let bytes = try await NIOThreadPool.singleton.runIfActive { [handle] in
            try handle.read(upToCount: Self.pieceBytes)
        }
        guard let bytes, !bytes.isEmpty else { return nil }
        return ByteBuffer(bytes: bytes)
    }
}
