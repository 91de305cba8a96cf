import CordonAPI
import HTTPTypes
import HummingbirdCore
import SandboxModel

/// The life of a sandbox.
enum SandboxRoutes {
    static func create(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        let (json, bytes) = try await exchange.jsonBody()
        let spec = try SandboxSpec(json: json)
        let key = try exchange.idempotencyKey(body: bytes)
        let snapshot = try await exchange.service.create(spec, by: exchange.caller(), key: key)
        var response = try Response.json(Sandbox(snapshot), status: .created)
        response.headers[.location] = "/v1/sandboxes/\(snapshot.id)"
        return response
    }

    static func list(_ exchange: Exchange) async throws -> Response {
        let query = try exchange.query(["app", "tag", "state", "limit", "cursor"], repeated: ["tag"])
        var wanted = SandboxQuery()
        if let text = query.text("app") { wanted.app = try AppName(text) }
        wanted.tags = try Tags(query: query.texts("tag"))
        try wanted.read(query)
        return try .json(SandboxList(try await exchange.service.sandboxes(matching: wanted)))
    }

    static func show(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        return try .json(Sandbox(try await exchange.service.sandbox(exchange.sandboxID())))
    }

    static func showNamed(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        let app = try AppName(exchange.parameters["app"] ?? "")
        let name = try SandboxName(exchange.parameters["name"] ?? "")
        return try .json(Sandbox(try await exchange.service.sandbox(named: name, in: app)))
    }

    static func changeDeadlines(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        let id = try exchange.sandboxID()
        let changes = try DeadlineChanges(json: try await exchange.jsonBody().value)
        return try .json(
            Sandbox(
                try await exchange.service.setDeadlines(
                    of: id, timeout: changes.timeout, idleTimeout: changes.idleTimeout)))
    }

    static func replaceTags(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        let id = try exchange.sandboxID()
        let tags = try Tags(json: try await exchange.jsonBody().value)
        return try .json(Sandbox(try await exchange.service.setTags(of: id, to: tags)))
    }

    static func replaceNetwork(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        let id = try exchange.sandboxID()
        let policy = try NetworkPolicy(json: try await exchange.jsonBody().value)
        return try .json(Sandbox(try await exchange.service.setNetwork(of: id, to: policy)))
    }

    static func terminate(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        return try .json(Sandbox(try await exchange.service.terminate(exchange.sandboxID())))
    }

    static func wait(_ exchange: Exchange) async throws -> Response {
        let limit = try exchange.query(["timeout_seconds"]).seconds("timeout_seconds", in: 0...60) ?? .seconds(60)
        let id = try exchange.sandboxID()
        let service = exchange.service
        let snapshot = try await exchange.waiting { try await service.wait(for: id, upTo: limit) }
        return try .json(WaitResponse(result: snapshot.status.ending.map { EndResult($0) }))
    }
}

extension SandboxQuery {
    /// Takes the state and the page from a request's query.
    mutating func read(_ query: Query) throws(CordonError) {
        if let text = query.text("state") {
            guard let wanted = State(rawValue: text) else {
                throw .invalid(field: "state", value: text, rule: "creating, running or ended")
            }
            state = wanted
        }
        limit = try query.whole("limit", in: 1...1000) ?? limit
        before = try query.whole("cursor", in: 0...Int64.max).map { Timestamp(microseconds: $0) }
    }
}

extension SandboxList {
    init(_ page: SandboxPage) {
        self.init(
            sandboxes: page.sandboxes.map { Sandbox($0) }, nextCursor: page.next.map { String($0.microseconds) })
    }
}
