import SandboxModel

extension Sandbox {
    /// Ends the sandbox and returns once nothing of it is left. Concurrent calls share one
    /// termination; one that failed is tried again by the next call.
    func terminate() async throws -> SandboxSnapshot {
        if let termination { return try await termination.value }
        // Every caller waits for it; none cancels it.
        let task = Task(executorPreference: CallerExecutor.current) { try await self.endOnce() }
        termination = task
        return try await task.value
    }

    /// The sandbox, once it is over or `limit` has passed.
    func waitForEnding(upTo limit: Duration) async throws -> SandboxSnapshot {
        _ = try await wait(for: .ending, upTo: limit) { lifecycle.isOver }
        if case .abandoned = lifecycle { throw CordonError.noSandbox(id) }
        return currentSnapshot()
    }

    /// The sandbox is over, says the machine's side, which keeps the ending: not waiting for the
    /// record is safe. Told again, nothing happens.
    func finish(_ ending: Ending) throws {
        switch lifecycle {
        case .creating:
            early.sandbox = ending
            return
        case .ended, .abandoned: return
        case .running: try lifecycle.end(with: ending)
        }
        var changes: [RecordChange] = []
        let unfinished = execs.unfinished
        for exec in unfinished { changes += try endWithSandbox(exec, ending) }
        changes.append(.ended(id, ending))
        changes += event(.ended, at: ending.at, ending: ending)
        world.registry.end(self, as: ownSnapshot())
        world.follower.networkLeft(by: id)
        world.journal.write(changes)
        // Ended sandboxes are many, and kept for long: what is large of their execs is left to the records.
        execs.shrink(to: world.limits.recentExecsPerSandbox, bytes: 8 << 10)
        early = EarlyEndings()
        closeTunnels()
        stopProbing()
        for topic in [WaitTopic.ending, .events, .readiness] { waiters.wake(topic) }
        for exec in unfinished { waiters.wake(.exec(exec.id)) }
    }

    private func endOnce() async throws -> SandboxSnapshot {
        defer { termination = nil }
        return try await end()
    }

    private func end() async throws -> SandboxSnapshot {
        try await untilLaunched()
        if case .running = lifecycle {
            if try lifecycle.requestTermination() {
                world.journal.write(event(.terminateRequested))
                waiters.wake(.events)
            }
            do {
                let ending = try await world.host.terminate(id, detail: "terminate was called")
                await settleVolumes()
                try finish(ending)
            } catch  where lifecycle.isOver {
                // It ended by itself, and was reported, while we asked.
            }
        }
        await endSidecars()
        await world.journal.settle()
        return currentSnapshot()
    }

    private func endWithSandbox(_ exec: ExecSnapshot, _ ending: Ending) throws -> [RecordChange] {
        let execEnding =
            early.execs[exec.id]
            ?? Ending(.terminated, detail: "the sandbox ended: \(ending.reason.rawValue)", at: ending.at)
        let ended = try ExecLifecycle.end(exec, with: execEnding)
        return update(ended) + event(.execEnded, at: execEnding.at, exec: exec.id, ending: execEnding)
    }
}
