/// Who calls, as the front that verified the credentials says.
public struct Caller: Sendable, Hashable {
    /// The token's id: idempotency keys are scoped by it.
    public var tokenID: String

    public init(tokenID: String) { self.tokenID = tokenID }
}

/// A client's promise that a repeat of this request is the same request.
public struct IdempotencyKey: Sendable, Hashable {
    /// 1–255 printable ASCII characters.
    public var key: String
    /// The method and path pattern: the same key on another route is another key.
    public var route: String
    /// A keyed hash of the body; the same key with another body is refused.
    public var bodyHash: [UInt8]

    public init(key: String, route: String, bodyHash: [UInt8]) {
        self.key = key
        self.route = route
        self.bodyHash = bodyHash
    }
}

/// Everything that fronts ask of the engine. Every call throws `CordonError` alone.
///
/// A remote engine could stand behind it: nothing here is tied to this process.
public protocol SandboxService: Sendable {
    /// Creates a sandbox; it runs when this returns. `alreadyExists` when the name is taken,
    /// `resourceExhausted` over a limit. A repeat with the same key answers with the first's sandbox.
    func create(_ spec: SandboxSpec, by caller: Caller, key: IdempotencyKey?) async throws -> SandboxSnapshot
    /// One sandbox, running or ended; `notFound` when it never was or has been forgotten.
    func sandbox(_ id: SandboxID) async throws -> SandboxSnapshot
    /// The running sandbox of that name; `notFound` when none is.
    func sandbox(named name: SandboxName, in app: AppName) async throws -> SandboxSnapshot
    func sandboxes(matching query: SandboxQuery) async throws -> SandboxPage
    /// Changes the lifetime (counted from the start) or the idle timeout. `failedPrecondition` when over.
    func setDeadlines(
        of id: SandboxID, timeout: Duration?, idleTimeout: IdleTimeoutChange
    ) async throws -> SandboxSnapshot
    /// Names a running sandbox that has no name; `alreadyExists` when the name is taken, `failedPrecondition` when it
    /// has another one.
    func setName(of id: SandboxID, to name: SandboxName) async throws -> SandboxSnapshot
    /// Replaces the whole tag set.
    func setTags(of id: SandboxID, to tags: Tags) async throws -> SandboxSnapshot
    /// Replaces the whole network policy of a running sandbox; flows that it no longer allows are cut.
    func setNetwork(of id: SandboxID, to policy: NetworkPolicy) async throws -> SandboxSnapshot
    /// Ends a sandbox: returns once nothing of it is left. No-op when it is over.
    func terminate(_ id: SandboxID) async throws -> SandboxSnapshot
    /// The sandbox, once it is over or `limit` has passed.
    func wait(for id: SandboxID, upTo limit: Duration) async throws -> SandboxSnapshot
    /// Events with a number above `after`; with a `limit` to wait, returns as soon as there is one.
    func events(of id: SandboxID, after number: Int, waitingUpTo limit: Duration) async throws -> [SandboxEvent]

    /// Starts a command; it runs, or has failed to start, when this returns.
    func startExec(_ spec: ExecSpec, in id: SandboxID, by caller: Caller, key: IdempotencyKey?) async throws
        -> ExecSnapshot
    func execs(in id: SandboxID) async throws -> [ExecSnapshot]
    func exec(_ exec: ExecID, in id: SandboxID) async throws -> ExecSnapshot
    func wait(for exec: ExecID, in id: SandboxID, upTo limit: Duration) async throws -> ExecSnapshot
    /// Sends a signal to the exec's main process; SIGKILL (9) ends everything it started. With a
    /// key at most one is sent, however often it is asked for.
    func signal(
        _ exec: ExecID, in id: SandboxID, number: Int32, by caller: Caller, key: IdempotencyKey?
    ) async throws
    /// Changes the size of the exec's terminal; its foreground processes get SIGWINCH.
    /// `failedPrecondition` when the exec is over or has no terminal.
    func resize(_ exec: ExecID, in id: SandboxID, to size: TerminalSize) async throws
    /// The offset at which a write to stdin begins: as given, else all that was accepted so far. A
    /// repeat with the same key begins where the first did.
    func stdinStart(
        of exec: ExecID, in id: SandboxID, at offset: UInt64?, by caller: Caller, key: IdempotencyKey?
    ) async throws -> UInt64
    /// Writes to stdin from `offset`; bytes that were accepted before are recognised and skipped.
    /// `outOfRange` with `detail["accepted"]` when the offset lies beyond what was accepted.
    /// Returns when all is accepted, or stdin is closed, or `limit` has passed.
    func writeStdin(
        of exec: ExecID, in id: SandboxID, offset: UInt64, bytes: [UInt8], end: Bool, upTo limit: Duration
    ) async throws -> StdinState
    func stdinState(of exec: ExecID, in id: SandboxID) async throws -> StdinState
    /// Opens a stream for reading, also after its exec or sandbox has ended.
    func output(_ stream: OutputStream, of exec: ExecID, in id: SandboxID) async throws -> any OutputReader
    /// The merged order of an exec's output, at most `limit` entries from `since` on (wall clock).
    func log(of exec: ExecID, in id: SandboxID, since: Timestamp?, until: Timestamp?, limit: Int) async throws
        -> [LogEntry]

