import SandboxModel
import Synchronization

/// Which sandboxes there are, who holds which name, and how many run.
///
/// Every call is one step under one lock: a name is taken or refused before anything is awaited,
/// so no race can give it to two.
final class Registry: Sendable {
    private struct NameKey: Hashable {
        var app: AppName
        var name: SandboxName
    }

    private struct State {
        var node: NodeName?
        var byID: [SandboxID: Sandbox] = [:]
        var names: [NameKey: SandboxID] = [:]
        /// By `createdAt`, oldest first.
        var order: [Sandbox] = []
        /// Those that are being created or run.
        var live: Set<SandboxID> = []
        var lastCreatedAt: Int64 = 0
    }

    private let state = Mutex(State())

    /// Whether recovery is complete.
    var isOpen: Bool { state.withLock { $0.node != nil } }

    /// Lets calls in; `node` leads the ids that are minted from now on.
    func open(as node: NodeName) { state.withLock { $0.node = node } }

    /// Makes a sandbox that is being created: its id, its time and its name are its own from here on.
    func reserve(_ spec: SandboxSpec, appID: AppID, world: World) throws(CordonError) -> Sandbox {
        let now = world.clock.now().microseconds
        let outcome: Result<Sandbox, CordonError> = state.withLock { state in
            guard let node = state.node else { return .failure(.notRecovered) }
            if let name = spec.name, let holder = state.names[NameKey(app: spec.app, name: name)] {
                return .failure(.nameTaken(name, by: holder))
            }
            guard state.live.count < world.limits.maxSandboxes else {
                return .failure(
                    .overLimit(
                        "too many sandboxes run", world.limits.maxSandboxes, rule: "end one, or wait until one ends"))
            }
            state.lastCreatedAt = max(now, state.lastCreatedAt + 1)
            let snapshot = SandboxSnapshot(
                id: .mint(lead: node.text), spec: spec, appID: appID, status: .creating,
                createdAt: Timestamp(microseconds: state.lastCreatedAt))
            let sandbox = Sandbox(snapshot, world: world)
            Self.insert(sandbox, isLive: true, into: &state)
            return .success(sandbox)
        }
        return try outcome.get()
    }

    /// Takes in a sandbox from the records. Called oldest first, before `open`.
    func adopt(_ sandbox: Sandbox) {
        let isLive = if case .ended = sandbox.snapshot.status { false } else { true }
        state.withLock { state in
            state.lastCreatedAt = max(state.lastCreatedAt, sandbox.createdAt.microseconds)
            Self.insert(sandbox, isLive: isLive, into: &state)
        }
    }

    /// Frees an ended sandbox's name and shows its last snapshot, in one step: nobody sees two
    /// running sandboxes of one name.
    func end(_ sandbox: Sandbox, as snapshot: SandboxSnapshot) {
        state.withLock { state in
            Self.release(sandbox, in: &state)
            sandbox.publish(snapshot)
        }
    }

    /// Forgets a sandbox whose creation failed, or whose time on record is over.
    func remove(_ sandbox: Sandbox) {
        state.withLock { state in
            Self.release(sandbox, in: &state)
            guard state.byID.removeValue(forKey: sandbox.id) != nil else { return }
            let index = Self.index(of: sandbox.createdAt, in: state.order)
            if index < state.order.count, state.order[index].id == sandbox.id { state.order.remove(at: index) }
        }
    }

    func sandbox(_ id: SandboxID) -> Sandbox? { state.withLock { $0.byID[id] } }

    /// How many there are in each state.
    var population: SandboxPopulation {
        var population = SandboxPopulation()
        for sandbox in state.withLock({ $0.order }) {
            switch sandbox.snapshot.status {
            case .creating: population.creating += 1
            case .running: population.running += 1
            case .ended: population.ended += 1
            }
        }
        return population
    }

    /// The holder of a name, which may still be on its way.
    func holder(of name: SandboxName, in app: AppName) -> Sandbox? {
        state.withLock { state in state.names[NameKey(app: app, name: name)].flatMap { state.byID[$0] } }
    }

    /// All of them by creation, oldest first, or those created before a time.
    func sandboxes(before: Timestamp? = nil) -> ArraySlice<Sandbox> {
        state.withLock { state in
            state.order[..<(before.map { Self.index(of: $0, in: state.order) } ?? state.order.count)]
        }
    }

    private static func insert(_ sandbox: Sandbox, isLive: Bool, into state: inout State) {
        state.byID[sandbox.id] = sandbox
        state.order.append(sandbox)
        guard isLive else { return }
        state.live.insert(sandbox.id)
        let spec = sandbox.snapshot.spec
        if let name = spec.name { state.names[NameKey(app: spec.app, name: name)] = sandbox.id }
    }

    private static func release(_ sandbox: Sandbox, in state: inout State) {
        state.live.remove(sandbox.id)
        let spec = sandbox.snapshot.spec
        guard let name = spec.name else { return }
        let key = NameKey(app: spec.app, name: name)
        if state.names[key] == sandbox.id { state.names.removeValue(forKey: key) }
    }

    /// Where the first sandbox created at `time` or later stands.
    private static func index(of time: Timestamp, in order: [Sandbox]) -> Int {
        var low = 0
        var high = order.count
        while low < high {
            let middle = (low + high) / 2
            if order[middle].createdAt < time { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension CordonError {
    static let notRecovered = CordonError(
        .unavailable, "the service is starting: it is finding out what runs", retryAfter: .seconds(1))

    static func nameTaken(_ name: SandboxName, by holder: SandboxID) -> CordonError {
        CordonError(
            .alreadyExists, "the name \(name) belongs to sandbox \(holder)", field: "name", value: name.text,
            rule: "one running sandbox of an app has a name; it is free again when that one has ended",
            detail: ["sandbox_id": holder.text])
    }
}
