/// What was done for sandboxes that look names up, and go where these lead.
public struct NameReadings: Sendable {
    public var allQueries: UInt64 = 0
    /// Those of them that came to something that is worth a number, by what that is; a closed set.
    public var queries: [(String, UInt64)] = []
    public var connections = 0
    public var passedOn: UInt64 = 0
    public var denied: UInt64 = 0

    public init() {}

    func write(to text: inout ExpositionText) {
        text.begin("cordon_dns_queries_total", .counter, "Queries of sandboxes.")
        text.sample("cordon_dns_queries_total", [], allQueries)
        text.begin("cordon_dns_outcomes_total", .counter, "Queries of sandboxes that came to this.")
        for (outcome, count) in queries { text.sample("cordon_dns_outcomes_total", [("outcome", outcome)], count) }
        text.single("cordon_proxy_connections", .gauge, "Connections that are passed on by name.", connections)
        text.begin("cordon_proxy_connections_total", .counter, "Connections that were passed on by name, or denied.")
        text.sample("cordon_proxy_connections_total", [("outcome", "passed_on")], passedOn)
        text.sample("cordon_proxy_connections_total", [("outcome", "denied")], denied)
    }
}
