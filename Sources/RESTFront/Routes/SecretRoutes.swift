import CordonAPI
import HTTPTypes
import HummingbirdCore
import SandboxModel

/// Named sets of variables, of which nobody is told a value.
enum SecretRoutes {
    static func create(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        let (json, bytes) = try await exchange.jsonBody()
        let wanted = try SecretCreation(json: json)
        let secret = try await exchange.front.secrets.createSecret(
            wanted.name, wanted.environment, ifExists: wanted.ifExists, by: exchange.caller(),
            key: exchange.idempotencyKey(body: bytes))
        var response = try Response.json(Secret(secret), status: .created)
        response.headers[.location] = "/v1/secrets/\(secret.id)"
        return response
    }

    static func list(_ exchange: Exchange) async throws -> Response {
        let query = try exchange.query(["limit", "cursor"])
        let before = try query.whole("cursor", in: 0...Int64.max).map { Timestamp(microseconds: $0) }
        let page = try await exchange.front.secrets.secrets(
            before: before, limit: try query.whole("limit", in: 1...1000) ?? 100)
        return try .json(
            SecretList(
                secrets: page.secrets.map { Secret($0) }, nextCursor: page.next.map { String($0.microseconds) }))
    }

    static func show(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        return try .json(Secret(try await exchange.front.secrets.secret(exchange.secretReference())))
    }

    static func replace(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        let reference = try exchange.secretReference()
        let environment = try Environment(secret: try await exchange.jsonBody().value)
        return try .json(Secret(try await exchange.front.secrets.replaceSecret(reference, with: environment)))
    }

    static func change(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        let reference = try exchange.secretReference()
        let changes = try SecretChanges(json: try await exchange.jsonBody().value)
        return try .json(Secret(try await exchange.front.secrets.changeSecret(reference, changes)))
    }

    static func delete(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        try await exchange.front.secrets.deleteSecret(exchange.secretReference())
        return Response(status: .noContent)
    }
}

extension Exchange {
    /// The path's secret. Text that can be neither id nor name names none.
    fileprivate func secretReference() throws(CordonError) -> SecretReference {
        let text = parameters["secret"] ?? ""
        guard let reference = try? SecretReference(text, field: "secret") else {
            throw CordonError(.notFound, "there is no secret \(text.prefix(64))", field: "secret", value: text)
        }
        return reference
    }
}

extension Secret {
    fileprivate init(_ snapshot: SecretSnapshot) {
        self.init(
            id: snapshot.id.text, name: snapshot.name.text, keys: snapshot.keys, version: snapshot.version,
            createdAt: APITime(snapshot.createdAt), updatedAt: APITime(snapshot.updatedAt))
    }
}
