import SandboxModel

/// Why a registry's content can't be had. Never holds a credential.
package enum RegistryError: Error, Sendable, Hashable {
    case notFound(String)
    case unauthorized(host: String)
    /// The registry can't be reached, or broke off; worth another try.
    case unreachable(host: String, why: String)
    case refused(host: String, status: Int)
    case digestMismatch(expected: ContentDigest, found: ContentDigest)
    /// Something of a type, form or size that isn't taken.
    case unsupported(String)
    case tooLarge(what: String, bytes: UInt64, limit: UInt64)

    /// Whether another host, or another try, may do better.
    var isPassing: Bool {
        switch self {
        case .unreachable: true
        case .refused(_, let status): status == 429 || status >= 500
        case .notFound, .unauthorized, .digestMismatch, .unsupported, .tooLarge: false
        }
    }

    /// As the engine's callers see it.
    func converted(_ reference: ImageReference) -> CordonError {
        let (code, message): (ErrorCode, String) =
            switch self {
            case .notFound(let what): (.notFound, "\(what) isn't there")
            case .unauthorized(let host):
                (.permissionDenied, "\(host) wants credentials, or others: see the option registry_credentials")
            case .unreachable(let host, let why): (.unavailable, "\(host) can't be reached: \(why)")
            case .refused(let host, let status): (.unavailable, "\(host) answered with status \(status)")
            case .digestMismatch(let expected, let found):
                (.dataLoss, "what should be \(expected) is \(found)")
            case .unsupported(let what): (.failedPrecondition, what)
            case .tooLarge(let what, let bytes, let limit):
                (.resourceExhausted, "\(what) has \(bytes) bytes, \(limit) is the most")
            }
        return CordonError(
            code, "\(reference): \(message)", field: "reference", value: reference.description,
            detail: ["reason": reason], retryAfter: isPassing ? .seconds(5) : nil)
    }

    /// A stable word for each case.
    private var reason: String {
        switch self {
        case .notFound: "not_found"
        case .unauthorized: "unauthorized"
        case .unreachable: "unreachable"
        case .refused: "refused"
        case .digestMismatch: "digest_mismatch"
        case .unsupported: "unsupported"
        case .tooLarge: "too_large"
        }
    }
}
