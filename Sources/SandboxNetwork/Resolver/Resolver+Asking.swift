import SandboxModel

extension Resolver {
    /// CNAME records that upstream leaves us to follow.
    private static let longestWay = 8

    /// Asks upstream, or takes what was answered to the same sandbox before.
    func ask(_ ask: UpstreamAsk, for id: SandboxID) async throws -> DNSMessage {
        var ask = ask
        ask.question.name = ask.question.name.folded
        let key = AnswerCache.Key(sandbox: id, ask: ask)
        if let answer = cache.answer(for: key, now: now()) {
            counters.count(.cached)
            return answer
        }
        if let task = asking[key] { return try await task.value.get() }
        guard asking.count < limits.asking, let client = clients[id], client.asking < limits.askingPerSandbox else {
            throw NameRefused(rule: "too many queries at once")
        }
        clients[id]?.asking += 1
        let task = Task { [upstream, ask] in await upstream.result(of: ask) }
        asking[key] = task
        let result = await task.value
        asking[key] = nil
        if let client = clients[id], client.asking > 0 { clients[id]?.asking -= 1 }
        let answer = try result.get()
        if clients[id] != nil { cache.store(answer, for: key, now: now()) }
        return answer
    }

    /// Resolves a name that the policy permits, opens its addresses and binds them to it.
    ///
    /// - Parameter question: for A or AAAA.
    func resolve(_ name: String, _ question: DNSQuestion, of id: SandboxID, asked: Bool) async throws
        -> FoundAddresses
    {
        guard let policy = clients[id]?.policy else { throw NameRefused(rule: "the sandbox is over") }
        var found = try await chase(question, of: id)
        found.records = try closing(found.records, of: id, name: question.name)
        let addresses = found.records.compactMap(\.address)
        // What was judged before the question went out must still hold.
        guard let client = clients[id], client.policy == policy, directory.policy(id) == policy else {
            throw NameRefused(rule: "the policy has changed")
        }
        let seconds = found.records.map(\.seconds).min() ?? 0
        let duration = client.bindings.holding(seconds: seconds)
        let began = now()
        found.told = client.bindings.told
        let due = client.bindings.due(addresses, of: name, seconds: seconds, now: began)
        if !due.isEmpty {
            try await directory.open(due, of: id, for: duration)
            guard clients[id]?.policy == policy, directory.policy(id) == policy else {
                // It may have been another policy by then: what that doesn't allow is closed again.
                try? await directory.open(due, of: id, for: .milliseconds(1))
                throw NameRefused(rule: "the policy has changed")
            }
        }
        clients[id]?.bindings.bind(due, to: name, until: began + duration, now: began, asked: asked)
        let open = Set(addresses.prefix(limits.bindings.addressesPerName))
        found.records.removeAll { $0.address.map { !open.contains($0) } ?? false }
        return found
    }

    /// Follows CNAME records from the name asked for to addresses, with further questions where upstream
    /// didn't. Only the name asked for is judged: where it leads is up to its owner.
    private func chase(_ question: DNSQuestion, of id: SandboxID) async throws -> FoundAddresses {
        var records: [DNSRecord] = []
        var question = question
        var seen: Set<DNSName> = [question.name.folded]
        for _ in 0..<Self.longestWay {
            let answer = try await ask(UpstreamAsk(question: question), for: id)
            let filter = AnswerFilter(answer, to: question, wantsSignatures: false)
            records += filter.records
            if filter.isComplete(answer, question.type) || !seen.insert(filter.target).inserted {
                return FoundAddresses(
                    code: answer.code, records: records, authorities: filter.authorities, told: 0)
            }
            question.name = filter.target
        }
        throw NameRefused(rule: "a chain of more than \(Self.longestWay) CNAME records")
    }
}

extension Upstream {
    fileprivate func result(of ask: UpstreamAsk) async -> Result<DNSMessage, UpstreamFault> {
        do { return .success(try await self.ask(ask)) } catch { return .failure(error) }
    }
}
