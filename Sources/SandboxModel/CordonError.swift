/// What kind of thing went wrong; the gRPC canonical set, so that every front maps it by one table.
public enum ErrorCode: String, Sendable, Hashable, CaseIterable {
    case cancelled
    case invalidArgument = "invalid_argument"
    case deadlineExceeded = "deadline_exceeded"
    case notFound = "not_found"
    case alreadyExists = "already_exists"
    case permissionDenied = "permission_denied"
    case unauthenticated
    case resourceExhausted = "resource_exhausted"
    case failedPrecondition = "failed_precondition"
    case aborted
    case outOfRange = "out_of_range"
    case unimplemented
    case `internal`
    case unavailable
    case dataLoss = "data_loss"
}

/// The one error that leaves the engine: a code, a sentence for people, and where it applies.
///
/// `message` names the thing, the value and the way out. It never holds a secret, an environment
/// value or a host path.
public struct CordonError: Error, Sendable, CustomStringConvertible {
    public var code: ErrorCode
    public var message: String
    /// The request's field that was wrong, as the client spelt it: `tags.env`, `argv[3]`.
    public var field: String?
    /// The offending value, cut to 128 characters.
    public var value: String?
    /// The rule that the value breaks.
    public var rule: String?
    /// A number that the client needs to go on: bytes accepted, first kept offset.
    public var detail: [String: String]
    /// How long the client should wait before it tries again, when trying again can help.
    public var retryAfter: Duration?

    public init(
        _ code: ErrorCode, _ message: String, field: String? = nil, value: String? = nil, rule: String? = nil,
        detail: [String: String] = [:], retryAfter: Duration? = nil
    ) {
        self.code = code
        self.message = message
        self.field = field
        self.value = value.map { String($0.prefix(128)) }
        self.rule = rule
        self.detail = detail
        self.retryAfter = retryAfter
    }

    /// A field of a request that breaks a rule; nothing was changed.
    public static func invalid(field: String, value: String?, rule: String) -> CordonError {
        CordonError(.invalidArgument, "\(field): \(rule)", field: field, value: value, rule: rule)
    }

    /// Nobody listens on a port of a sandbox, yet or any more.
    public static func nobodyListens(on port: UInt16, of id: SandboxID) -> CordonError {
        CordonError(
            .unavailable, "nothing in sandbox \(id) listens on port \(port)", field: "port", value: "\(port)",
            detail: ["connect": "refused"], retryAfter: .seconds(1))
    }

    public var description: String { "\(code.rawValue): \(message)" }
}
