import NIOCore
import SandboxModel

/// Why a request doesn't reach a sandbox, or its answer doesn't come back.
package struct Refusal: Error, Sendable, Hashable {
    package var status: Int
    package var code: ErrorCode
    package var title: String
    /// A sentence for people; nothing of what was asked for is in it.
    package var detail: String
    /// In seconds, where trying again can help.
    package var retryAfter: Int?

    init(_ status: Int, _ code: ErrorCode, _ title: String, _ detail: String, retryAfter: Int? = nil) {
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.retryAfter = retryAfter
    }

    init(_ error: MalformedMessage) {
        let titles = [
            405: "Method Not Allowed", 431: "Request Header Fields Too Large", 505: "HTTP Version Not Supported",
        ]
        self.init(
            error.status, error.status == 405 ? .unimplemented : .invalidArgument,
            titles[error.status] ?? "Bad Request",
            "this isn't a request that can be passed on: \(error.reason)")
    }

    /// What a way into a sandbox was refused with.
    init(connecting error: any Error) {
        guard let error = error as? CordonError else {
            // A connection that was made, and was gone before anything could be sent.
            self = error is IOError || error is ChannelError ? .noAnswer : .failed
            return
        }
        switch error.code {
        case .unavailable where error.detail["connect"] == "refused": self = .nobodyListens
        case .notFound, .failedPrecondition: self = .ended
        case .unauthenticated: self = .badToken(error.message)
        case .deadlineExceeded: self = .silent
        case .resourceExhausted, .unavailable, .aborted, .cancelled: self = .busy
        default: self = .failed
        }
    }

    static let noToken = Refusal(
        401, .unauthenticated, "Unauthorized",
        "this needs a connect token: as Authorization: Bearer, or as _modal_connect_token in the query or a cookie")
    static func badToken(_ detail: String) -> Refusal { Refusal(401, .unauthenticated, "Unauthorized", detail) }
    static let severalTokens = Refusal(
        400, .invalidArgument, "Bad Request", "there are cookies with different connect tokens: remove one")
    package static let otherHost = Refusal(
        421, .permissionDenied, "Misdirected Request", "the connect token is for another host than the one asked for")
    static let serviceWorker = Refusal(
        403, .permissionDenied, "Forbidden",
        "service workers aren't served where all sandboxes have one host: they would see each other's pages")
    static let ended = Refusal(410, .notFound, "Gone", "the sandbox has ended")
    static let nobodyListens = Refusal(
        502, .unavailable, "Bad Gateway", "nothing listens on this port of the sandbox yet", retryAfter: 1)
    static let badAnswer = Refusal(
        502, .unavailable, "Bad Gateway", "the server in the sandbox didn't answer with HTTP")
    static let noAnswer = Refusal(
        502, .unavailable, "Bad Gateway", "the server in the sandbox closed the connection without an answer",
        retryAfter: 1)
    static let silent = Refusal(504, .deadlineExceeded, "Gateway Timeout", "the server in the sandbox doesn't answer")
    static let slowClient = Refusal(
        408, .deadlineExceeded, "Request Timeout", "the rest of the request didn't come in time")
    static let busy = Refusal(
        503, .resourceExhausted, "Service Unavailable", "too many requests are under way", retryAfter: 1)
    static let failed = Refusal(
        500, .internal, "Internal Server Error", "something went wrong in the service; its log has the request id")
}
