import SandboxModel

/// Answers the DNS queries of sandboxes, each as its policy says.
///
/// Names are judged as they are asked; addresses that answers hold are judged by the floor, and under a
/// `domain_allowlist` opened before they are told.
package actor Resolver {
    /// How a query came.
    package enum Transport: Sendable {
        case udp
        case tcp
    }

    package struct Limits: Sendable {
        package var budget = NameBudget.Limits()
        package var bindings = NameBindings.Limits()
        /// Questions that are asked upstream at a time.
        package var asking = 512
        package var askingPerSandbox = 64
        package init() {}
    }

    /// What is remembered of a sandbox.
    struct Client {
        var policy: NetworkPolicy
        var rule: NameRule
        var budget: NameBudget
        var bindings: NameBindings
        var asking = 0
        /// What was told of latest.
        var told: (denial: NetworkDenial, at: ContinuousClock.Instant)?
    }

    /// Clients ask the same again at once, of another type or another time: that is told of once.
    private static let repeatInterval = Duration.seconds(5)

    let directory: NameDirectory
    let upstream: any Upstream
    let floor: AddressFloor
    let limits: Limits
    let counters: NameCounters
    let now: @Sendable () -> ContinuousClock.Instant

    var clients: [SandboxID: Client] = [:]
    var cache = AnswerCache()
    /// Questions on their way upstream: who asks the same again waits for the same answer.
    var asking: [AnswerCache.Key: Task<Result<DNSMessage, UpstreamFault>, Never>] = [:]

    package init(
        directory: NameDirectory, upstream: any Upstream, floor: AddressFloor, limits: Limits = Limits(),
        counters: NameCounters = NameCounters(), now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        self.directory = directory
        self.upstream = upstream
        self.floor = floor
        self.limits = limits
        self.counters = counters
        self.now = now
    }

    /// The answer to a message from a sandbox's address; nil for what gets none.
    package func answer(_ bytes: [UInt8], from source: IPAddress, over transport: Transport) async -> [UInt8]? {
        guard let id = await directory.sandbox(at: source), refresh(id) else { return nil }
        counters.count(.query)
        guard clients[id]?.budget.takeQuery(now: now()) == true else {
            counters.count(.excess)
            deny(id, "too many queries")
            return ReplyForm.refusal(of: bytes)
        }
        switch ReplyForm.read(bytes) {
        case .ignore: return nil
        case .reply(let bytes):
            counters.count(.malformed)
            return bytes
        case .question(let form):
            let reply = await self.reply(to: form, of: id)
            return form.serialize(reply, over: transport)
        }
    }

    /// Forgets a sandbox that is over.
    package func forget(_ id: SandboxID) {
        clients[id] = nil
        cache.forget(id)
    }

    /// Begins anew with nothing open to a sandbox; what it has used of its budget stays used.
    package func forgetOpenings(of id: SandboxID) {
        clients[id]?.bindings = NameBindings(limits.bindings)
        refresh(id)
    }

    /// Takes a sandbox's policy as it is now: what it no longer permits is forgotten. False when the
    /// sandbox is gone.
    @discardableResult
    package func refresh(_ id: SandboxID) -> Bool {
        guard let policy = directory.policy(id) else {
            forget(id)
            return false
        }
        guard var client = clients[id] else {
            clients[id] = Client(
                policy: policy, rule: NameRule(policy), budget: NameBudget(limits.budget, now: now()),
                bindings: NameBindings(limits.bindings))
            return true
        }
        guard client.policy != policy else { return true }
        client.policy = policy
        client.rule = NameRule(policy)
        // A new policy begins with nothing open, in the kernel too.
        client.bindings = NameBindings(limits.bindings)
        clients[id] = client
        return true
    }

    /// Tells of a query that was refused, or of an address in its answer.
    func deny(_ id: SandboxID, _ rule: String, name: DNSName? = nil, address: IPAddress? = nil) {
        let denial = NetworkDenial(
            transport: "dns", address: address, port: nil,
            name: name.map { String($0.folded.description.prefix(128)) }, rule: rule)
        if let told = clients[id]?.told, told.denial == denial, now() - told.at < Self.repeatInterval { return }
        clients[id]?.told = (denial, now())
        directory.deny(denial, of: id)
    }
}
