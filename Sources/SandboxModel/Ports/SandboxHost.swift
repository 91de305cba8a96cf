/// What the engine asks of the machine's side: launcher and shims behind one port.
public protocol SandboxHost: Sendable {
    /// Everything that is there: running sandboxes, and ended ones whose record is still kept.
    /// Called before the first request; the links of running ones are open when it returns.
    func inventory() async throws -> [HostedSandbox]
    /// Starts a sandbox. Nothing is left behind when this throws.
    func launch(_ order: LaunchOrder) async throws -> LaunchReceipt
    /// Ends a sandbox: returns its ending once nothing of it is left. Fine to call twice.
    func terminate(_ id: SandboxID, detail: String) async throws -> Ending
    func setDeadlines(of id: SandboxID, deadline: Timestamp?, idleTimeout: IdleTimeoutChange) async throws
    /// Gives a running sandbox another network policy: what it no longer allows is cut when this returns.
    func setNetwork(of id: SandboxID, to policy: NetworkPolicy) async throws
    /// Removes the record and the output of an ended sandbox.
    func forget(_ id: SandboxID) async throws

    /// Starts an exec; the answer says whether its program runs. Asking again with the same id
    /// answers for the exec that is there.
    func startExec(_ order: ExecOrder, in id: SandboxID) async throws -> HostedExec
    func signal(_ exec: ExecID, in id: SandboxID, number: Int32) async throws
    func resize(_ exec: ExecID, in id: SandboxID, to size: TerminalSize) async throws
    func writeStdin(
        of exec: ExecID, in id: SandboxID, offset: UInt64, bytes: [UInt8], end: Bool, upTo limit: Duration
    ) async throws -> StdinState
    func stdinState(of exec: ExecID, in id: SandboxID) async throws -> StdinState
    /// Starts an agent inside that works on files as `user` (root without one).
    func openFiles(in id: SandboxID, as user: String?) async throws -> any FileSession
    /// Works for ended sandboxes too, from what is kept on disk.
    func output(_ stream: OutputStream, of exec: ExecID, in id: SandboxID) async throws -> any OutputReader
    func log(of exec: ExecID, in id: SandboxID, since: Timestamp?, until: Timestamp?, limit: Int) async throws
        -> [LogEntry]

    /// Connects to a port of a running sandbox's loopback interface (127.0.0.1, then ::1), whatever its
    /// network policy. Throws `unavailable` when nobody listens there, `failedPrecondition` when the sandbox has
    /// ended, `deadlineExceeded` when nobody accepts within `limit`, `resourceExhausted` when too many calls wait.
    func connect(to port: UInt16, of id: SandboxID, within limit: Duration) async throws -> SandboxConnection
    /// Keeps a sandbox from being idle for as long as somebody holds a lease, and this process lives.
    func lease(on id: SandboxID) throws -> any SandboxLease

    /// What happens on the machine's side, in order for each sandbox. One consumer.
    var reports: AsyncStream<HostReport> { get }
    /// Whether the launcher answers.
    func readiness() async -> Readiness
}

/// A sandbox to start: what the machine's side needs of its spec.
public struct LaunchOrder: Sendable {
    public var id: SandboxID
    public var spec: SandboxSpec
    /// Shown inside as the host's name; 1–63 characters.
    public var hostname: String
    /// What the spec's image is.
    public var root: RootImage
    /// What is mounted before anything runs, in this order; directories to mount on are made where there are none.
    public var mounts: [LayerMount]
    /// Buckets that are mounted then, with what they are reached by.
    public var buckets: [BucketOrder] = []
    /// Whether it gets a disk of its own, of the size that the spec or the service's default says. What a sandbox
    /// without one wrote can be kept by renaming it.
    public var isBounded: Bool

    public init(
        id: SandboxID, spec: SandboxSpec, hostname: String, root: RootImage = .host, mounts: [LayerMount] = [],
        isBounded: Bool = true
    ) {
        self.id = id
        self.spec = spec
        self.hostname = hostname
        self.root = root
        self.mounts = mounts
        self.isBounded = isBounded
    }
}

/// A sandbox that has started.
public struct LaunchReceipt: Sendable, Hashable {
    public var startedAt: Timestamp
    public var deadline: Timestamp
    /// The main command's exec, when there is one.
    public var main: HostedExec?

    public init(startedAt: Timestamp, deadline: Timestamp, main: HostedExec?) {
        self.startedAt = startedAt
        self.deadline = deadline
        self.main = main
    }
}

/// An exec to start: the spec with the sandbox's defaults merged in.
public struct ExecOrder: Sendable {
    public var id: ExecID
    public var spec: ExecSpec
    /// The whole environment, the sandbox's variables included.
    public var environment: Environment
    public var workdir: String

    public init(id: ExecID, spec: ExecSpec, environment: Environment, workdir: String) {
        self.id = id
        self.spec = spec
        self.environment = environment
        self.workdir = workdir
    }
}

/// An exec as the machine's side knows it.
public struct HostedExec: Sendable, Hashable {
    public var id: ExecID
    public var startedAt: Timestamp
    public var status: ExecStatus

    public init(id: ExecID, startedAt: Timestamp, status: ExecStatus) {
        self.id = id
        self.startedAt = startedAt
        self.status = status
    }
}

/// A sandbox as the machine's side knows it.
public struct HostedSandbox: Sendable {
    public var id: SandboxID
    public var startedAt: Timestamp
    /// nil while it runs.
    public var ending: Ending?
    public var deadline: Timestamp
    public var execs: [HostedExec]

    public init(id: SandboxID, startedAt: Timestamp, ending: Ending?, deadline: Timestamp, execs: [HostedExec]) {
        self.id = id
        self.startedAt = startedAt
        self.ending = ending
        self.deadline = deadline
        self.execs = execs
    }
}

/// Something that the machine's side noticed.
public enum HostReport: Sendable {
    case execEnded(SandboxID, ExecID, Ending)
    /// It tried to go where it may not, so many times since this was last told.
    case networkDenied(SandboxID, NetworkDenial, times: Int)
    /// The sandbox is over and its ending is on disk; its processes are dead.
    case sandboxEnded(SandboxID, Ending)
}
