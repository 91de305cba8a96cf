public import CordonAPI

/// Why a call didn't work.
public enum ClientError: Error, Sendable, CustomStringConvertible {
    /// The service refused.
    case refused(Problem)
    /// The service couldn't be reached, or went away, for as long as was tried.
    case unreachable(String)
    /// The service answered what isn't in its contract.
    case unexpected(String)
    case credentials(String)
    /// Whoever answers doesn't prove to be the service.
    case untrusted(String)
    /// So many bytes of a stream are gone for good.
    case gap(stream: String, bytes: UInt64)

    public var description: String {
        switch self {
        case .refused(let problem):
            if let rule = problem.rule, let field = problem.field, !problem.detail.contains(rule) {
                "\(problem.detail) (\(field): \(rule))"
            } else {
                problem.detail
            }
        case .unreachable(let why): "the service can't be reached: \(why)"
        case .unexpected(let what): "the service answered unexpectedly: \(what)"
        case .credentials(let why): why
        case .untrusted(let why): "the server's certificate isn't trusted: \(why)"
        case .gap(let stream, let bytes): "\(bytes) bytes of \(stream) are gone"
        }
    }
}
