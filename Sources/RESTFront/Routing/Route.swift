import HTTPTypes
import HummingbirdCore

/// One operation: where it is asked for, and what answers.
struct Route: Sendable {
    typealias Handler = @Sendable (Exchange) async throws -> Response

    let method: HTTPRequest.Method
    /// As in `openapi.yaml`: `/v1/sandboxes/{id}`.
    let pattern: String
    let segments: [Substring]
    let needsCaller: Bool
    let handler: Handler

    init(_ method: HTTPRequest.Method, _ pattern: String, needsCaller: Bool = true, handler: @escaping Handler) {
        self.method = method
        self.pattern = pattern
        self.segments = pattern.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        self.needsCaller = needsCaller
        self.handler = handler
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
        for route in routes {
            guard let parameters = route.match(segments) else { continue }
            if route.method == method { return .route(route, parameters: parameters) }
            others.append(route.method)
        }
        return others.isEmpty ? .nothing : .otherMethods(others)
    }
}
