import HTTPTypes
import HummingbirdCore

/// What a handler makes of a request.
package enum Outcome: Sendable {
    case response(Response)
    /// The connection, or the stream of HTTP/2, is a WebSocket from here on.
    case webSocket(WebSocketAcceptance)
}

/// One operation: where it is asked for, and what answers.
package struct Route: Sendable {
    typealias Handler = @Sendable (Exchange) async throws -> Response
    package typealias WebSocketHandler = @Sendable (Exchange) async throws -> WebSocketAcceptance

    let method: HTTPRequest.Method
    /// As in `openapi.yaml`: `/v1/sandboxes/{id}`.
    let pattern: String
    let segments: [Substring]
    let answer: @Sendable (Exchange) async throws -> Outcome

    init(_ method: HTTPRequest.Method, _ pattern: String, handler: @escaping Handler) {
        self.method = method
        self.pattern = pattern
        self.segments = pattern.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        self.answer = { .response(try await handler($0)) }
    }

    /// A WebSocket: asked for by `GET` with an upgrade, or by an extended `CONNECT` of HTTP/2.
    package init(webSocket pattern: String, handler: @escaping WebSocketHandler) {
        self.method = .get
        self.pattern = pattern
        self.segments = pattern.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        self.answer = { exchange in
            try OriginCheck.admit(exchange.request, allowed: exchange.front.options.allowedOrigins)
            return .webSocket(try await handler(exchange))
        }
    }

    /// The path's parameters, percent-decoded, when it fits the pattern.
    func match(_ path: [Substring]) -> [String: String]? {
        guard path.count == segments.count else { return nil }
        var parameters: [String: String] = [:]
        for (segment, text) in zip(segments, path) {
            if segment.hasPrefix("{") {
                guard !text.isEmpty, let decoded = PercentCoding.decode(text, plusIsSpace: false) else { return nil }
                parameters[String(segment.dropFirst().dropLast())] = decoded
            } else if segment != text {
                return nil
            }
        }
        return parameters
    }
}

/// Every route, as data: the contract's test walks it.
///
/// Hummingbird's router isn't used: it can't tell an unknown path from a wrong method.
struct RouteTable: Sendable {
    enum Found {
        case route(Route, parameters: [String: String])
        case otherMethods([HTTPRequest.Method])
        case nothing
    }

    let routes: [Route]

    func find(_ method: HTTPRequest.Method, _ path: String) -> Found {
        let segments = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        var others: [HTTPRequest.Method] = []
        // A path that stands in the contract as it is names nothing else: no image is meant by /v1/images/pull.
        let isFixed = routes.contains { $0.pattern == path }
        for route in routes where !isFixed || route.pattern == path {
            guard let parameters = route.match(segments) else { continue }
            if route.method == method { return .route(route, parameters: parameters) }
            others.append(route.method)
        }
        return others.isEmpty ? .nothing : .otherMethods(others)
    }
}
