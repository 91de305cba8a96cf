import SandboxModel
import Synchronization

/// One sandbox: its state, its execs, and the calls that change or await them.
///
/// What it does in each phase is in the file of that phase.
actor Sandbox {
    nonisolated let id: SandboxID
    nonisolated let appID: AppID
    nonisolated let createdAt: Timestamp
    nonisolated let world: World
    /// The sandbox that this is a sidecar of.
    nonisolated let main: Sandbox?

    var spec: SandboxSpec
    var lifecycle: SandboxLifecycle
    var execs: ExecTable
    /// The number of the latest event.
    var lastEvent: Int
    var waiters = Waiters()
    /// Endings that were reported before the call that starts their owner had returned.
    var early = EarlyEndings()
    /// The termination under way, which every caller shares.
    var termination: Task<SandboxSnapshot, any Error>?
    /// The latest change of tags or deadlines: the next one waits for it.
    var latestChange: Task<SandboxSnapshot, any Error>?
    /// When the readiness probe succeeded.
    var readyAt: Timestamp?
    /// The probing under way.
    var probing: Task<Void, Never>?
    /// The exec that probes now, and how it ended once it has.
    var probeExec: (id: ExecID, ending: Ending?)?

    private nonisolated let published: Mutex<SandboxSnapshot>

    struct EarlyEndings {
        var sandbox: Ending?
        var execs: [ExecID: Ending] = [:]
    }

    /// A sandbox that is being created.
    init(_ snapshot: SandboxSnapshot, main: Sandbox?, world: World) {
        self.init(
            RecordedSandbox(
                snapshot: snapshot, lastEvent: 0, terminateRequested: false, execCount: 0, unfinishedExecs: []),
            main: main, world: world)
    }

    /// A sandbox from the records.
    init(_ recorded: RecordedSandbox, main: Sandbox?, world: World) {
        let snapshot = recorded.snapshot
        id = snapshot.id
        appID = snapshot.appID
        createdAt = snapshot.createdAt
        spec = snapshot.spec
        self.world = world
        self.main = main
        lifecycle = SandboxLifecycle(snapshot)
        execs = ExecTable(recorded)
        lastEvent = recorded.lastEvent
        readyAt = snapshot.readyAt
        published = Mutex(snapshot)
    }

    /// The latest state that everybody may see.
    nonisolated var snapshot: SandboxSnapshot { beside(published.withLock { $0 }) }

    private nonisolated func beside(_ own: SandboxSnapshot) -> SandboxSnapshot {
        main.map { own.beside($0.snapshot) } ?? own
    }

    /// Shows `snapshot` to everybody.
    nonisolated func publish(_ snapshot: SandboxSnapshot) { published.withLock { $0 = snapshot } }

    /// The state as it is now, in the model's words.
    func currentSnapshot() -> SandboxSnapshot { beside(ownSnapshot()) }

    /// The same without what a sidecar has of its sandbox: what is published.
    func ownSnapshot() -> SandboxSnapshot {
        var snapshot = SandboxSnapshot(
            id: id, spec: spec, appID: appID, status: .creating, createdAt: createdAt, readyAt: readyAt)
        switch lifecycle {
        case .creating, .abandoned: break
        case .running(let running):
            snapshot.status = .running
            snapshot.startedAt = running.startedAt
            snapshot.deadline = running.deadline
        case .ended(let ended):
            snapshot.status = .ended(ended.ending)
            snapshot.startedAt = ended.startedAt
            snapshot.deadline = ended.deadline
        }
        return snapshot
    }

    /// The next event's change; its number is taken.
    func event(
        _ kind: SandboxEventKind, at: Timestamp? = nil, exec: ExecID? = nil, ending: Ending? = nil,
        detail: String? = nil
    ) -> [RecordChange] {
        lastEvent += 1
        world.observer.happened(kind, because: ending?.reason)
        let event = SandboxEvent(
            number: lastEvent, at: at ?? world.clock.now(), kind: kind, exec: exec, ending: ending, detail: detail)
        let surplus = lastEvent - world.limits.maxEventsPerSandbox
        // Trimming in steps keeps it off most events.
        return surplus > 0 && lastEvent % 64 == 0
            ? [.event(event, of: id), .eventsTrimmed(id, upTo: surplus)] : [.event(event, of: id)]
    }

    /// Throws unless the sandbox runs and nobody asked for its end; waits while it is on its way.
    func requireRunning() async throws {
        try await untilLaunched()
        switch lifecycle {
        case .running(let running) where !running.terminateRequested: return
        case .running: throw CordonError.isOver(id, nil)
        case .ended(let ended): throw CordonError.isOver(id, ended.ending)
        case .creating, .abandoned: throw CordonError.noSandbox(id)
        }
    }
}

extension SandboxLifecycle {
    /// The state that a record tells of.
    init(_ snapshot: SandboxSnapshot) {
        switch snapshot.status {
        case .creating: self = .creating
        case .running:
            let startedAt = snapshot.startedAt ?? snapshot.createdAt
            self = .running(Running(startedAt: startedAt, deadline: snapshot.deadline ?? startedAt))
        case .ended(let ending):
            self = .ended(Ended(startedAt: snapshot.startedAt, deadline: snapshot.deadline, ending: ending))
        }
    }
}
