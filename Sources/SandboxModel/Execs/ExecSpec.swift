/// What becomes of a process's output.
public enum OutputDisposition: String, Sendable, Hashable, CaseIterable {
    /// Kept in a spool, addressed by offset.
    case keep
    /// Thrown away; reading it gives nothing.
    case discard
}

/// What happens when a spool's budget is full.
public enum FullPolicy: String, Sendable, Hashable, CaseIterable {
    /// The process waits while a reader that has lost nothing yet has read within the last 10 s;
    /// without one, the oldest bytes go.
    case pause
    /// The oldest bytes go at once.
    case drop
}

/// What a client asks for when it starts an exec; every value has been checked.
public struct ExecSpec: Sendable, Hashable {
    /// The smallest and the largest budget of one stream's spool, in bytes.
    public static let budgetBytes: ClosedRange<Int> = 65_536...(1 << 30)

    /// Chosen by the client, or minted. A second start with the same id answers the first.
    public var id: ExecID
    public var command: CommandSpec
    /// Over the sandbox's own variables.
    public var environment: Environment
    /// Over the sandbox's own variables and under `environment`, as asked for; empty once it is taken in.
    public var secrets: [SecretSource] = []
    /// A keyed hash of the secrets that were asked for; nil without any.
    public var secretsHash: [UInt8]?
    /// nil for the sandbox's.
    public var workdir: String?
    /// A name or number in the sandbox's `/etc/passwd`, optionally `:group`; root unless said.
    public var user: String?
    public var timeout: Duration?
    public var onFull: FullPolicy
    public var stdout: OutputDisposition
    public var stderr: OutputDisposition
    /// Whether somebody will write to stdin; without, it is `/dev/null`.
    public var stdin: Bool
    /// The terminal that is its stdin, stdout and stderr; nil for pipes. What it shows is kept as stdout.
    public var terminal: TerminalSpec?

    public init(
        id: ExecID = .mint(), command: CommandSpec, environment: Environment = .empty, workdir: String? = nil,
        user: String? = nil, timeout: Duration? = nil, onFull: FullPolicy = .pause,
        stdout: OutputDisposition = .keep, stderr: OutputDisposition = .keep, stdin: Bool = true,
        terminal: TerminalSpec? = nil
    ) {
        self.id = id
        self.command = command
        self.environment = environment
        self.workdir = workdir
        self.user = user
        self.timeout = timeout
        self.onFull = onFull
        self.stdout = stdout
        self.stderr = stderr
        self.stdin = stdin
        self.terminal = terminal
    }
}

/// Where an exec stands.
public enum ExecStatus: Sendable, Hashable {
    case starting
    case running
    case ended(Ending)

    /// The state's name in the APIs.
    public var name: String {
        switch self {
        case .starting: "starting"
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

/// An exec as it was observed at one moment.
public struct ExecSnapshot: Sendable, Hashable {
    public var id: ExecID
    public var sandbox: SandboxID
    public var spec: ExecSpec
    public var status: ExecStatus
    public var createdAt: Timestamp
    public var startedAt: Timestamp?

    public init(
        id: ExecID, sandbox: SandboxID, spec: ExecSpec, status: ExecStatus, createdAt: Timestamp,
        startedAt: Timestamp? = nil
    ) {
        self.id = id
        self.sandbox = sandbox
        self.spec = spec
        self.status = status
        self.createdAt = createdAt
        self.startedAt = startedAt
    }
}
