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
    let branches = BranchBook()
    let connectTokens: (any ConnectTokenIssuer)?

    /// - Parameters:
    ///   - host: The machine's side. Its reports are consumed by this engine alone.
    ///   - records: What survives the process.
    ///   - connectTokens: Makes connect tokens; nil where nobody takes them.
    ///   - tunnels: Listens for clients of sandboxes' ports.
    ///   - images: Knows what sandboxes can be made from.
    ///   - volumes: Knows what volumes sandboxes can have.
    ///   - secrets: Where secrets are kept; nil where none are.
    ///   - observer: Hears of what happens, as numbers.
    ///   - follower: Hears of networks that change, and go.
    public init(
        host: any SandboxHost, records: any SandboxRecords, limits: EngineLimits = EngineLimits(),
        clock: any EngineClock = SystemClock(), connectTokens: (any ConnectTokenIssuer)? = nil,
        observer: any ServiceObserver = Unobserved(), follower: any NetworkFollower = Unfollowed(),
        tunnels: any TunnelHost = NoTunnels(), images: any ImageSource = HostImageAlone(),
        volumes: any VolumeSource = NoVolumes(), secrets: SecretStorage? = nil, logger: Logger
    ) {
        let waiters = WaiterBudget(limit: limits.maxWaiters)
        world = World(
            host: host, records: records, tunnels: tunnels, images: images, volumes: volumes, clock: clock,
            limits: limits,
            journal: Journal(records: records, logger: logger), registry: Registry(), waiters: waiters,
            boundary: ErrorBoundary(logger: logger), observer: observer, follower: follower,
            vault: Vault(storage: secrets, logger: logger), logger: logger)
        gate = KeyGate(waiters: waiters)
        self.connectTokens = connectTokens
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
        try await world.boundary.during(operation) {
            try await Task(executorPreference: CallerExecutor.current) { try await work() }.value
        }
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
