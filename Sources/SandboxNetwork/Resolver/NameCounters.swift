import Synchronization

/// What the network's name services have done since they started.
package final class NameCounters: Sendable {
    package enum Counted: Int, CaseIterable, Sendable {
        /// A message to the resolver from a sandbox.
        case query
        /// One that was answered from what was known.
        case cached
        /// One that the policy or the floor refused.
        case refusal
        /// One that isn't a query as we take it.
        case malformed
        /// One beyond a sandbox's rate.
        case excess
        /// One that no server of ours answered.
        case upstreamFailure
        /// One whose addresses the kernel didn't open.
        case openingFailure
        /// A connection that was passed on by its name.
        case proxied
        /// A connection, or a request on one, that was denied.
        case proxyDenial
    }

    private let counts = Mutex([UInt64](repeating: 0, count: Counted.allCases.count))

    package init() {}

    package func count(_ what: Counted) { counts.withLock { $0[what.rawValue] += 1 } }

    package subscript(what: Counted) -> UInt64 { counts.withLock { $0[what.rawValue] } }
}
