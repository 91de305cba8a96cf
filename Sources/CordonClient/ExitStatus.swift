public import CordonAPI

/// What a command's end means to the shell that ran `cordon`.
public struct ExitStatus: Sendable, Hashable {
    public var code: Int32
    /// Something to say on stderr, where the status alone doesn't tell.
    public var message: String?

    /// - Parameter sandbox: the sandbox's own end, when it is over: a command that is terminated
    ///   with its sandbox ended for the sandbox's reason.
    public init(_ result: EndResult, sandbox: EndResult? = nil) {
        switch result.reason {
        case "exited": self.init(code: Int32(clamping: result.exitCode ?? 0), message: nil)
        case "signalled": self.init(code: 128 + Int32(clamping: min(result.signal ?? 0, 127)), message: nil)
        case "timed_out", "idle_timed_out":
            let what = result.reason == "timed_out" ? "timed out" : "timed out: nothing happened in the sandbox"
            self.init(code: 124, message: result.detail.map { "\(what) (\($0))" } ?? what)
        case "out_of_memory": self.init(code: 137, message: result.detail ?? "out of memory")
        case "failed_to_start": self.init(code: 127, message: result.detail ?? "the command couldn't be started")
        case "terminated":
            if let sandbox, sandbox.reason != "terminated" {
                self.init(sandbox)
            } else {
                self.init(
                    code: 128 + Int32(clamping: min(result.signal ?? 9, 127)), message: result.detail ?? "terminated")
            }
        default: self.init(code: 125, message: result.detail ?? result.reason)
        }
    }

    /// Of a command that the service refuses to start, since it can't be run.
    public init(notStarted problem: Problem) {
        self.init(code: 127, message: ClientError.refused(problem).description)
    }

    private init(code: Int32, message: String?) {
        self.code = code
        self.message = message
    }
}
