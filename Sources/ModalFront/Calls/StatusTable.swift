import GRPCCore
import SandboxModel

extension RPCError {
    /// What a client is answered: codes are the same set on both sides, messages hold no secret on either.
    init(_ error: any Error) {
        switch error {
        case let error as RPCError: self = error
        case let error as CordonError: self.init(code: Code(error.code), message: error.sentence)
        case is CancellationError: self.init(code: .cancelled, message: "the call was cancelled")
        default: self.init(code: .internalError, message: "something went wrong that the service's log tells of")
        }
    }
}

extension RPCError.Code {
    init(_ code: ErrorCode) {
        switch code {
        case .cancelled: self = .cancelled
        case .invalidArgument: self = .invalidArgument
        case .deadlineExceeded: self = .deadlineExceeded
        case .notFound: self = .notFound
        case .alreadyExists: self = .alreadyExists
        case .permissionDenied: self = .permissionDenied
        case .unauthenticated: self = .unauthenticated
        case .resourceExhausted: self = .resourceExhausted
        case .failedPrecondition: self = .failedPrecondition
        case .aborted: self = .aborted
        case .outOfRange: self = .outOfRange
        case .unimplemented: self = .unimplemented
        case .internal: self = .internalError
        case .unavailable: self = .unavailable
        case .dataLoss: self = .dataLoss
        }
    }
}

extension CordonError {
    /// The message, with the value that it is about: these clients are told nothing else. Values are never secret.
    fileprivate var sentence: String {
        guard code == .invalidArgument, let value, !value.isEmpty, !message.contains(value) else { return message }
        return "\(message); it is \(value)"
    }

    /// What this service doesn't do, in a sentence that names it.
    static func unserved(_ feature: String) -> CordonError {
        CordonError(.unimplemented, "\(feature) aren't served by Cordon; docs/MODAL.md lists what is")
    }
}
