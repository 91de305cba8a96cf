import SandboxModel

extension World {
    /// Throws for a policy that nobody here can enforce.
    func checkNetwork(_ policy: NetworkPolicy?) throws(CordonError) {
        guard case .allowlist(let list) = policy, !list.domains.isEmpty, !limits.servesNames else { return }
        throw CordonError(
            .unimplemented, "domain_allowlist isn't served yet", field: "domain_allowlist",
            rule: "absent or empty for now")
    }
}

extension Sandbox {
    func setNetwork(_ policy: NetworkPolicy) async throws -> SandboxSnapshot {
        try world.checkNetwork(policy)
        if let main {
            throw CordonError(
                .failedPrecondition,
                "sandbox \(id) is a sidecar: it shares the network of \(main.id), whose policy holds for both",
                field: "id", value: id.text, rule: "a sandbox that is no sidecar")
        }
        return try await inTurn { sandbox in try await sandbox.changeNetwork(to: policy) }
    }

    /// What is intended is on record before it is done: whoever is killed in between, recovery finishes it.
    private func changeNetwork(to policy: NetworkPolicy) async throws -> SandboxSnapshot {
        try await requireRunning()
        let before = spec.networkChange
        spec.networkChange = policy
        try await world.journal.commit([.spec(id, spec)])
        // Neither policy is to be gone by until it is known which one holds.
        publish(ownSnapshot())
        do {
            try await world.host.setNetwork(of: id, to: policy)
        } catch {
            spec.networkChange = before
            publish(ownSnapshot())
            try? await world.journal.commit([.spec(id, spec)])
            throw error
        }
        return try await networkChanged(to: policy)
    }

    private func networkChanged(to policy: NetworkPolicy) async throws -> SandboxSnapshot {
        spec.network = policy
        spec.networkChange = nil
        publish(ownSnapshot())
        world.follower.networkChanged(of: id)
        let changes = [RecordChange.spec(id, spec)] + event(.networkChanged, detail: policy.summary)
        waiters.wake(.events)
        try await world.journal.commit(changes)
        return currentSnapshot()
    }

    /// Goes on with a change that was on its way when the service was killed.
    func finishNetworkChange() async throws {
        guard let policy = spec.networkChange else { return }
        _ = try await setNetwork(policy)
    }

    /// It tried to go where it may not.
    func networkDenied(_ denial: NetworkDenial, times: Int) {
        guard case .running = lifecycle else { return }
        let more = times > 1 ? ", \(times) times" : ""
        world.journal.write(event(.networkDenied, detail: "\(denial)\(more)"))
        waiters.wake(.events)
    }
}

extension NetworkPolicy {
    /// In a few words.
    fileprivate var summary: String {
        switch self {
        case .blocked: "blocked"
        case .open: "open"
        case .allowlist(let list): "\(list.ranges.count) ranges, \(list.domains.count) domains"
        }
    }
}
