import SandboxModel
import Synchronization

/// Which sandboxes there are, who holds which name, and how many run.
///
/// Every call is one step under one lock: a name is taken or refused before anything is awaited,
/// so no race can give it to two.
final class Registry: Sendable {
    private struct NameKey: Hashable {
        var app: AppName
        /// Sidecars are named within their sandbox.
        var main: SandboxID?
        var name: SandboxName

        init(app: AppName, name: SandboxName) {
            self.app = app
            self.name = name
        }

        init(_ spec: SandboxSpec, _ name: SandboxName) {
            app = spec.app
            main = spec.sidecarOf
            self.name = name
        }
    }

    private struct State {
        var node: NodeName?
        var byID: [SandboxID: Sandbox] = [:]
        var names: [NameKey: SandboxID] = [:]
        /// By `createdAt`, oldest first.
        var order: [Sandbox] = []
        /// Those that are being created or run.
        var live: Set<SandboxID> = []
        /// By their sandbox, oldest first; ended ones too, for as long as they are kept.
        var sidecars: [SandboxID: [Sandbox]] = [:]

        func liveSidecars(of id: SandboxID) -> [Sandbox] { (sidecars[id] ?? []).filter { live.contains($0.id) } }
        var lastCreatedAt: Int64 = 0
    }

    private let state = Mutex(State())

    /// Whether recovery is complete.
    var isOpen: Bool { state.withLock { $0.node != nil } }

    /// Lets calls in; `node` leads the ids that are minted from now on.
    func open(as node: NodeName) { state.withLock { $0.node = node } }

    /// Makes a sandbox that is being created, a sidecar of `main` if it has one: its id, its time and its name are its
    /// own from here on.
    func reserve(
        _ spec: SandboxSpec, besides main: Sandbox?, appID: AppID, world: World
    ) throws(CordonError) -> Sandbox {
        let now = world.clock.now().microseconds
        let outcome: Result<Sandbox, CordonError> = state.withLock { state in
            guard let node = state.node else { return .failure(.notRecovered) }
            if let name = spec.name, let holder = state.names[NameKey(spec, name)] {
                return .failure(.nameTaken(name, by: holder, of: main?.id))
            }
            if let main, state.liveSidecars(of: main.id).count >= Sidecar.most {
                return .failure(
                    .overLimit("too many sidecars run in sandbox \(main.id)", Sidecar.most, rule: "end one"))
            }
            guard state.live.count < world.limits.maxSandboxes else {
                return .failure(
                    .overLimit(
                        "too many sandboxes run", world.limits.maxSandboxes, rule: "end one, or wait until one ends"))
            }
            let id = SandboxID.mint(lead: node.text)
            let named: SandboxSpec
            do throws(CordonError) { named = try spec.named(id) } catch { return .failure(error) }
            state.lastCreatedAt = max(now, state.lastCreatedAt + 1)
            let snapshot = SandboxSnapshot(
                id: id, spec: named, appID: appID, status: .creating,
                createdAt: Timestamp(microseconds: state.lastCreatedAt))
            let sandbox = Sandbox(snapshot, main: main, world: world)
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

    /// Takes a name for a sandbox that has none. The caller publishes it, or gives it back.
    func claim(_ name: SandboxName, for sandbox: Sandbox) throws(CordonError) {
        let key = NameKey(sandbox.snapshot.spec, name)
        let holder: SandboxID? = state.withLock { state in
            if let holder = state.names[key] { return holder }
            state.names[key] = sandbox.id
            return nil
        }
        if let holder { throw .nameTaken(name, by: holder) }
    }

    func disclaim(_ name: SandboxName, of sandbox: Sandbox) {
        let key = NameKey(sandbox.snapshot.spec, name)
        state.withLock { state in
            if state.names[key] == sandbox.id { state.names.removeValue(forKey: key) }
        }
    }

    /// Forgets a sandbox whose creation failed, or whose time on record is over.
    func remove(_ sandbox: Sandbox) {
        state.withLock { state in
            Self.release(sandbox, in: &state)
            guard state.byID.removeValue(forKey: sandbox.id) != nil else { return }
            let index = Self.index(of: sandbox.createdAt, in: state.order)
            if index < state.order.count, state.order[index].id == sandbox.id { state.order.remove(at: index) }
            guard let main = sandbox.main else { return }
            state.sidecars[main.id]?.removeAll { $0.id == sandbox.id }
            if state.sidecars[main.id]?.isEmpty == true { state.sidecars[main.id] = nil }
        }
    }

    func sandbox(_ id: SandboxID) -> Sandbox? { state.withLock { $0.byID[id] } }

    /// The sidecars of a sandbox that are being created or run.
    func liveSidecars(of id: SandboxID) -> [Sandbox] {
        state.withLock { $0.liveSidecars(of: id) }
    }

    /// All sidecars of a sandbox that there are still, oldest first.
    func sidecars(of id: SandboxID) -> [Sandbox] { state.withLock { $0.sidecars[id] ?? [] } }

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
        if let main = sandbox.main { state.sidecars[main.id, default: []].append(sandbox) }
        guard isLive else { return }
        state.live.insert(sandbox.id)
        let spec = sandbox.snapshot.spec
        if let name = spec.name { state.names[NameKey(spec, name)] = sandbox.id }
    }

    private static func release(_ sandbox: Sandbox, in state: inout State) {
        state.live.remove(sandbox.id)
        let spec = sandbox.snapshot.spec
        guard let name = spec.name else { return }
        let key = NameKey(spec, name)
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

    static func nameTaken(_ name: SandboxName, by holder: SandboxID, of main: SandboxID? = nil) -> CordonError {
        CordonError(
            .alreadyExists, "the name \(name) belongs to sandbox \(holder)", field: "name", value: name.text,
            rule: main == nil
                ? "one running sandbox of an app has a name; it is free again when that one has ended"
                : "one running sidecar of a sandbox has a name; it is free again when that one has ended",
            detail: ["sandbox_id": holder.text])
    }
}
