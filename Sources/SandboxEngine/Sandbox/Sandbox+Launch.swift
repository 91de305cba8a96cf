import SandboxModel

extension Sandbox {
    /// What the machine's side is asked to start: with the values of secrets, which the spec doesn't hold.
    nonisolated func launchOrder(with secrets: Environment, _ mounts: [LayerMount]) -> LaunchOrder {
        var spec = snapshot.spec
        spec.environment = spec.imageEnvironment.overlaid(with: secrets).overlaid(with: spec.environment)
        return LaunchOrder(id: id, spec: spec, hostname: spec.name?.text ?? id.text, root: spec.root, mounts: mounts)
    }

    /// The sandbox runs. Not waiting for the record is safe: recovery finds a sandbox that runs
    /// and is on record as being created, and writes the same.
    func launched(_ receipt: LaunchReceipt) throws -> SandboxSnapshot {
        try lifecycle.start(at: receipt.startedAt, deadline: receipt.deadline)
        // The first event, `created`, went to the records with the intent.
        lastEvent = max(lastEvent, 1)
        var changes: [RecordChange] = [.started(id, at: receipt.startedAt, deadline: receipt.deadline)]
        changes += event(.started, at: receipt.startedAt)
        if let command = spec.command { changes += try addMain(command, receipt) }
        publish(ownSnapshot())
        world.journal.write(changes)
        for topic in [WaitTopic.launch, .events, .readiness] { waiters.wake(topic) }
        startProbing()
        if let ending = early.sandbox {
            if spec.volumes.isEmpty { try finish(ending) } else { Task { await settleAndFinish(ending) } }
        }
        return currentSnapshot()
    }

    /// The creation failed and nothing is left: the name is free, and whoever waits hears of it.
    func abandon(because error: CordonError) async {
        do {
            try lifecycle.abandon(because: error.code)
        } catch {
            world.logger.error(
                "a creation could not be abandoned", metadata: ["sandbox": "\(id)", "error": "\(error)"])
            return
        }
        world.registry.remove(self)
        closeTunnels()
        for topic in [WaitTopic.launch, .ending, .events, .readiness] { waiters.wake(topic) }
        if !spec.volumes.isEmpty { await world.volumes.abandon(id) }
    }

    /// Returns when the creation is over; throws when it failed.
    func untilLaunched() async throws {
        while case .creating = lifecycle {
            try Task.checkCancellation()
            try await pause(for: .launch, upTo: nil)
        }
        if case .abandoned = lifecycle { throw CordonError.noSandbox(id) }
    }

    private func addMain(_ command: CommandSpec, _ receipt: LaunchReceipt) throws -> [RecordChange] {
        let exec = ExecSnapshot(
            id: .main, sandbox: id, spec: ExecSpec(id: .main, command: command, terminal: spec.terminal),
            status: .starting, createdAt: execs.nextCreatedAt(createdAt))
        execs.add(exec)
        let hosted = receipt.main ?? HostedExec(id: .main, startedAt: receipt.startedAt, status: .running)
        return try apply(hosted, to: exec)
    }
}
