import SandboxModel

extension Sandbox {
    /// Gives a running sandbox the name that it doesn't have yet. `failedPrecondition` when it has another one.
    func setName(_ name: SandboxName) async throws -> SandboxSnapshot {
        try await inTurn { sandbox in try await sandbox.take(name) }
    }

    private func take(_ name: SandboxName) async throws -> SandboxSnapshot {
        try await requireRunning()
        if let own = spec.name {
            guard own == name else {
                throw CordonError(
                    .failedPrecondition, "sandbox \(id) is named \(own), and keeps that name", field: "name",
                    value: name.text, rule: "a name is given once")
            }
            return currentSnapshot()
        }
        try world.registry.claim(name, for: self)
        var named = spec
        named.name = name
        do {
            try await world.journal.commit([.spec(id, named)])
        } catch {
            world.registry.disclaim(name, of: self)
            throw error
        }
        spec.name = name
        // It may have ended meanwhile, without the name.
        guard case .running = lifecycle else {
            world.registry.disclaim(name, of: self)
            return currentSnapshot()
        }
        publish(ownSnapshot())
        return currentSnapshot()
    }
}

extension Engine {
    public func setName(of id: SandboxID, to name: SandboxName) async throws -> SandboxSnapshot {
        let sandbox = try find(id)
        return try await uncancelled("naming a sandbox") { try await sandbox.setName(name) }
    }
}
