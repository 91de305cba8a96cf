/// What the limit of open descriptors (RLIMIT_NOFILE) leaves for sandboxes and clients.
public struct DescriptorBudget: Sendable, Hashable {
    public let limit: Int

    /// The service's own: databases, log, listener, event loops, the launcher, and some to spare.
    static let own = 256
    /// A client's socket, and the directory and spool of two streams that it reads.
    static let perConnection = 5
    /// Below this a service is of no use.
    static let fewestConnections = 16
    static let mostConnections = 10_000
    static let mostWaits = 8_192

    public init(limit: Int) { self.limit = limit }

    /// How many connections there can be beside so many sandboxes, each of which has one to its shim.
    func connections(beside sandboxes: Int) -> Int { (limit - Self.own - sandboxes) / Self.perConnection }

    /// How many sandboxes there can be at all.
    var sandboxes: Int { limit - Self.own - Self.fewestConnections * Self.perConnection }
}

extension LoadedConfiguration {
    /// Makes bounds that nobody set fit the descriptor limit.
    ///
    /// - Returns: What was made smaller, for the log.
    /// - Throws: What somebody set and can't be had.
    public mutating func fit(_ budget: DescriptorBudget) throws(ConfigurationRefused) -> [String] {
        var notes: [String] = []
        let because = "the limit of open descriptors is \(budget.limit)"
        if values.maximumSandboxes > budget.sandboxes {
            guard origin(of: "max_sandboxes") == .standard, budget.sandboxes > 0 else {
                throw ConfigurationRefused([
                    problem(with: "max_sandboxes", "can be at most \(max(0, budget.sandboxes)): \(because)")
                ])
            }
            notes.append("max_sandboxes is \(budget.sandboxes), not \(values.maximumSandboxes): \(because)")
            values.maximumSandboxes = budget.sandboxes
        }
        let possible = budget.connections(beside: values.maximumSandboxes)
        if let wanted = values.maximumConnections, wanted > possible {
            throw ConfigurationRefused([
                problem(
                    with: "max_connections",
                    "can be at most \(possible) beside \(values.maximumSandboxes) sandboxes: \(because)")
            ])
        }
        if values.maximumConnections == nil {
            values.maximumConnections = min(DescriptorBudget.mostConnections, possible)
            if possible < DescriptorBudget.mostConnections {
                notes.append("max_connections is \(possible), not \(DescriptorBudget.mostConnections): \(because)")
            }
        }
        values.maximumWaits =
            values.maximumWaits ?? min(DescriptorBudget.mostWaits, values.maximumConnections ?? possible)
        return notes
    }
}
