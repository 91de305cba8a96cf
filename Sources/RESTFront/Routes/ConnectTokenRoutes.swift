import CordonAPI
import HummingbirdCore
import SandboxModel

/// Tokens for what a sandbox serves.
enum ConnectTokenRoutes {
    /// Repeats with the same key are other tokens for the same: none is kept that could be given again.
    static func create(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        let id = try exchange.sandboxID()
        let (json, bytes) = try await exchange.jsonBody()
        let request = try ConnectTokenRequest(json: json)
        _ = try exchange.idempotencyKey(body: bytes)
        let token = try await exchange.service.issueConnectToken(request, for: id)
        return try .json(
            ConnectTokenResponse(
                id: token.id.text, url: token.url, token: token.text, expiresAt: APITime(token.expiresAt)),
            status: .created)
    }

    /// By its id: whether such a token was ever made nobody knows, and nobody has to.
    static func revoke(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        let (id, text) = (try exchange.sandboxID(), exchange.parameters["token"] ?? "")
        guard let token = ConnectTokenID(text) else {
            throw CordonError(.notFound, "there is no connect token \(text.prefix(64))", field: "token", value: text)
        }
        try await exchange.service.revokeConnectToken(token, of: id)
        return Response(status: .noContent)
    }
}
