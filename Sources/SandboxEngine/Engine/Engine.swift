import Logging
import SandboxModel

/// The life of sandboxes: creating, naming, running commands, ending, and finding all of it again
/// after a restart.
///
/// `recover()` comes first and once; then `run()` runs for as long as requests are served. Calls
/// before recovery is complete throw `unavailable`.
public final class Engine: SandboxService {
    let world: World
    let gate: KeyGate
    let runs: RunBook

    /// - Parameters:
    ///   - host: The machine's side. Its reports are consumed by this engine alone.
    ///   - records: What survives the process.
    ///   - observer: Hears of what happens, as numbers.
    public init(
        host: any SandboxHost, records: any SandboxRecords, limits: EngineLimits = EngineLimits(),
        clock: any EngineClock = SystemClock(), observer: any ServiceObserver = Unobserved(), logger: Logger
    ) {
        let waiters = WaiterBudget(limit: limits.maxWaiters)
        world = World(
            host: host, records: records, clock: clock, limits: limits,
            journal: Journal(records: records, logger: logger), registry: Registry(), waiters: waiters,
            boundary: ErrorBoundary(logger: logger), observer: observer, logger: logger)
        gate = KeyGate(waiters: waiters)
        runs = RunBook(mostHeldBytes: limits.maxRunBytes)
    }

    /// The sandbox of that id; `notFound` when there is none.
    func find(_ id: SandboxID) throws(CordonError) -> Sandbox {
        guard world.registry.isOpen else { throw .notRecovered }
        guard let sandbox = world.registry.sandbox(id) else { throw .noSandbox(id) }
        return sandbox
    }

    /// Runs `work` to its end even when the caller goes away: what was begun is finished, and its
    /// outcome is on record for a repeat. The caller waits for it.
    func uncancelled<Value: Sendable>(
        _ operation: String, _ work: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        try await world.boundary.during(operation) { try await Task { try await work() }.value }
    }

    /// Runs `work` and reports how long it took, and the code that it was refused with, if it was.
    func timed<Value>(
        _ report: (ErrorCode?, Duration) -> Void, _ work: () async throws -> Value
    ) async throws -> Value {
        let start = ContinuousClock.now
        do {
            let value = try await work()
            report(nil, ContinuousClock.now - start)
            return value
        } catch {
            report((error as? CordonError)?.code ?? .internal, ContinuousClock.now - start)
            throw error
        }
    }
}
