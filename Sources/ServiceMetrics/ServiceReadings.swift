public import SandboxModel

/// What is so at the moment of being asked.
public struct ServiceReadings: Sendable {
    /// How many sandboxes are in each state.
    public var sandboxes = SandboxPopulation()
    /// nil while the launcher doesn't say.
    public var pool: PoolReadings?
    /// nil where no names are served.
    public var names: NameReadings?
    /// Sandboxes that stand still because the disk is at its reserve; nil while the launcher doesn't say.
    public var held: UInt64?
    public var connections = 0
    public var waits = 0
    public var tunnels = TunnelReadings()

    public init() {}

    /// Connections through tunnels.
    public struct TunnelReadings: Sendable {
        /// Open now.
        public var connections = 0
        /// That reached a server inside, and that were closed before, since the service started.
        public var accepted: UInt64 = 0
        public var refused: UInt64 = 0
        /// Of those that are over.
        public var bytesInward: UInt64 = 0
        public var bytesOutward: UInt64 = 0

        public init(
            connections: Int = 0, accepted: UInt64 = 0, refused: UInt64 = 0, bytesInward: UInt64 = 0,
            bytesOutward: UInt64 = 0
        ) {
            self.connections = connections
            self.accepted = accepted
            self.refused = refused
            self.bytesInward = bytesInward
            self.bytesOutward = bytesOutward
        }

        func write(to text: inout ExpositionText) {
            text.single("cordon_tunnel_connections_open", .gauge, "Open connections through tunnels.", connections)
            text.begin(
                "cordon_tunnel_connections_total", .counter,
                "Connections through tunnels that are over, by whether they reached a server inside.")
            text.sample("cordon_tunnel_connections_total", [("outcome", "served")], accepted)
            text.sample("cordon_tunnel_connections_total", [("outcome", "refused")], refused)
            text.begin(
                "cordon_tunnel_bytes_total", .counter, "Bytes through tunnels, of connections that are over.")
            text.sample("cordon_tunnel_bytes_total", [("direction", "in")], bytesInward)
            text.sample("cordon_tunnel_bytes_total", [("direction", "out")], bytesOutward)
        }
    }

    /// The launcher's stock of prepared sandboxes.
    public struct PoolReadings: Sendable {
        public var wanted: UInt64
        public var prepared: UInt64
        /// Launches that found a prepared sandbox, and those that waited for one to be built, since
        /// the launcher started.
        public var hits: UInt64
        public var misses: UInt64

        public init(wanted: UInt64, prepared: UInt64, hits: UInt64, misses: UInt64) {
            self.wanted = wanted
            self.prepared = prepared
            self.hits = hits
            self.misses = misses
        }
    }

    func write(to text: inout ExpositionText) {
        text.begin("cordon_sandboxes", .gauge, "Sandboxes on record, by state.")
        for (state, count) in [
            ("creating", sandboxes.creating), ("running", sandboxes.running), ("ended", sandboxes.ended),
        ] {
            text.sample("cordon_sandboxes", [("state", state)], count)
        }
        text.single("cordon_http_connections", .gauge, "Open connections of clients.", connections)
        text.single("cordon_http_waits", .gauge, "Requests that wait for something or follow a stream.", waits)
        names?.write(to: &text)
        tunnels.write(to: &text)
        if let held {
            text.single(
                "cordon_sandboxes_held", .gauge, "Sandboxes that stand still because the disk is at its reserve.", held)
        }
        guard let pool else { return }
        text.single("cordon_pool_wanted", .gauge, "Sandboxes that are to be kept prepared.", pool.wanted)
        text.single("cordon_pool_prepared", .gauge, "Sandboxes that are prepared.", pool.prepared)
        text.begin("cordon_pool_launches_total", .counter, "Launches since the launcher started, by what they found.")
        text.sample("cordon_pool_launches_total", [("found", "prepared")], pool.hits)
        text.sample("cordon_pool_launches_total", [("found", "none")], pool.misses)
    }
}
