import SandboxModel

/// How much the engine takes on, and how long it keeps what is over.
public struct EngineLimits: Sendable, Hashable {
    /// Sandboxes that are being created or run.
    public var maxSandboxes: Int
    /// Execs on record for one sandbox; beyond, the oldest ended ones are forgotten.
    public var maxExecsPerSandbox: Int
    /// Execs of one sandbox that start or run at a time.
    public var maxConcurrentExecsPerSandbox: Int
    /// Ended execs of one running sandbox that are kept in memory as well; others are read when asked for.
    public var recentExecsPerSandbox: Int
    /// How many bytes of commands and variables of those, about.
    public var recentExecBytesPerSandbox = 64 << 10
    /// The longest that one call waits.
    public var maxWait: Duration
    /// Calls that wait at a time.
    public var maxWaiters: Int
    /// How long an ended sandbox is kept.
    public var retention: Duration
    /// Ended sandboxes kept at most; beyond, those that ended first go.
    public var retainedSandboxes: Int
    /// Bytes of the specs of ended sandboxes that are kept in memory at most.
    public var retainedBytes: Int
    /// Events kept of one sandbox; beyond, the oldest go.
    public var maxEventsPerSandbox: Int
    /// Bytes of runs' input and of files collected from them that are in memory at a time.
    public var maxRunBytes: Int
    /// What a sandbox gets that doesn't say where it may go.
    public var defaultNetwork = NetworkPolicy.blocked
    /// Whether somebody resolves the names of domain allowlists.
    public var servesNames = false

    public init(
        maxSandboxes: Int = 4000, maxExecsPerSandbox: Int = 10_000, maxConcurrentExecsPerSandbox: Int = 1_000,
        recentExecsPerSandbox: Int = 64, maxWait: Duration = .seconds(60), maxWaiters: Int = 20_000,
        retention: Duration = .seconds(24 * 3600), retainedSandboxes: Int = 10_000,
        retainedBytes: Int = 256 << 20, maxEventsPerSandbox: Int = 10_000,
        maxRunBytes: Int = 256 << 20
    ) {
        self.maxSandboxes = maxSandboxes
        self.maxExecsPerSandbox = maxExecsPerSandbox
        self.maxConcurrentExecsPerSandbox = maxConcurrentExecsPerSandbox
        self.recentExecsPerSandbox = recentExecsPerSandbox
        self.maxWait = maxWait
        self.maxWaiters = maxWaiters
        self.retention = retention
        self.retainedSandboxes = retainedSandboxes
        self.retainedBytes = retainedBytes
        self.maxEventsPerSandbox = maxEventsPerSandbox
        self.maxRunBytes = maxRunBytes
    }
}
