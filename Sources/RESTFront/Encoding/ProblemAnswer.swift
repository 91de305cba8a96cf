import CordonAPI
import HTTPTypes
import HummingbirdCore
import NIOCore
import SandboxModel

/// What a request is refused for before the engine is asked, with a status that no code has.
enum RequestRefused: Error {
    case tooLarge(limit: Int)
    case unsupportedMediaType(String, String, rule: String)
    case methodNotAllowed([HTTPRequest.Method])
    case unknownRoute(String)
    /// A plain request where only a WebSocket handshake makes sense.
    case upgradeRequired
    case webSocketVersion(String?)
    /// `out_of_range` where it isn't about what the client reads: stdin.
    case conflict(CordonError)
}

/// Turns errors into RFC 9457 problem documents; the one table from codes to statuses.
enum ProblemAnswer {
    static func status(of code: ErrorCode) -> HTTPResponse.Status {
        switch code {
        case .invalidArgument: .badRequest
        case .unauthenticated: .unauthorized
        case .permissionDenied: .forbidden
        case .notFound: .notFound
        case .alreadyExists, .aborted, .failedPrecondition: .conflict
        case .outOfRange: .rangeNotSatisfiable
        case .resourceExhausted: .tooManyRequests
        case .cancelled: HTTPResponse.Status(code: 499, reasonPhrase: "Client Closed Request")
        case .unimplemented: .notImplemented
        case .internal, .dataLoss: .internalServerError
        case .unavailable: .serviceUnavailable
        case .deadlineExceeded: .gatewayTimeout
        }
    }

    /// The error that a client is told of, and its status; nil for what nobody can be told.
    static func translate(_ error: any Error) -> (error: CordonError, status: HTTPResponse.Status, fields: HTTPFields)?
    {
        switch error {
        case let error as CordonError: return (error, status(of: error.code), [:])
        case RequestRefused.tooLarge(let limit):
            return (
                CordonError(.invalidArgument, "the body is too large", field: "body", rule: "at most \(limit) bytes"),
                .contentTooLarge, [:]
            )
        case RequestRefused.unsupportedMediaType(let field, let value, let rule):
            return (CordonError.invalid(field: field, value: value, rule: rule), .unsupportedMediaType, [:])
        case RequestRefused.methodNotAllowed(let allowed):
            let names = allowed.map(\.rawValue).joined(separator: ", ")
            return (
                CordonError(.unimplemented, "this method isn't offered here", field: "method", rule: "one of \(names)"),
                .methodNotAllowed, [.allow: names]
            )
        case RequestRefused.unknownRoute(let path):
            return (CordonError(.notFound, "there is nothing at this path", field: "path", value: path), .notFound, [:])
        case RequestRefused.upgradeRequired:
            return (
                CordonError(
                    .failedPrecondition, "this is a WebSocket", field: "Upgrade",
                    rule: "a WebSocket handshake (RFC 6455, section 4.1)"),
                .upgradeRequired, [.upgrade: "websocket", .connection: "Upgrade"]
            )
        case RequestRefused.webSocketVersion(let version):
            return (
                CordonError.invalid(field: "Sec-WebSocket-Version", value: version, rule: "13"), .upgradeRequired,
                [.upgrade: "websocket", .connection: "Upgrade", .secWebSocketVersion: "13"]
            )
        case RequestRefused.conflict(let error): return (error, .conflict, [:])
        case is BodyBrokenOff:
            return (
                CordonError(.invalidArgument, "the body ended before it was complete", field: "body"), .badRequest, [:]
            )
        default: return nil
        }
    }

    static func render(
        _ error: CordonError, status: HTTPResponse.Status, requestID: String
    ) -> (fields: HTTPFields, body: [UInt8]) {
        var fields: HTTPFields = [.contentType: "application/problem+json"]
        if status == .unauthorized { fields[.wwwAuthenticate] = "Bearer realm=\"cordon\"" }
        if status == .tooManyRequests || status == .serviceUnavailable {
            let wait = error.retryAfter ?? .seconds(1)
            fields[.retryAfter] = String(max(1, (wait.microseconds + 999_999) / 1_000_000))
        }
        let problem = Problem(
            error: error, status: status.code, title: status.reasonPhrase, requestID: requestID)
        let body = (try? JSONText.encode(problem)) ?? Array("{}".utf8)
        return (fields, body)
    }

    static func response(_ error: CordonError, status: HTTPResponse.Status, fields: HTTPFields, requestID: String)
        -> Response
    {
        let (rendered, body) = render(error, status: status, requestID: requestID)
        var all = rendered
        for field in fields { all.append(field) }
        return Response(status: status, headers: all, body: ResponseBody(byteBuffer: ByteBuffer(bytes: body)))
    }
}
