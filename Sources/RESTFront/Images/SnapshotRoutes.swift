import CordonAPI
import HummingbirdCore
import SandboxModel

/// What sandboxes have become, and images in sandboxes that run.
enum SnapshotRoutes {
    static func create(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        let id = try exchange.sandboxID()
        let order = try SnapshotOrder(json: try await exchange.jsonBody().value)
        return try .json(Image(try await exchange.service.snapshot(id, order)), status: .created)
    }

    static func mount(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        let id = try exchange.sandboxID()
        try await exchange.service.mount(try MountOrder(json: try await exchange.jsonBody().value), in: id)
        return Response(status: .noContent)
    }

    static func unmount(_ exchange: Exchange) async throws -> Response {
        let query = try exchange.query(["path"])
        let id = try exchange.sandboxID()
        guard let path = query.text("path") else {
            throw CordonError.invalid(field: "path", value: nil, rule: "where something is mounted")
        }
        try await exchange.service.unmount(try FilePath(path), in: id)
        return Response(status: .noContent)
    }
}
