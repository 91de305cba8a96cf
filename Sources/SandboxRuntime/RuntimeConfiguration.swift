import SandboxModel
import ShimProtocol

/// What the runtime needs to know of this installation.
public struct RuntimeConfiguration: Sendable {
    /// Where launcher and shims listen; absolute.
    public var runDirectory: String
    /// The data directory; records and output are read below its `storage/sandboxes`.
    public var dataDirectory: String
    /// Seccomp programs by policy name (struct sock_filter, 8 bytes each).
    public var seccompPrograms: [String: [UInt8]]
    /// Used where a spec gives no limit.
    public var defaultLimits: LaunchLimits
    /// The size of a sandbox's disk where a spec gives none; nil for none of its own.
    public var defaultDiskMiB: Int?

    public init(
        runDirectory: String, dataDirectory: String, seccompPrograms: [String: [UInt8]], defaultLimits: LaunchLimits,
        defaultDiskMiB: Int? = nil
    ) {
        self.runDirectory = runDirectory
        self.dataDirectory = dataDirectory
        self.seccompPrograms = seccompPrograms
        self.defaultLimits = defaultLimits
        self.defaultDiskMiB = defaultDiskMiB
    }

    /// The size of the disk that an order amounts to, in MiB; 0 for none.
    func disk(of order: LaunchOrder) -> UInt32 {
        order.isBounded ? UInt32(order.spec.resources.diskMiB ?? defaultDiskMiB ?? 0) : 0
    }

    /// The limits that a spec and the defaults amount to.
    func limits(of resources: Resources) -> LaunchLimits {
        var limits = defaultLimits
        if let memory = resources.memoryMiB.limit { limits.memoryBytes = UInt64(memory) << 20 }
        if let cpu = resources.cpuMillicores.limit { limits.cpuMillicores = UInt32(cpu) }
        if resources.cpuMillicores.request > 0 { limits.cpuWeightMillicores = UInt32(resources.cpuMillicores.request) }
        if let pids = resources.pidsLimit { limits.pids = UInt32(pids) }
        return limits
    }
}

extension StartExec {
    /// Variables of every process, under what the client sets.
    private static let base = [
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        // The host's Python is managed by its packages; inside, a sandbox may do as it likes.
        "PIP_BREAK_SYSTEM_PACKAGES": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
    ]

    static func environment(_ own: Environment, terminal: TerminalSpec?, sandbox: SandboxID, exec: ExecID) -> [String] {
        var all = base
        if let terminal { all["TERM"] = terminal.term }
        all.merge(own.variables) { $1 }
        all["CORDON_SANDBOX_ID"] = sandbox.text
        all["CORDON_EXEC_ID"] = exec.text
        return all.map { "\($0.key)=\($0.value)" }.sorted()
    }

    /// The message for an exec's order.
    init(_ order: ExecOrder, in sandbox: SandboxID) {
        self.init(
            id: order.id, argv: order.spec.command.argv,
            environment: Self.environment(
                order.environment, terminal: order.spec.terminal, sandbox: sandbox, exec: order.id),
            workdir: order.workdir,
            user: order.spec.user ?? "", timeout: order.spec.timeout, onFull: order.spec.onFull,
            stdout: order.spec.stdout, stderr: order.spec.stderr, stdin: order.spec.stdin,
            terminal: order.spec.terminal?.size)
    }

    /// The message for a sandbox's main command, if it has one.
    init?(mainOf spec: SandboxSpec, in sandbox: SandboxID) {
        guard let command = spec.command else { return nil }
        self.init(
            id: .main, argv: command.argv,
            environment: Self.environment(
                spec.environment, terminal: spec.terminal, sandbox: sandbox, exec: .main),
            workdir: spec.workdir ?? "/", user: spec.user ?? "", timeout: nil, onFull: .pause, stdout: .keep,
            stderr: .keep, stdin: true,
            terminal: spec.terminal?.size)
    }
}

extension ExecState {
    /// The exec as the engine's port names it.
    var hosted: HostedExec {
        HostedExec(id: id, startedAt: startedAt, status: ending.map { .ended($0) } ?? .running)
    }
}

extension CordonError {
    /// A shim's or the launcher's refusal, with the request's field where it is about one.
    init(_ failure: Failure) {
        let fields: [UInt64: String] = [3: "user", 4: "workdir", 8: "argv[0]"]
        self.init(failure.code, failure.message)
        switch failure.code {
        case .invalidArgument:
            field = fields[failure.number]
            rule = failure.message
        case .outOfRange: detail = ["accepted": "\(failure.number)"]
        case .unavailable, .resourceExhausted: retryAfter = .seconds(1)
        default: break
        }
    }

    static func lost(_ what: String) -> CordonError {
        CordonError(.unavailable, "\(what) does not answer", retryAfter: .seconds(1))
    }
}
