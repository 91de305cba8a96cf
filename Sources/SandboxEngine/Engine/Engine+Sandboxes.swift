import SandboxModel

extension Engine {
    public func sandbox(_ id: SandboxID) async throws -> SandboxSnapshot { try find(id).snapshot }

    public func sandbox(named name: SandboxName, in app: AppName) async throws -> SandboxSnapshot {
        guard world.registry.isOpen else { throw CordonError.notRecovered }
        if let snapshot = world.registry.holder(of: name, in: app)?.snapshot, case .running = snapshot.status {
            return snapshot
        }
        throw CordonError(
            .notFound, "no running sandbox of app \(app) is named \(name)", field: "name", value: name.text)
    }

    public func sandboxes(matching query: SandboxQuery) async throws -> SandboxPage {
        guard world.registry.isOpen else { throw CordonError.notRecovered }
        return world.registry.page(query)
    }

    public func setDeadlines(
        of id: SandboxID, timeout: Duration?, idleTimeout: IdleTimeoutChange
    ) async throws -> SandboxSnapshot {
        let sandbox = try find(id)
        return try await uncancelled("changing deadlines") {
            try await sandbox.setDeadlines(timeout: timeout, idleTimeout: idleTimeout)
        }
    }

    public func setTags(of id: SandboxID, to tags: Tags) async throws -> SandboxSnapshot {
        let sandbox = try find(id)
        return try await uncancelled("changing tags") { try await sandbox.setTags(tags) }
    }

    public func setNetwork(of id: SandboxID, to policy: NetworkPolicy) async throws -> SandboxSnapshot {
        let sandbox = try find(id)
        return try await uncancelled("changing a network policy") { try await sandbox.setNetwork(policy) }
    }

    public func terminate(_ id: SandboxID) async throws -> SandboxSnapshot {
        let sandbox = try find(id)
        return try await uncancelled("terminating a sandbox") { try await sandbox.terminate() }
    }

    public func wait(for id: SandboxID, upTo limit: Duration) async throws -> SandboxSnapshot {
        let sandbox = try find(id)
        return try await world.boundary.during("waiting for a sandbox") { try await sandbox.waitForEnding(upTo: limit) }
    }

    public func events(of id: SandboxID, after number: Int, waitingUpTo limit: Duration) async throws -> [SandboxEvent]
    {
        let sandbox = try find(id)
        return try await world.boundary.during("reading events") {
            try await sandbox.events(after: number, waitingUpTo: limit)
        }
    }

    /// How many sandboxes are in each state.
    public var population: SandboxPopulation { world.registry.population }

    public func readiness() async -> Readiness {
        guard world.registry.isOpen else { return Readiness(ready: false, reason: "recovery is not complete") }
        guard !world.journal.isFailing else { return Readiness(ready: false, reason: "the records can't be written") }
        return await world.host.readiness()
    }
}