    /// Begins a run: creates its sandbox, writes its files, starts its program. Whoever is answered
    /// calls `leaveRun` once, whether the run finished or not. A program that can't be started is a run like any other,
    /// with that ending. A repeat with the same key joins the run that is there.
    func startRun(_ spec: RunSpec, by caller: Caller, key: IdempotencyKey?) async throws -> StartedRun
    /// Waits for the end of a run's program, collects what was asked for, and ends the sandbox.
    func finishRun(_ id: SandboxID) async throws -> FinishedRun
    /// Nobody waits here any more: a run that is neither over nor detached is ended with its last
    /// claimant. With `forNow`, one that has a key is left a while for its repeat.
    func leaveRun(_ id: SandboxID, forNow: Bool) async

    /// Opens a running sandbox's files, as they are for one of its users (root without one). The caller
    /// closes what it gets.
    func openFiles(in id: SandboxID, as user: String?) async throws -> any FileSession

    /// Keeps what a running sandbox has changed since it started, or one of its directories, as an image. It stands
    /// still meanwhile. `alreadyExists` when the client's own id stands for another one.
    func snapshot(_ id: SandboxID, _ order: SnapshotOrder) async throws -> ImageRecord
    /// Shows an image at a directory of a running sandbox, which is made where there is none.
    func mount(_ order: MountOrder, in id: SandboxID) async throws
    /// Takes away what `mount` showed at that path. `failedPrecondition` while it is used.
    func unmount(_ path: FilePath, in id: SandboxID) async throws

    /// Runs a command in several copies of a running sandbox; returns when all are over. A repeat with the same key joins
    /// the work, or does it again with what is there. Cancelled, it is given up: with a key, a minute later.
    func branch(
        _ id: SandboxID, _ order: BranchOrder, by caller: Caller, key: IdempotencyKey?, report: @escaping BranchReporter
    ) async throws -> BranchOutcome

    /// Makes a token for what a running sandbox serves on a port.
    func issueConnectToken(_ request: ConnectTokenRequest, for id: SandboxID) async throws -> ConnectToken

    /// Takes such a token back; nothing happens where it isn't good any more.
    func revokeConnectToken(_ token: ConnectTokenID, of id: SandboxID) async throws

    /// The tunnels of a running sandbox, in the order in which they were asked for.
    func tunnels(of id: SandboxID) async throws -> [TunnelEndpoint]
    /// Waits until a sandbox is ready, or is over, at most `limit` (60 s in any case); see `readyAt`.
    func waitReady(_ id: SandboxID, upTo limit: Duration) async throws -> SandboxSnapshot
    /// Connects to a port of a running sandbox; see `SandboxHost`.
    func connect(to port: UInt16, of id: SandboxID) async throws -> SandboxConnection
    /// Keeps a running sandbox from being idle until the lease is released.
    func lease(on id: SandboxID) async throws -> any SandboxLease

    /// Whether requests can be served: the launcher answers and recovery is complete.
    func readiness() async -> Readiness
}

/// What becomes of an idle timeout.
public enum IdleTimeoutChange: Sendable, Hashable {
    case keep
    case set(Duration)
    case remove
}

/// Whether the service can serve.
public struct Readiness: Sendable, Hashable {
    public var ready: Bool
    /// What is missing, for people.
    public var reason: String?

    public init(ready: Bool, reason: String? = nil) {
        self.ready = ready
        self.reason = reason
    }
}

/// One reader of one stream. Close it when done: an open one can make its process wait.
public protocol OutputReader: Sendable {
    /// What can be read now.
    func extent() throws -> StreamExtent
    /// Reads bytes at `offset` into `buffer`; reads a file, so call it where blocking is allowed.
    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws -> StreamRead
    /// Tells the process's side how far the client has got, and returns once there is more beyond
    /// `offset`, the stream is closed, or `limit` has passed.
    func waitBeyond(_ offset: UInt64, upTo limit: Duration) async throws -> StreamExtent
    func close() async
}
