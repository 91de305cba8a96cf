/// Why a process, an exec or a sandbox is over.
public enum EndingReason: String, Sendable, Hashable, CaseIterable {
    /// The command ended by itself; `exitCode` holds its status.
    case exited
    /// A signal that nobody asked us to send ended the command; `signal` holds it.
    case signalled
    /// Its lifetime (sandbox) or timeout (exec) was over.
    case timedOut = "timed_out"
    /// Nothing happened in the sandbox for its idle timeout.
    case idleTimedOut = "idle_timed_out"
    /// Somebody asked for the end: terminate, or a kill of the exec, or the sandbox ended around it.
    case terminated
    /// The kernel killed it because the sandbox was over its memory limit.
    case outOfMemory = "out_of_memory"
    /// It never ran; `detail` says which step failed and why.
    case failedToStart = "failed_to_start"
    /// The sandbox's shim or init died, and the sandbox with it.
    case supervisorLost = "supervisor_lost"
    /// The machine was restarted, and the sandbox is gone.
    case hostRestarted = "host_restarted"
}

/// The end of an exec or a sandbox, with its evidence.
public struct Ending: Sendable, Hashable {
    public var reason: EndingReason
    /// The exit status, 0–255, of a command that exited.
    public var exitCode: Int?
    /// The signal's number, of a command that a signal ended.
    public var signal: Int?
    /// The kernel's raw wait status (wait(2)), where there was one.
    public var waitStatus: Int32?
    /// A sentence: which limit, who asked, which step failed.
    public var detail: String?
    public var at: Timestamp

    public init(
        _ reason: EndingReason, exitCode: Int? = nil, signal: Int? = nil, waitStatus: Int32? = nil,
        detail: String? = nil, at: Timestamp
    ) {
        self.reason = reason
        self.exitCode = exitCode
        self.signal = signal
        self.waitStatus = waitStatus
        self.detail = detail
        self.at = at
    }

    /// The ending that a raw wait status tells of (wait(2): the low seven bits are the signal).
    public init(waitStatus status: Int32, at: Timestamp) {
        let signal = Int(status & 0x7f)
        if signal == 0 {
            self.init(.exited, exitCode: Int((status >> 8) & 0xff), waitStatus: status, at: at)
        } else {
            self.init(.signalled, signal: signal, waitStatus: status, at: at)
        }
    }
}
