import SandboxModel

extension Resolver {
    /// Whether a sandbox may be connected to an address under a name that its connection gives: the name
    /// must be permitted and resolve to that address now. Returns the reason if not.
    package func refusal(of name: String, at address: IPAddress, for id: SandboxID) async -> String? {
        guard refresh(id), let client = clients[id] else { return "the sandbox is over" }
        switch client.rule {
        case .all: return nil
        case .none(let reason): return reason
        case .listed(let matcher, let ranges):
            if ranges.contains(where: { $0.contains(address) }) { return nil }
            guard matcher.match(name) != nil else { return "not in domain_allowlist" }
        }
        if isBound(name, to: address, of: id, for: limits.bindings.shortest / 2) { return nil }
        guard let refusal = await resolvedRefusal(of: name, at: address, for: id) else { return nil }
        // Names that lead to another of many addresses each time lead to those before for a while.
        guard isBound(name, to: address, of: id, for: .zero) else { return refusal }
        await keepOpen(address, for: id)
        return nil
    }

    private func isBound(_ name: String, to address: IPAddress, of id: SandboxID, for duration: Duration) -> Bool {
        clients[id]?.bindings.isBound(name, to: address, now: now() + duration) ?? false
    }

    /// Whether an address is open to a sandbox without any name.
    package func isOpenWithoutName(_ address: IPAddress, for id: SandboxID) -> Bool {
        guard refresh(id), let client = clients[id] else { return false }
        switch client.rule {
        case .all: return true
        case .none: return false
        case .listed(_, let ranges): return ranges.contains { $0.contains(address) }
        }
    }

    /// Looks the name up as if the sandbox had asked: its answer may be older than this service, or come
    /// from a client that keeps answers for longer than it should.
    private func resolvedRefusal(of name: String, at address: IPAddress, for id: SandboxID) async -> String? {
        let other = "the name doesn't resolve to this address"
        guard let wire = DNSName(name), var client = clients[id] else { return other }
        let question = DNSQuestion(name: wire, type: address.family == .v4 ? .a : .aaaa)
        guard client.budget.takeQuery(now: now()) else { return "too many queries" }
        let verdict = QuestionVerdict.judge(question, under: client.rule, &client.budget)
        clients[id]?.budget = client.budget
        guard case .addresses = verdict else {
            if case .refuse(let rule) = verdict { return rule }
            return other
        }
        do {
            let found = try await resolve(name, question, of: id, asked: true)
            return found.records.contains { $0.address == address } ? nil : other
        } catch let refusal as NameRefused {
            return refusal.rule
        } catch {
            return "the name can't be resolved"
        }
    }

    /// Keeps an address open to which a connection that was judged is still open.
    package func keepOpen(_ address: IPAddress, for id: SandboxID) async {
        guard let client = clients[id], case .listed = client.rule else { return }
        try? await directory.open([address], of: id, for: limits.bindings.shortest)
        guard directory.policy(id) != client.policy else { return }
        try? await directory.open([address], of: id, for: .milliseconds(1))
    }

    /// Resolves again what is over soon, of every sandbox, a few names at a time. Names that don't resolve
    /// any more, or elsewhere, lead nowhere once what was opened is over.
    package func renew() async {
        var due: [(id: SandboxID, name: String)] = []
        for id in Array(clients.keys) where refresh(id) {
            due += (clients[id]?.bindings.renewals(now: now()) ?? []).map { (id, $0) }
        }
        await withDiscardingTaskGroup { group in
            for worker in 0..<Self.renewalsAtOnce {
                let share = due.enumerated().filter { $0.offset % Self.renewalsAtOnce == worker }.map(\.element)
                group.addTask { for (id, name) in share { await self.renew(name, of: id) } }
            }
        }
    }

    private func renew(_ name: String, of id: SandboxID) async {
        guard let wire = DNSName(name) else { return }
        for type in [DNSType.a, .aaaa] {
            _ = try? await resolve(name, DNSQuestion(name: wire, type: type), of: id, asked: false)
        }
    }

    private static let renewalsAtOnce = 8
}
