/// What the engine keeps of sandboxes, execs, tags, events and idempotency keys, so that a killed
/// service loses nothing. A returned call survives SIGKILL; none needs to survive power loss.
public protocol SandboxRecords: Sendable {
    /// The node's name; minted on the first start of a data directory.
    func node() async throws -> NodeName
    /// The app of that name, made when there is none.
    func app(named name: AppName) async throws -> AppID

    /// Writes the intent to create, with its idempotency key, in one transaction.
    /// `existing` when the key was used for the same body, `conflict` when for another.
    func begin(_ sandbox: SandboxSnapshot, key: IdempotencyKey?, by caller: Caller) async throws -> IdempotencyOutcome
    func started(_ id: SandboxID, at: Timestamp, deadline: Timestamp) async throws
    func deadlinesChanged(_ id: SandboxID, spec: SandboxSpec, deadline: Timestamp?) async throws
    func tagsChanged(_ id: SandboxID, to tags: Tags) async throws
    func ended(_ id: SandboxID, with ending: Ending) async throws
    /// Removes a sandbox and all that hangs on it, its idempotency key included.
    func remove(_ id: SandboxID) async throws
    /// Every sandbox on record, oldest first.
    func sandboxes() async throws -> [SandboxSnapshot]

    func beginExec(_ exec: ExecSnapshot, key: IdempotencyKey?, by caller: Caller) async throws -> IdempotencyOutcome
    func execChanged(_ exec: ExecSnapshot) async throws
    func execs(of id: SandboxID) async throws -> [ExecSnapshot]

    /// Appends events; their numbers are given by the caller and grow by one.
    func append(_ events: [SandboxEvent], to id: SandboxID) async throws
    func events(of id: SandboxID, after number: Int, limit: Int) async throws -> [SandboxEvent]
    /// Forgets idempotency keys older than this.
    func expireKeys(before: Timestamp) async throws
}

/// What an idempotency key turned out to be.
public enum IdempotencyOutcome: Sendable, Hashable {
    /// Not used before (or no key): go on.
    case new
    /// Used before for the same request, which made this (a sandbox's or an exec's id).
    case existing(String)
    /// Used before for another request.
    case conflict
}

/// Where access tokens are kept: only a keyed hash of each secret.
public protocol TokenRecords: Sendable {
    /// The hash of the token's secret, or nil when there is no such token.
    func secretHash(of tokenID: String) async throws -> [UInt8]?
    func add(tokenID: String, secretHash: [UInt8], at: Timestamp) async throws
    func tokenIDs() async throws -> [String]
}
