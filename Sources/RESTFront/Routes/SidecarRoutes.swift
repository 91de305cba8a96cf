import CordonAPI
import HTTPTypes
import HummingbirdCore
import SandboxModel

/// Sidecars of a sandbox. Once there, each is a sandbox like any other, under its own id.
enum SidecarRoutes {
    static func create(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        let main = try exchange.sandboxID()
        let (json, bytes) = try await exchange.jsonBody()
        let spec = try SandboxSpec(json: json, sidecarOf: main)
        let key = try exchange.idempotencyKey(body: bytes)
        let snapshot = try await exchange.service.create(spec, by: exchange.caller(), key: key)
        var response = try Response.json(Sandbox(snapshot), status: .created)
        response.headers[.location] = "/v1/sandboxes/\(snapshot.id)"
        return response
    }

    static func list(_ exchange: Exchange) async throws -> Response {
        let query = try exchange.query(["name", "state", "limit", "cursor"])
        var wanted = SandboxQuery(sidecarsOf: try exchange.sandboxID())
        if let text = query.text("name") { wanted.name = try SandboxName(text) }
        try wanted.read(query)
        _ = try await exchange.service.sandbox(exchange.sandboxID())
        return try .json(SandboxList(try await exchange.service.sandboxes(matching: wanted)))
    }
}
