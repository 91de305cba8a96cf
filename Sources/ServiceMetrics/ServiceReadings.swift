public import SandboxModel

/// What is so at the moment of being asked.
public struct ServiceReadings: Sendable {
    /// How many sandboxes are in each state.
    public var sandboxes = SandboxPopulation()
    /// nil while the launcher doesn't say.
    public var pool: PoolReadings?
    public var connections = 0
    public var waits = 0

    public init() {}

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
        guard let pool else { return }
        text.single("cordon_pool_wanted", .gauge, "Sandboxes that are to be kept prepared.", pool.wanted)
        text.single("cordon_pool_prepared", .gauge, "Sandboxes that are prepared.", pool.prepared)
        text.begin("cordon_pool_launches_total", .counter, "Launches since the launcher started, by what they found.")
        text.sample("cordon_pool_launches_total", [("found", "prepared")], pool.hits)
        text.sample("cordon_pool_launches_total", [("found", "none")], pool.misses)
    }
}
