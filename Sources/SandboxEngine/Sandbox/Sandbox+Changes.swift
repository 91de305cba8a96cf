import SandboxModel

extension Sandbox {
    func setDeadlines(timeout: Duration?, idleTimeout: IdleTimeoutChange) async throws -> SandboxSnapshot {
        try await inTurn { sandbox in try await sandbox.changeDeadlines(timeout, idleTimeout) }
    }

    /// Replaces the tags, also of a sandbox that is over.
    func setTags(_ tags: Tags) async throws -> SandboxSnapshot {
        try await inTurn { sandbox in try await sandbox.changeTags(tags) }
    }

    /// Makes a run's sandbox one like any other, with so much of a lifetime from now on.
    func outliveItsRun(for time: Duration) async throws -> SandboxSnapshot {
        try await inTurn { sandbox in try await sandbox.becomeOrdinary(for: time) }
    }

    private func becomeOrdinary(for time: Duration) async throws -> SandboxSnapshot {
        try await requireRunning()
        guard case .running(let running) = lifecycle else { return currentSnapshot() }
        let lived = Duration.microseconds(max(0, world.clock.now().microseconds - running.startedAt.microseconds))
        // With the deadlines the whole spec is written.
        spec.run = nil
        return try await changeDeadlines(min(lived + time, SandboxSpec.maximumTimeout), .keep)
    }

    /// Runs changes one after the other, so that the machine's side, the record and the state have
    /// them in the same order.
    func inTurn(
        _ change: @escaping @Sendable (Sandbox) async throws -> SandboxSnapshot
    ) async throws -> SandboxSnapshot {
        let previous = latestChange
        let task = Task {
            _ = await previous?.result
            return try await change(self)
        }
        latestChange = task
        return try await task.value
    }

    private func changeDeadlines(_ timeout: Duration?, _ idleTimeout: IdleTimeoutChange) async throws -> SandboxSnapshot
    {
        try await requireRunning()
        guard case .running(let running) = lifecycle, timeout != nil || idleTimeout != .keep else {
            return currentSnapshot()
        }
        let deadline = timeout.map { Timestamp(microseconds: running.startedAt.microseconds + $0.microseconds) }
        try await world.host.setDeadlines(of: id, deadline: deadline, idleTimeout: idleTimeout)
        guard case .running(let now) = lifecycle else {
            try await requireRunning()
            return currentSnapshot()
        }
        if let timeout { spec.timeout = timeout }
        switch idleTimeout {
        case .keep: break
        case .set(let duration): spec.idleTimeout = duration
        case .remove: spec.idleTimeout = nil
        }
        if let deadline { try lifecycle.setDeadline(deadline) }
        publish(ownSnapshot())
        let changes =
            [RecordChange.deadlines(id, spec: spec, deadline: deadline ?? now.deadline)] + event(.deadlinesChanged)
        waiters.wake(.events)
        try await world.journal.commit(changes)
        return currentSnapshot()
    }

    private func changeTags(_ tags: Tags) async throws -> SandboxSnapshot {
        try await untilLaunched()
        try await world.journal.commit([.tags(id, tags)] + event(.tagsChanged))
        spec.tags = tags
        publish(ownSnapshot())
        waiters.wake(.events)
        return currentSnapshot()
    }
}
