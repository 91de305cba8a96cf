import SandboxModel
import Synchronization

/// A machine's side made of dictionaries.
final class FakeHost: SandboxHost {
    struct Failure: Error, CustomStringConvertible {
        var description: String { "/var/lib/secret/path went wrong" }
    }

    struct State {
        var sandboxes: [SandboxID: HostedSandbox] = [:]
        var launched: [SandboxID] = []
        /// What main commands would get.
        var launchEnvironments: [Environment] = []
        var terminations: [SandboxID: Int] = [:]
        var forgotten: Set<SandboxID> = []
        var sizes: [ExecID: TerminalSize] = [:]
        /// Policies that were set while sandboxes ran.
        var policies: [NetworkPolicy] = []
        /// How many leases are held.
        var leases = 0
        /// Ports that somebody listens on.
        var listening: Set<UInt16> = []
        var execOrders: [ExecOrder] = []
        var launchFailure: (any Error)?
        var filesFailure: (any Error)?
        /// What was written, by sandbox and path.
        var files: [SandboxID: [String: [UInt8]]] = [:]
        var filesWritten = 0
        var execFailure: (any Error)?
        /// Numbers of the signals that were sent.
        var signals: [Int32] = []
        /// Calls stop here while it is closed.
        var isHeld = false
        var held: [CheckedContinuation<Void, Never>] = []
        /// Whether the launch never answers, though it did start the sandbox.
        var swallowsLaunches = false
        /// Execs that end before the call that starts them returns.
        var endsExecsAtOnce = false
    }

    let reports: AsyncStream<HostReport>
    private let reporter: AsyncStream<HostReport>.Continuation
    private let state = Mutex(State())

    init() { (reports, reporter) = AsyncStream.makeStream() }

    func with<Value: Sendable>(_ body: (inout State) -> Value) -> Value { state.withLock { body(&$0) } }

    /// Another service's view of the same machine: reports are its own.
    func afterRestart() -> FakeHost {
        let next = FakeHost()
        let sandboxes = with { $0.sandboxes }
        next.with { $0.sandboxes = sandboxes }
        return next
    }

    /// Lets calls that were stopped go on.
    func release() {
        let held = with { state in
            state.isHeld = false
            defer { state.held = [] }
            return state.held
        }
        for continuation in held { continuation.resume() }
    }

    private func stopWhileHeld() async {
        await withCheckedContinuation { continuation in
            let goesOn = with { state -> Bool in
                if state.isHeld { state.held.append(continuation) }
                return !state.isHeld
            }
            if goesOn { continuation.resume() }
        }
    }

    func end(_ id: SandboxID, _ ending: Ending) {
        with { $0.sandboxes[id]?.ending = ending }
        reporter.yield(.sandboxEnded(id, ending))
    }

    func endExec(_ exec: ExecID, in id: SandboxID, _ ending: Ending) {
        with { state in
            guard let index = state.sandboxes[id]?.execs.firstIndex(where: { $0.id == exec }) else { return }
            state.sandboxes[id]?.execs[index].status = .ended(ending)
        }
        reporter.yield(.execEnded(id, exec, ending))
    }

    func inventory() async throws -> [HostedSandbox] { with { Array($0.sandboxes.values) } }

    func launch(_ order: LaunchOrder) async throws -> LaunchReceipt {
        let failure = with { state -> (any Error)? in
            state.launched.append(order.id)
            state.launchEnvironments.append(order.spec.environment)
            return state.launchFailure
        }
        if let failure { throw failure }
        await stopWhileHeld()
        let at = Timestamp.now()
        let main = order.spec.command.map { _ in HostedExec(id: .main, startedAt: at, status: .running) }
        let deadline = Timestamp(microseconds: at.microseconds + order.spec.timeout.microseconds)
        let swallows = with { state in
            state.sandboxes[order.id] = HostedSandbox(
                id: order.id, startedAt: at, ending: nil, deadline: deadline, execs: main.map { [$0] } ?? [])
            return state.swallowsLaunches
        }
        if swallows { try await Task.sleep(for: .seconds(3600)) }
        return LaunchReceipt(startedAt: at, deadline: deadline, main: main)
    }

    func terminate(_ id: SandboxID, detail: String) async throws -> Ending {
        await stopWhileHeld()
        let ending = with { state in
            state.terminations[id, default: 0] += 1
            let ending = state.sandboxes[id]?.ending ?? Ending(.terminated, detail: detail, at: .now())
            state.sandboxes[id]?.ending = ending
            return ending
        }
        reporter.yield(.sandboxEnded(id, ending))
        return ending
    }

    func setDeadlines(of id: SandboxID, deadline: Timestamp?, idleTimeout: IdleTimeoutChange) async throws {
        with { if let deadline { $0.sandboxes[id]?.deadline = deadline } }
    }

    func setNetwork(of id: SandboxID, to policy: NetworkPolicy) async throws {
        let isRunning = with { state in
            state.policies.append(policy)
            return state.sandboxes[id]?.ending == nil
        }
        guard isRunning else { throw CordonError(.failedPrecondition, "sandbox \(id) has ended") }
    }

    func forget(_ id: SandboxID) async throws {
        with { state in
            state.sandboxes.removeValue(forKey: id)
            state.forgotten.insert(id)
        }
    }

    func startExec(_ order: ExecOrder, in id: SandboxID) async throws -> HostedExec {
        await stopWhileHeld()
        let outcome = with { state -> Result<HostedExec, any Error> in
            if let failure = state.execFailure { return .failure(failure) }
            state.execOrders.append(order)
            if let existing = state.sandboxes[id]?.execs.first(where: { $0.id == order.id }) {
                return .success(existing)
            }
            let exec = HostedExec(id: order.id, startedAt: .now(), status: .running)
            state.sandboxes[id]?.execs.append(exec)
            return .success(exec)
        }
        let exec = try outcome.get()
        if with({ $0.endsExecsAtOnce }) {
            endExec(exec.id, in: id, Ending(.exited, exitCode: 0, at: .now()))
            // Long enough for the report to come first.
            try await Task.sleep(for: .milliseconds(20))
        }
        return exec
    }

    func signal(_ exec: ExecID, in id: SandboxID, number: Int32) async throws {
        let failure = with { state in
            if state.execFailure == nil { state.signals.append(number) }
            return state.execFailure
        }
        if let failure { throw failure }
    }
    func resize(_ exec: ExecID, in id: SandboxID, to size: TerminalSize) async throws {
        with { $0.sizes[exec] = size }
    }
    func writeStdin(
        of exec: ExecID, in id: SandboxID, offset: UInt64, bytes: [UInt8], end: Bool, upTo limit: Duration
    ) async throws -> StdinState { StdinState(accepted: offset + UInt64(bytes.count), closed: end) }
    func stdinState(of exec: ExecID, in id: SandboxID) async throws -> StdinState {
        StdinState(accepted: 0, closed: false)
    }
    func openFiles(in id: SandboxID, as user: String?) async throws -> any FileSession {
        if let failure = with({ $0.filesFailure }) { throw failure }
        return FakeFiles(host: self, id: id)
    }
    func output(_ stream: OutputStream, of exec: ExecID, in id: SandboxID) async throws -> any OutputReader {
        throw Failure()
    }
    func log(
        of exec: ExecID, in id: SandboxID, since: Timestamp?, until: Timestamp?, limit: Int
    ) async throws -> [LogEntry] { [] }
    func readiness() async -> Readiness { Readiness(ready: true) }
}
