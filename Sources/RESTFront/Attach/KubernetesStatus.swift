import SandboxModel

/// How a command ended, as Kubernetes' error channel tells it (`metav1.Status`).
struct KubernetesStatus: Encodable {
    struct Metadata: Encodable {}

    struct Cause: Encodable {
        var reason: String?
        let message: String
    }

    struct Details: Encodable {
        let causes: [Cause]
    }

    var metadata = Metadata()
    var status = "Success"
    var message: String?
    var reason: String?
    var details: Details?
    var code: Int?

    init(_ ending: Ending) {
        guard ending.reason != .exited || ending.exitCode != 0 else { return }
        status = "Failure"
        if let number = Self.exitStatus(ending) {
            let why = ending.reason == .exited ? "" : " (\(ending.reason.rawValue))"
            message = "command terminated with non-zero exit code: exit status \(number)\(why)"
            reason = "NonZeroExitCode"
            details = Details(causes: [Cause(reason: "ExitCode", message: String(number))])
        } else {
            let why = ending.detail ?? ending.reason.rawValue
            message = "error executing command in container: \(why)"
            reason = "InternalError"
            details = Details(causes: [Cause(message: why)])
            code = 500
        }
    }

    /// As a container's: 128 and the signal; nil where there never was a command, or its end is unknown.
    private static func exitStatus(_ ending: Ending) -> Int? {
        switch ending.reason {
        case .exited: ending.exitCode
        case .failedToStart, .supervisorLost, .hostRestarted: nil
        default: 128 + (ending.signal ?? 9)
        }
    }
}
