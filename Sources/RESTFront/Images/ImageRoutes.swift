import CordonAPI
import HTTPTypes
import HummingbirdCore
import NIOCore
import SandboxModel

/// What there is of images, and their removal.
enum ImageRoutes {
    static func list(_ exchange: Exchange) async throws -> Response {
        let query = try exchange.query(["limit", "cursor", "tree"])
        if let top = query.text("tree") { return try await tree(exchange, query, from: top) }
        var wanted = ImageQuery()
        wanted.limit = try query.whole("limit", in: 1...1000) ?? wanted.limit
        wanted.before = try query.whole("cursor", in: 0...Int64.max).map { Timestamp(microseconds: $0) }
        let page = try await exchange.front.images.images(matching: wanted)
        return try .json(
            ImageList(
                images: page.images.map { Image($0) }, nextCursor: page.next.map { String($0.microseconds) }))
    }

    private static func tree(_ exchange: Exchange, _ query: Query, from top: String) async throws -> Response {
        for name in ["limit", "cursor"] where query.text(name) != nil {
            throw CordonError.invalid(
                field: name, value: query.text(name), rule: "not together with tree, which is whole")
        }
        let name = top.isEmpty ? nil : try ImageName(top, field: "tree")
        return try .json(
            ImageTree(nodes: try await exchange.front.images.lineage(of: name).map { ImageTreeNode($0) }))
    }

    static func diff(_ exchange: Exchange) async throws -> Response {
        let query = try exchange.query(["path", "unified", "limit", "cursor"])
        let (before, after) = (try name(exchange), try name(exchange, "other"))
        var wanted = TreeDiffQuery()
        if let path = query.text("path") { wanted.path = try FilePath(path) }
        guard !wanted.path.text.pathNames.contains("..") else {
            throw CordonError.invalid(field: "path", value: wanted.path.text, rule: "without \"..\"")
        }
        wanted.showsText = try query.flag("unified")
        wanted.limit = try query.whole("limit", in: 1...TreeDiffQuery.mostChanges) ?? wanted.limit
        if let cursor = query.text("cursor") {
            guard let bytes = Base64.decode(cursor) else {
                throw CordonError.invalid(field: "cursor", value: cursor, rule: "next_cursor of the page before")
            }
            wanted.after = bytes
        }
        let (images, asked) = (exchange.front.images, wanted)
        return try .json(ImageDiff(try await exchange.waiting { try await images.diff(before, after, asked) }))
    }

    static func show(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        return try .json(Image(try await exchange.front.images.image(try name(exchange))))
    }

    static func remove(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        let left = try await exchange.front.images.remove(try name(exchange))
        return try .json(RemovedImage(image: left.map { Image($0) }))
    }

    static func collect(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        let images = exchange.front.images
        let collected = try await exchange.waiting { try await images.collect() }
        return try .json(
            CollectedImagesResponse(
                removedImages: collected.images, removedLayers: collected.layers,
                layersInUse: collected.layersInUse, removedDownloads: collected.downloads))
    }

    /// The path's image. Text that can't be a name names none.
    private static func name(_ exchange: Exchange, _ parameter: String = "image") throws(CordonError) -> ImageName {
        let text = exchange.parameters[parameter] ?? ""
        guard let name = try? ImageName(text) else {
            throw CordonError(.notFound, "there is no image \(text.prefix(64))", field: "image", value: text)
        }
        return name
    }
}
