import SandboxModel

extension Sandbox {
    /// Starts an exec, or answers the one of that id.
    func startExec(_ spec: ExecSpec, by caller: Caller, key: IdempotencyKey?) async throws -> ExecSnapshot {
        try await untilLaunched()
        let sources = spec.secrets
        let spec = try world.vault.takeIn(spec)
        if let existing = try await settledExec(spec.id) { return try existing.answer(for: spec) }
        // While the sandbox runs, the intent's own transaction finds an id that is only on record.
        if !lifecycle.isAccepting, let existing = try await recordedExec(spec.id) {
            return try existing.answer(for: spec)
        }
        try await requireRunning()
        let environment = try await environment(of: spec, sources)
        // Another start with this id may have come while the secrets were read.
        if let existing = try await settledExec(spec.id) { return try existing.answer(for: spec) }
        try await requireRunning()
        // Nothing is awaited from here until the exec is in the table: two starts with one id, or
        // one over the limit, can't both get through.
        try requireRoom(for: spec)
        let exec = ExecSnapshot(
            id: spec.id, sandbox: id, spec: spec, status: .starting, createdAt: execs.nextCreatedAt(world.clock.now()))
        execs.add(exec)
        switch try await begin(exec, by: caller, key: key) {
        case .new: return try await start(exec, environment)
        case .conflict:
            drop(exec)
            throw key.map(CordonError.keyConflict) ?? CordonError.execTaken(spec.id)
        case .existing(let text):
            execs.removeDuplicate(exec.id)
            drop(exec)
            guard let other = ExecID(text), let existing = try await anyExec(other) else {
                throw CordonError(
                    .dataLoss, "exec \(spec.id) was started before, but its record can't be read", field: "exec_id",
                    value: spec.id.text)
            }
            return other == spec.id ? try existing.answer(for: spec) : existing
        }
    }

    /// The exec that an earlier request made, once it is known whether it runs.
    func earlierExec(_ exec: ExecID) async throws -> ExecSnapshot {
        try await untilLaunched()
        guard let existing = try await anyExec(exec) else { throw CordonError.noExec(exec, in: id) }
        return existing
    }

    /// Every exec of this sandbox, oldest first.
    func allExecs() async throws -> [ExecSnapshot] {
        try await untilLaunched()
        if execs.holdsAll { return execs.all }
        await world.journal.settle()
        return try await world.records.execs(of: id).map { execs[$0.id] ?? $0 }
    }

    /// One exec; `notFound` when there is none of that id.
    func exec(_ exec: ExecID) async throws -> ExecSnapshot {
        try await untilLaunched()
        if let known = execs[exec] { return known }
        guard let recorded = try await recordedExec(exec) else { throw CordonError.noExec(exec, in: id) }
        return execs[exec] ?? recorded
    }

    func waitForExec(_ exec: ExecID, upTo limit: Duration) async throws -> ExecSnapshot {
        try await untilLaunched()
        _ = try await wait(for: .exec(exec), upTo: limit) { execs[exec]?.isOver ?? true }
        return try await self.exec(exec)
    }

    /// One exec; nil when there is none of that id.
    func knownExec(_ exec: ExecID) async throws -> ExecSnapshot? {
        try await untilLaunched()
        return try await anyExec(exec)
    }

    /// Whether an exec is over, or never was and never will be.
    func isOver(_ exec: ExecID) async throws -> Bool {
        if let known = try await knownExec(exec) { return known.isOver }
        return lifecycle.isOver
    }

    /// Puts an exec on record whose program could not be started: a failed start of a run is its result.
    func recordFailedStart(of spec: ExecSpec, because reason: String) throws -> ExecSnapshot {
        let now = world.clock.now()
        let starting = ExecSnapshot(
            id: spec.id, sandbox: id, spec: spec, status: .starting, createdAt: execs.nextCreatedAt(now))
        let ending = Ending(.failedToStart, detail: reason, at: now)
        let failed = try ExecLifecycle.end(starting, with: ending)
        execs.add(starting)
        world.journal.write(update(failed) + event(.execEnded, at: now, exec: spec.id, ending: ending))
        waiters.wake(.events)
        return failed
    }

    /// Throws unless the exec runs, or may do so soon.
    func requireUnfinished(_ exec: ExecID) async throws {
        if case .ended(let ending) = try await self.exec(exec).status { throw CordonError.isOver(exec, ending) }
    }

    /// Throws unless the exec has a terminal and runs, or may do so soon.
    func requireTerminal(_ exec: ExecID) async throws {
        guard try await self.exec(exec).spec.terminal != nil else { throw CordonError.noTerminal(exec) }
        try await requireUnfinished(exec)
    }

    /// The machine's side says that an exec is over.
    func execEnded(_ exec: ExecID, with ending: Ending) throws {
        if hearProbe(exec, ending) { return }
        switch (lifecycle, execs[exec]?.status) {
        case (.creating, _), (_, .starting): early.execs[exec] = ending
        case (_, .running):
            guard let known = execs[exec] else { return }
            let ended = try ExecLifecycle.end(known, with: ending)
            world.journal.write(update(ended) + event(.execEnded, at: ending.at, exec: exec, ending: ending))
            waiters.wake(.events)
            waiters.wake(.exec(exec))
        // Told twice, or not ours to know any more.
        case (_, .ended), (_, nil): break
        }
    }

