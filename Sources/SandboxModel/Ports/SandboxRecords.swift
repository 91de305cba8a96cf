/// What the engine keeps of sandboxes, execs, tags, events and idempotency keys, so that a killed
/// service loses nothing. A returned call survives SIGKILL; none needs to survive power loss.
public protocol SandboxRecords: SealedRecords {
    /// The node's name; minted on the first start of a data directory.
    func node() async throws -> NodeName
    /// The app of that name, made when there is none.
    func app(named name: AppName) async throws -> AppID

    /// What a key turned out to be, without using it. `sandbox` is the one that an exec's request
    /// names: the same key on another sandbox is a conflict.
    func outcome(
        of key: IdempotencyKey, by caller: Caller, in sandbox: SandboxID?, at now: Timestamp
    ) async throws -> IdempotencyOutcome
    /// Writes the intent to create, its first events, what its secrets came to and its idempotency key, in one
    /// transaction. `existing` when the key was used for the same body, `conflict` when for another.
    func begin(
        _ sandbox: SandboxSnapshot, events: [SandboxEvent], secrets: SealedEnvironment?, key: IdempotencyKey?,
        by caller: Caller
    ) async throws -> IdempotencyOutcome
    /// What the secrets of a sandbox that isn't over came to.
    func secrets(of id: SandboxID) async throws -> SealedEnvironment?
    /// Writes the intent to start an exec. `existing` also when the sandbox has an exec of that id.
    func beginExec(_ exec: ExecSnapshot, key: IdempotencyKey?, by caller: Caller) async throws -> IdempotencyOutcome
    /// Writes down that a key is used for something that is done to an exec, before it is done.
    /// `existing` with the first use's `result` when it was used for the same request.
    func use(
        _ key: IdempotencyKey, by caller: Caller, on exec: ExecID, of id: SandboxID, result: String, at now: Timestamp
    ) async throws -> IdempotencyOutcome
    /// Frees a key: what it was used for has not been done.
    func free(_ key: IdempotencyKey, by caller: Caller) async throws
    /// Writes all of these in one transaction, in this order: a state and the event that tells of
    /// it are never seen one without the other.
    func commit(_ changes: [RecordChange]) async throws
    /// Removes a sandbox and all that hangs on it, its idempotency keys included.
    func remove(_ id: SandboxID) async throws

    /// Every sandbox on record, oldest first.
    func sandboxes() async throws -> RecordedSandboxes
    /// Every exec on record, oldest first.
    func execs(of id: SandboxID) async throws -> [ExecSnapshot]
    func exec(_ exec: ExecID, of id: SandboxID) async throws -> ExecSnapshot?
    func events(of id: SandboxID, after number: Int, limit: Int) async throws -> [SandboxEvent]
    /// Forgets idempotency keys older than this.
    func expireKeys(before: Timestamp) async throws
}

/// One thing to write down about a sandbox.
public enum RecordChange: Sendable, Hashable {
    case started(SandboxID, at: Timestamp, deadline: Timestamp)
    case deadlines(SandboxID, spec: SandboxSpec, deadline: Timestamp?)
    case spec(SandboxID, SandboxSpec)
    case tags(SandboxID, Tags)
    /// Its readiness probe succeeded.
    case ready(SandboxID, at: Timestamp)
    /// Where its tunnels are.
    case tunnels(SandboxID, spec: SandboxSpec)
    /// Its secrets are forgotten with this.
    case ended(SandboxID, Ending)
    /// An exec's state; the exec is added when it is not on record (the main command).
    case exec(ExecSnapshot)
    /// An exec that never came to be; its idempotency key goes with it.
    case execRemoved(ExecID, of: SandboxID)
    /// Forgets the oldest ended execs beyond so many.
    case execsTrimmed(SandboxID, keeping: Int)
    /// Numbers are given by the caller and grow by one.
    case event(SandboxEvent, of: SandboxID)
    /// Forgets events up to and with this number.
    case eventsTrimmed(SandboxID, upTo: Int)
}

/// What is on record when the service starts.
public struct RecordedSandboxes: Sendable {
    public var sandboxes: [RecordedSandbox]
    /// Rows that could not be read. They are left as they are, and what they stand for is not
    /// touched: not reading a record is no reason to end what it tells of.
    public var unreadable: [SandboxID]

    public init(sandboxes: [RecordedSandbox], unreadable: [SandboxID]) {
        self.sandboxes = sandboxes
        self.unreadable = unreadable
    }
}

/// A sandbox on record, with what is needed to go on with it.
public struct RecordedSandbox: Sendable {
    public var snapshot: SandboxSnapshot
    /// The number of its latest event; zero without any.
    public var lastEvent: Int
    /// Whether somebody had asked for its end.
    public var terminateRequested: Bool
    /// How many execs are on record.
    public var execCount: Int
    /// Its execs that have no ending yet, oldest first.
    public var unfinishedExecs: [ExecSnapshot]

    public init(
        snapshot: SandboxSnapshot, lastEvent: Int, terminateRequested: Bool, execCount: Int,
        unfinishedExecs: [ExecSnapshot]
    ) {
        self.snapshot = snapshot
        self.lastEvent = lastEvent
        self.terminateRequested = terminateRequested
        self.execCount = execCount
        self.unfinishedExecs = unfinishedExecs
    }
}

/// What an idempotency key turned out to be.
public enum IdempotencyOutcome: Sendable, Hashable {
    /// Not used before (or no key): go on.
    case new
    /// Used before for the same request, which made this (a sandbox's or an exec's id), or had this result.
    case existing(String)
    /// Used before for another request.
    case conflict
}

/// Where access tokens are kept: only a hash of each secret.
public protocol TokenRecords: Sendable {
    /// The hash of the token's secret, or nil when there is no such token.
    func secretHash(of tokenID: String) async throws -> [UInt8]?
    func add(tokenID: String, secretHash: [UInt8], at: Timestamp) async throws
    func tokenIDs() async throws -> [String]
}
