import ModalProtocol
import SandboxModel

extension ExecSpec {
    init(_ request: ModalTaskExecStartRequest) throws {
        guard let id = ExecID(request.execID), id != .main else {
            throw CordonError.invalid(
                field: "exec_id", value: request.execID,
                rule: "1–64 characters of [A-Za-z0-9._-], not starting with a dot, and not main")
        }
        self.init(id: id, command: try CommandSpec(argv: request.commandArgs, field: "command_args"))
        environment = try Environment(request.env)
        secrets = try SandboxModel.SecretSource.all(request.secretSources, orIDs: request.secretIds)
        workdir = try Self.workdir(request.hasWorkdir ? request.workdir : "")
        timeout = try Self.timeout(request.hasTimeoutSecs ? request.timeoutSecs : 0)
        terminal = request.hasPtyInfo ? try TerminalSpec(request.ptyInfo) : nil
        guard terminal == nil else { return }
        if request.stdoutConfig == .devnull { stdout = .discard }
        if request.stderrConfig == .devnull { stderr = .discard }
    }

    init(_ request: ModalContainerExecRequest) throws {
        self.init(command: try CommandSpec(argv: request.command, field: "command"))
        secrets = try SandboxModel.SecretSource.all(ids: request.secretIds)
        workdir = try Self.workdir(request.hasWorkdir ? request.workdir : "")
        timeout = try Self.timeout(request.timeoutSecs)
        terminal = request.hasPtyInfo ? try TerminalSpec(request.ptyInfo) : nil
        guard terminal == nil else { return }
        if request.stdoutOutput == .devnull { stdout = .discard }
        if request.stderrOutput == .devnull { stderr = .discard }
    }

    private static func workdir(_ path: String) throws(CordonError) -> String? {
        guard !path.isEmpty else { return nil }
        try Workdir.check(path)
        return path
    }

    /// nil for none.
    private static func timeout(_ seconds: UInt32) throws(CordonError) -> Duration? {
        guard seconds > 0 else { return nil }
        guard .seconds(seconds) <= SandboxSpec.maximumTimeout else {
            throw .invalid(
                field: "timeout_secs", value: "\(seconds)",
                rule: "at most \(Int(SandboxSpec.maximumTimeout.inSeconds))")
        }
        return .seconds(seconds)
    }
}

/// How an exec's end shows: a code, or the signal that ended it.
enum ExecOutcome {
    case code(Int32)
    case signal(Int32)

    private static let kill: Int32 = 9
    private static let notFound: Int32 = 127

    init(_ ending: Ending) {
        switch ending.reason {
        case .exited: self = .code(Int32(ending.exitCode ?? 0))
        case .signalled: self = .signal(Int32(ending.signal ?? Int(Self.kill)))
        case .failedToStart: self = .code(Self.notFound)
        case .timedOut, .idleTimedOut, .terminated, .outOfMemory, .supervisorLost, .hostRestarted:
            self = .signal(Self.kill)
        }
    }

    /// As a shell has it.
    var exitCode: Int32 {
        switch self {
        case .code(let code): code
        case .signal(let number): 128 + number
        }
    }
}
