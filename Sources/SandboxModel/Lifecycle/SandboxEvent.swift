/// Something that happened to a sandbox.
public enum SandboxEventKind: String, Sendable, Hashable, CaseIterable {
    case created
    case started
    case deadlinesChanged = "deadlines_changed"
    case tagsChanged = "tags_changed"
    case execStarted = "exec_started"
    case execEnded = "exec_ended"
    case networkChanged = "network_changed"
    case networkDenied = "network_denied"
    case terminateRequested = "terminate_requested"
    case readopted
    case ready
    case ended
}

/// One entry of a sandbox's history; numbers grow by one from 1.
public struct SandboxEvent: Sendable, Hashable {
    public var number: Int
    public var at: Timestamp
    public var kind: SandboxEventKind
    public var exec: ExecID?
    public var ending: Ending?
    public var detail: String?

    public init(
        number: Int, at: Timestamp, kind: SandboxEventKind, exec: ExecID? = nil, ending: Ending? = nil,
        detail: String? = nil
    ) {
        self.number = number
        self.at = at
        self.kind = kind
        self.exec = exec
        self.ending = ending
        self.detail = detail
    }
}
