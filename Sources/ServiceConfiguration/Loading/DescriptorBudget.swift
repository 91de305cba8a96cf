/// What the limit of open descriptors (RLIMIT_NOFILE) leaves for sandboxes and clients.
public struct DescriptorBudget: Sendable, Hashable {
    public let limit: Int
    /// What other parts of the service have a claim on.
    public let reserved: Int

    /// The service's own: databases, log, listener, event loops, the launcher, and some to spare.
    static let own = 256
    /// A client's socket, and the directory and spool of two streams that it reads.
    static let perConnection = 5
    /// A client's socket and the one to its sandbox.
    static let perConnectRequest = 2
    static let fewestConnectRequests = 16
    static let mostConnectRequests = 1024
    /// A client's socket, one inside, and a pipe for what waits in each direction.
    static let perTunnelConnection = 6
    static let mostTunnelConnections = 10_000
    /// Below this a service is of no use.
    static let fewestConnections = 16
    static let fewestTunnelConnections = 4
    static let mostConnections = 10_000
    static let mostWaits = 8_192

    public init(limit: Int, reserved: Int = 0) {
        self.limit = limit
        self.reserved = reserved
    }

    private var own: Int { Self.own + reserved }

    /// What names for sandboxes take at most.
    public static func forNames(of limit: Int) -> Int { min(5_120, limit / 4) }

    /// What Modal SDKs take at most: their connections, and the streams of output that they read.
    public static func forModal(of limit: Int) -> Int { min(4_096, limit / 8) }

    /// How many connections of Modal SDKs, and how many streams of output that they read, so many descriptors are
    /// enough for: three for each stream.
    public static func modalPlaces(of descriptors: Int) -> (connections: Int, readers: Int) {
        (max(4, descriptors / 8), max(8, descriptors / 4))
    }

    /// How many connections there can be beside so many sandboxes, each of which has one to its shim, and so
    /// many connections through tunnels.
    func connections(beside sandboxes: Int, tunnelConnections: Int) -> Int {
        (limit - own - sandboxes - tunnelConnections * Self.perTunnelConnection) / Self.perConnection
    }

    /// How many connections through tunnels there can be: what so many others leave, or half where nobody
    /// says how many those are.
    func tunnelConnections(beside sandboxes: Int, connections: Int?) -> Int {
        let left = limit - own - sandboxes
        let share =
            connections.map { left - $0 * Self.perConnection }
            ?? min(left / 2, left - Self.fewestConnections * Self.perConnection)
        return max(Self.fewestTunnelConnections, share / Self.perTunnelConnection)
    }

    /// How many sandboxes there can be at all.
    var sandboxes: Int {
        limit - own - Self.fewestConnections * Self.perConnection
            - Self.fewestTunnelConnections * Self.perTunnelConnection
            - Self.fewestConnectRequests * Self.perConnectRequest
    }

    /// How many requests through the connect proxy there can be, where nobody says: at most a quarter of what is
    /// left beside so many sandboxes and the fewest others.
    func connectRequests(beside sandboxes: Int) -> Int {
        let quarter = (self.sandboxes - sandboxes) / 4 / Self.perConnectRequest
        return min(Self.mostConnectRequests, max(Self.fewestConnectRequests, quarter))
    }

    /// What so many requests through the connect proxy leave.
    func without(connectRequests: Int) -> DescriptorBudget {
        DescriptorBudget(limit: limit - connectRequests * Self.perConnectRequest, reserved: reserved)
    }
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
        let connects =
            values.connectMaximumConnections ?? budget.connectRequests(beside: values.maximumSandboxes)
        values.connectMaximumConnections = connects
        let budget = budget.without(connectRequests: connects)
        let tunnels =
            values.maximumTunnelConnections
            ?? min(
                DescriptorBudget.mostTunnelConnections,
                budget.tunnelConnections(
                    beside: values.maximumSandboxes, connections: values.maximumConnections))
        if values.maximumTunnelConnections == nil, tunnels < DescriptorBudget.mostTunnelConnections {
            notes.append(
                "max_tunnel_connections is \(tunnels), not \(DescriptorBudget.mostTunnelConnections): \(because)")
        }
        values.maximumTunnelConnections = tunnels
        let possible = budget.connections(beside: values.maximumSandboxes, tunnelConnections: tunnels)
        guard possible >= DescriptorBudget.fewestConnections || values.maximumConnections != nil else {
            throw ConfigurationRefused([
                problem(with: "max_tunnel_connections", "leaves nothing for other connections: \(because)")
            ])
        }
        if let wanted = values.maximumConnections, wanted > possible {
            throw ConfigurationRefused([
                problem(
                    with: "max_connections",
                    "can be at most \(possible) beside \(values.maximumSandboxes) sandboxes and \(tunnels) connections "
                        + "through tunnels: \(because)")
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