    /// The changes that bring `exec`, which was starting, to where the machine's side has it.
    func apply(_ hosted: HostedExec, to exec: ExecSnapshot) throws -> [RecordChange] {
        var ending = early.execs.removeValue(forKey: exec.id)
        if case .ended(let known) = hosted.status { ending = known }
        var exec = exec
        var events: [RecordChange] = []
        if ending?.reason != .failedToStart {
            exec = try ExecLifecycle.start(exec, at: hosted.startedAt)
            events += event(.execStarted, at: hosted.startedAt, exec: exec.id)
        }
        if let ending {
            exec = try ExecLifecycle.end(exec, with: ending)
            events += event(.execEnded, at: ending.at, exec: exec.id, ending: ending)
        }
        return update(exec) + events
    }

    /// Puts an exec's state into the table; the change that records it.
    func update(_ exec: ExecSnapshot) -> [RecordChange] {
        execs.update(
            exec, keeping: world.limits.recentExecsPerSandbox, bytes: world.limits.recentExecBytesPerSandbox)
        guard exec.isOver, execs.total >= world.limits.maxExecsPerSandbox + 64 else { return [.exec(exec)] }
        execs.trimmed(to: world.limits.maxExecsPerSandbox)
        return [.exec(exec), .execsTrimmed(id, keeping: world.limits.maxExecsPerSandbox)]
    }

    private func begin(
        _ exec: ExecSnapshot, by caller: Caller, key: IdempotencyKey?
    ) async throws -> IdempotencyOutcome {
        do {
            return try await world.records.beginExec(exec, key: key, by: caller)
        } catch {
            drop(exec)
            throw error
        }
    }

    /// Asks the machine's side. Its record is behind by one write when this returns; recovery
    /// finds the exec at the machine's side and writes the same.
    private func start(_ exec: ExecSnapshot, _ environment: Environment) async throws -> ExecSnapshot {
        var wanted = exec.spec
        wanted.user = wanted.user ?? spec.user
        let order = ExecOrder(
            id: exec.id, spec: wanted, environment: environment, workdir: wanted.workdir ?? spec.workdir ?? "/")
        let hosted: HostedExec
        do {
            hosted = try await world.host.startExec(order, in: id)
        } catch {
            // The record and its key go before the caller hears of it: its repeat must start anew.
            // A write that fails is logged there, and recovery removes what never ran.
            if execs[exec.id]?.isOver == false { try? await world.journal.commit([.execRemoved(exec.id, of: id)]) }
            // The sandbox can have ended meanwhile, and its exec with it; that is on record then.
            if let now = execs[exec.id], now.isOver { return now }
            drop(exec)
            throw error
        }
        guard let now = execs[exec.id], case .starting = now.status else {
            return try await anyExec(exec.id) ?? exec
        }
        world.journal.write(try apply(hosted, to: now))
        waiters.wake(.events)
        waiters.wake(.exec(exec.id))
        return try await self.exec(exec.id)
    }

    /// Forgets an exec that never came to be; whoever waits for it looks again.
    private func drop(_ exec: ExecSnapshot) {
        execs.remove(exec.id)
        early.execs.removeValue(forKey: exec.id)
        waiters.wake(.exec(exec.id))
    }

    /// The exec of that id in memory, once it is known whether it runs.
    private func settledExec(_ exec: ExecID) async throws -> ExecSnapshot? {
        while let known = execs[exec], case .starting = known.status {
            try Task.checkCancellation()
            try await pause(for: .exec(exec), upTo: nil)
        }
        return execs[exec]
    }

    private func recordedExec(_ exec: ExecID) async throws -> ExecSnapshot? {
        guard !execs.holdsAll else { return nil }
        await world.journal.settle()
        return try await world.records.exec(exec, of: id)
    }

    private func anyExec(_ exec: ExecID) async throws -> ExecSnapshot? {
        if let known = try await settledExec(exec) { return known }
        return try await recordedExec(exec)
    }

    private func requireRoom(for spec: ExecSpec) throws {
        guard spec.id != .main || execs[.main] != nil else {
            throw CordonError.invalid(
                field: "exec_id", value: spec.id.text, rule: "main is the id of a sandbox's main command")
        }
        let limit = world.limits.maxConcurrentExecsPerSandbox
        guard execs.unfinishedCount < limit else {
            throw CordonError.overLimit("too many execs run in sandbox \(id)", limit, rule: "wait until one ends")
        }
    }
}

extension ExecSnapshot {
    /// This exec, when `spec` asks for the same.
    func answer(for spec: ExecSpec) throws(CordonError) -> ExecSnapshot {
        guard spec == self.spec else { throw .execTaken(id) }
        return self
    }
}
