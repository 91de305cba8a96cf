import Logging
import SandboxModel
import Synchronization

/// One branching: a snapshot, sandboxes from it, a command in each, and what they come to.
///
/// Everything follows from the request: with a key, each part has one of its own that follows from it, so that whoever
/// does the work again, after a crash even, finds what was there. The sandboxes are marked as a run's, which a service
/// ends for which nobody asks any more.
struct Branching: Sendable {
    /// Which branch was the first to succeed, and what sandboxes there are.
    private final class Race: Sendable {
        private let winner = Mutex<Int?>(nil)
        private let sandboxes = Mutex<[SandboxID]>([])
        var first: Int? { winner.withLock { $0 } }
        var made: [SandboxID] { sandboxes.withLock { $0 } }

        func add(_ id: SandboxID) { sandboxes.withLock { $0.append(id) } }

        /// Whether this one is.
        func arrive(_ number: Int) -> Bool {
            winner.withLock { winner in
                winner = winner ?? number
                return winner == number
            }
        }
    }

    let engine: Engine
    let parent: SandboxID
    let order: BranchOrder
    let caller: Caller
    let key: IdempotencyKey?
    let work: BranchBook.Work
    private let race = Race()

    init(
        engine: Engine, parent: SandboxID, order: BranchOrder, caller: Caller, key: IdempotencyKey?,
        work: BranchBook.Work
    ) {
        self.engine = engine
        self.parent = parent
        self.order = order
        self.caller = caller
        self.key = key
        self.work = work
    }

    private var world: World { engine.world }

    func run() async throws -> BranchOutcome {
        let sandbox = try engine.find(parent)
        // What was begun under a key goes on though its sandbox is over: the snapshot is on record then.
        if key == nil { try await sandbox.requireRunning() }
        let base = try await world.images.snapshot(
            of: parent, sandbox.snapshot.spec,
            SnapshotOrder(timeToLive: BranchOrder.snapshotTime, key: snapshotKey("base")))
        work.tell(.snapshot(base.id))
        let spec = try await spec(on: base.id, like: sandbox)
        let results = try await withThrowingTaskGroup(of: BranchResult.self) { group in
            for number in 1...order.count { group.addTask { try await branch(number, spec) } }
            var results: [BranchResult] = []
            do {
                while let result = try await group.next() {
                    results.append(result)
                    work.tell(.ended(result))
                    if order.stopsAtFirstSuccess, race.first != nil { group.cancelAll() }
                }
            } catch {
                // Those that are left end their sandboxes, each its own.
                group.cancelAll()
                while await group.nextResult() != nil {}
                // A repeat begins anew; what was given up is on record as it ended.
                if !Task.isCancelled { await undoAll() }
                throw error
            }
            return results
        }
        try Task.checkCancellation()
        return BranchOutcome(
            image: base.id, winner: race.first, branches: results.sorted { $0.number < $1.number })
    }

    private func undoAll() async {
        let made = race.made
        await Task { for id in made { await engine.undo(id) } }.value
    }

    private func snapshotKey(_ part: String) -> String? {
        key.map { "branches:\(caller.tokenID):\($0.key):\(parent):\(part)" }
    }

    private func branchKey(_ number: Int) -> IdempotencyKey? {
        key.map { IdempotencyKey(key: "\($0.key)/\(number)", route: $0.route, bodyHash: $0.bodyHash) }
    }

    /// What each branch's sandbox is: as its parent is, but for its name, its main command and its ports.
    private func spec(on image: ImageID, like parent: Sandbox) async throws -> SandboxSpec {
        let given = parent.snapshot.spec
        var spec = SandboxSpec(
            app: given.app, tags: given.tags, image: image.text, environment: given.environment,
            workdir: given.workdir, timeout: order.timeout + RunSpec.margin, resources: given.resources,
            policy: given.policy, network: given.network, run: RunMark(isDetached: false, hasKey: key != nil))
        spec.user = given.user
        if given.hasSecrets, let secrets = try await parent.secretVariables() { spec.secrets = [.inline(secrets)] }
        return spec
    }

    // MARK: One branch

