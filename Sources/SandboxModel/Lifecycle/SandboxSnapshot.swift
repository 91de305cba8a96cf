/// Where a sandbox stands.
public enum SandboxStatus: Sendable, Hashable {
    case creating
    case running
    case ended(Ending)

    /// The state's name in the APIs.
    public var name: String {
        switch self {
        case .creating: "creating"
        case .running: "running"
        case .ended: "ended"
        }
    }

    /// How it ended, once it has.
    public var ending: Ending? {
        guard case .ended(let ending) = self else { return nil }
        return ending
    }
}

/// A sandbox as it was observed at one moment.
public struct SandboxSnapshot: Sendable, Hashable {
    public var id: SandboxID
    public var spec: SandboxSpec
    public var appID: AppID
    public var status: SandboxStatus
    /// Unique among all sandboxes of the node: lists are ordered strictly by it.
    public var createdAt: Timestamp
    public var startedAt: Timestamp?
    /// When the lifetime is over.
    public var deadline: Timestamp?
    /// When its probe first succeeded.
    public var readyAt: Timestamp?
    /// Since when it is ready: without a probe, since it runs.
    public var readySince: Timestamp? { spec.readinessProbe == nil ? startedAt : readyAt }

    public init(
        id: SandboxID, spec: SandboxSpec, appID: AppID, status: SandboxStatus, createdAt: Timestamp,
        startedAt: Timestamp? = nil, deadline: Timestamp? = nil, readyAt: Timestamp? = nil
    ) {
        self.id = id
        self.spec = spec
        self.appID = appID
        self.status = status
        self.createdAt = createdAt
        self.startedAt = startedAt
        self.deadline = deadline
        self.readyAt = readyAt
    }
}

/// Which sandboxes a list holds.
public struct SandboxQuery: Sendable, Hashable {
    public enum State: String, Sendable, Hashable, CaseIterable {
        case creating, running, ended
    }

    /// Sidecars of this sandbox; nil for sandboxes that are no sidecars.
    public var sidecarsOf: SandboxID?
    public var app: AppName?
    public var name: SandboxName?
    /// Every pair must match.
    public var tags: Tags
    public var state: State?
    /// Only those created before this time: a page's cursor.
    public var before: Timestamp?
    /// 1–1,000.
    public var limit: Int

    public init(
        sidecarsOf: SandboxID? = nil, app: AppName? = nil, name: SandboxName? = nil, tags: Tags = .none,
        state: State? = nil, before: Timestamp? = nil, limit: Int = 100
    ) {
        self.sidecarsOf = sidecarsOf
        self.app = app
        self.name = name
        self.tags = tags
        self.state = state
        self.before = before
        self.limit = limit
    }
}

/// One page of a list, newest first.
public struct SandboxPage: Sendable {
    public var sandboxes: [SandboxSnapshot]
    /// Where the next page starts; nil when this is the last.
    public var next: Timestamp?

    public init(sandboxes: [SandboxSnapshot], next: Timestamp?) {
        self.sandboxes = sandboxes
        self.next = next
    }
}
