import CordonAPI
import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import SandboxModel

/// One request on its way to an answer: all that a handler may use.
package struct Exchange: Sendable {
    let front: FrontState
    package let request: Request
    let connection: ClientConnection
    let scope: RequestScope
    let requestID: String
    let route: Route
    let parameters: [String: String]
    private let verified: Caller?

    init(
        front: FrontState, request: Request, connection: ClientConnection, scope: RequestScope, requestID: String,
        route: Route, parameters: [String: String], caller: Caller?
    ) {
        self.front = front
        self.request = request
        self.connection = connection
        self.scope = scope
        self.requestID = requestID
        self.route = route
        self.parameters = parameters
        self.verified = caller
    }

    var service: any SandboxService { front.service }

    /// Who calls. Throws on a route that takes no credentials, which is a mistake of ours.
    func caller() throws(CordonError) -> Caller {
        guard let verified else { throw CordonError(.unauthenticated, "this needs a token") }
        return verified
    }

    func query(_ known: [String], repeated: Set<String> = []) throws(CordonError) -> Query {
        try Query(request.uri.query, known: known, repeated: repeated)
    }

    /// The path's sandbox. Text that can't be an id names no sandbox.
    func sandboxID() throws(CordonError) -> SandboxID {
        let text = parameters["id"] ?? ""
        guard let id = SandboxID(text) else {
            throw CordonError(.notFound, "there is no sandbox \(text.prefix(64))", field: "id", value: text)
        }
        return id
    }

    /// The path's exec; the main command where the path names none.
    func execID() throws(CordonError) -> ExecID {
        guard let text = parameters["exec"] else { return .main }
        guard let id = ExecID(text) else {
            throw CordonError(.notFound, "there is no exec \(text.prefix(64))", field: "exec", value: text)
        }
        return id
    }

    /// The request's body, whole. Throws over the limit, and when it breaks off.
    func bodyBytes() async throws -> [UInt8] {
        let limit = front.options.maximumBodyBytes
        if let text = request.headers[.contentLength], let length = Int(text), length > limit {
            throw RequestRefused.tooLarge(limit: limit)
        }
        var bytes: [UInt8] = []
        for try await buffer in request.body {
            guard bytes.count + buffer.readableBytes <= limit else { throw RequestRefused.tooLarge(limit: limit) }
            bytes.append(contentsOf: buffer.readableBytesView)
        }
        return bytes
    }

    /// The request's body as JSON.
    func jsonBody() async throws -> (value: JSONValue, bytes: [UInt8]) {
        try requireContentType("application/json")
        let bytes = try await bodyBytes()
        do {
            return (try JSONParser.parse(bytes), bytes)
        } catch {
            throw CordonError(
                .invalidArgument, "the body isn't JSON: \(error.message) (line \(error.line), column \(error.column))",
                field: "body", rule: "JSON as in RFC 8259",
                detail: [
                    "line": String(error.line), "column": String(error.column), "byte_offset": String(error.byteOffset),
                ])
        }
    }

    /// Throws unless the body's type is `type` or not said, and it isn't compressed.
    func requireContentType(_ type: String) throws {
        if let encoding = request.headers[.contentEncoding], encoding.lowercased() != "identity" {
            throw RequestRefused.unsupportedMediaType("Content-Encoding", encoding, rule: "identity")
        }
        guard let said = request.headers[.contentType] else { return }
        let essence = said.split(separator: ";", maxSplits: 1).first.map { $0.trimmingPrefix { $0 == " " } } ?? ""
        let bare = essence.split(separator: " ").first.map { $0.lowercased() }
        guard bare == type else { throw RequestRefused.unsupportedMediaType("Content-Type", said, rule: type) }
    }

    /// The key of `Idempotency-Key`, bound to this route, path and body; nil without one.
    func idempotencyKey(body: [UInt8]) throws(CordonError) -> IdempotencyKey? {
        let given = request.headers[values: .idempotencyKey]
        guard let key = given.first else { return nil }
        guard given.count == 1, (1...255).contains(key.utf8.count), key.utf8.allSatisfy({ (0x21...0x7e).contains($0) })
        else {
            throw .invalid(
                field: HeaderNames.idempotencyKey, value: key, rule: "once, 1–255 printable ASCII characters")
        }
        // The path is hashed too: the same key for another sandbox is another request.
        return IdempotencyKey(
            key: key, route: "\(route.method) \(route.pattern)",
            bodyHash: front.bodyHash(Array(request.uri.path.utf8) + [0] + body))
    }

    /// Runs a wait in one of the places for waits, for as long as the client is there.
    func waiting<Value: Sendable>(_ operation: @escaping @Sendable () async throws -> Value) async throws -> Value {
        guard front.waits.take() else {
            throw CordonError(.resourceExhausted, "too many requests are waiting", retryAfter: .seconds(1))
        }
        defer { front.waits.giveBack() }
        return try await connection.whilePresent(operation)
    }
}