    private func branch(_ number: Int, _ spec: SandboxSpec) async throws -> BranchResult {
        let snapshot = try await engine.create(spec, by: caller, key: branchKey(number))
        let id = snapshot.id
        race.add(id)
        // Whoever looks for runs that nobody waits for any more sees that somebody does.
        engine.runs.join(id, RunSpec(sandbox: spec, program: order.program, workdir: .root))
        defer { _ = engine.runs.release(id) }
        do {
            work.tell(.started(number: number, id))
            let sandbox = try engine.find(id)
            try await start(number, in: sandbox)
            while try await !sandbox.isOver(.run) {
                try Task.checkCancellation()
                _ = try await sandbox.waitForExec(.run, upTo: world.limits.maxWait)
            }
            return try await uncancelled { try await finish(number, sandbox) }
        } catch  where Task.isCancelled {
            // Another one has won, or nobody waits: this one is over all the same.
            return try await uncancelled { try await giveUp(number, id) }
        }
    }

    /// Starts the command, unless an earlier request did.
    private func start(_ number: Int, in sandbox: Sandbox) async throws {
        guard try await sandbox.knownExec(.run) == nil else { return }
        if case .ended = sandbox.snapshot.status { return }
        _ = try await engine.startProgram(try order.program(of: number), in: sandbox, by: caller)
    }

    /// Looks at what has become of it, and sees to what is to become of it.
    private func finish(_ number: Int, _ sandbox: Sandbox) async throws -> BranchResult {
        var result = try await result(of: number, sandbox)
        result.changes = await changes(of: sandbox)
        if isKept(sandbox) {
            // It was settled before this was asked again.
            _ = race.arrive(number)
            result.isKept = true
        } else if result.hasSucceeded, race.arrive(number) || !order.stopsAtFirstSuccess {
            try await settle(sandbox, &result)
        }
        if !result.isKept { _ = try await engine.terminate(sandbox.id) }
        return result
    }

    /// Whether it goes on as a sandbox like any other.
    private func isKept(_ sandbox: Sandbox) -> Bool {
        guard case .running = sandbox.snapshot.status else { return false }
        return sandbox.snapshot.spec.run == nil
    }

    private func settle(_ sandbox: Sandbox, _ result: inout BranchResult) async throws {
        switch order.winners {
        case .end: break
        case .keep:
            guard case .running = sandbox.snapshot.status else { return }
            _ = try await sandbox.outliveItsRun(for: lifetime)
            result.isKept = true
        case .snapshot:
            result.image = try await world.images.snapshot(
                of: sandbox.id, sandbox.snapshot.spec, SnapshotOrder(key: snapshotKey("\(result.number)"))
            ).id
        }
    }

    /// How long a branch that is kept goes on: as long as its parent was given.
    private var lifetime: Duration {
        (world.registry.sandbox(parent)?.snapshot.spec.timeout) ?? SandboxSpec.defaultTimeout
    }

    private func giveUp(_ number: Int, _ id: SandboxID) async throws -> BranchResult {
        let sandbox = try engine.find(id)
        if !isKept(sandbox) { _ = try await engine.terminate(id) }
        return try await result(of: number, sandbox)
    }

    private func result(of number: Int, _ sandbox: Sandbox) async throws -> BranchResult {
        let program = try await sandbox.knownExec(.run)
        guard let ending = program?.status.ending ?? sandbox.snapshot.status.ending else {
            throw CordonError(.internal, "a branch that is over has no ending")
        }
        return BranchResult(number: number, sandbox: sandbox.id, program: program, ending: ending)
    }

    /// nil for a sandbox that is over, and for what can't be found out: the command's result counts more.
    private func changes(of sandbox: Sandbox) async -> TreeDiff? {
        guard case .running = sandbox.snapshot.status else { return nil }
        do {
            return try await world.images.changes(
                of: sandbox.id, sandbox.snapshot.spec, TreeDiffQuery(limit: BranchOrder.mostChanges))
        } catch {
            world.logger.warning(
                "what a branch has changed isn't known", metadata: ["sandbox": "\(sandbox.id)", "error": "\(error)"])
            return nil
        }
    }

    /// To its end, whoever goes away.
    private func uncancelled<Value: Sendable>(
        _ work: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        try await Task { try await work() }.value
    }
}

extension BranchOrder {
    fileprivate var timeout: Duration { program.timeout ?? SandboxSpec.defaultTimeout }
}
