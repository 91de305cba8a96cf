import SandboxModel
import Synchronization
import Testing

/// A host of sandboxes that are addresses of the loopback, and what it was asked to do.
final class LoopbackHost: SandboxNetworkHost {
    struct Opened: Hashable, Sendable {
        var sandbox: SandboxID
        var address: IPAddress
        var duration: Duration
    }

    struct Denied: Hashable, Sendable {
        var sandbox: SandboxID
        var denial: NetworkDenial
    }

    private struct State {
        var policies: [SandboxID: NetworkPolicy] = [:]
        var opened: [Opened] = []
        var denied: [Denied] = []
        var whileOpening: @Sendable () -> Void = {}
    }

    let open = LoopbackHost.sandboxID("open")
    let listed = LoopbackHost.sandboxID("listed")
    let empty = LoopbackHost.sandboxID("empty")
    let ranges = LoopbackHost.sandboxID("ranges")

    private let state: Mutex<State>

    init() throws {
        let domains = [
            "good.example", "*.wild.example", "chain.example", "half.example", "loop.example", "endless.example",
            "private.example", "mixed.example", "metadata.example", "loopback6.example", "mapped.example",
            "six.example", "site.example", "shared.example", "elsewhere.example", "closed.example",
        ]
        var state = State()
        state.policies[open] = .open
        state.policies[listed] = try NetworkPolicy(block: nil, ranges: nil, domains: domains)
        state.policies[empty] = try NetworkPolicy(block: nil, ranges: [], domains: nil)
        let loopback = try #require(AddressRange("127.0.0.1/32"))
        state.policies[ranges] = .allowlist(
            try NetworkAllowlist(ranges: [loopback], domains: [DomainPattern("good.example", field: "")]))
        self.state = Mutex(state)
    }

    private static func sandboxID(_ name: String) -> SandboxID {
        SandboxID(unchecked: "sb-" + (name + String(repeating: "a", count: 26)).prefix(26))
    }

    func policy(of id: SandboxID) -> NetworkPolicy? { state.withLock { $0.policies[id] } }
    func setPolicy(of id: SandboxID, to policy: NetworkPolicy?) { state.withLock { $0.policies[id] = policy } }
    /// What happens in the middle of opening addresses.
    func setWhileOpening(_ body: @escaping @Sendable () -> Void) { state.withLock { $0.whileOpening = body } }
    var opened: [Opened] { state.withLock { $0.opened } }
    var denied: [Denied] { state.withLock { $0.denied } }

    /// Whether something was told of with this name and rule.
    func wasDenied(_ id: SandboxID, _ name: String?, _ rule: String) -> Bool {
        denied.contains { $0.sandbox == id && $0.denial.name == name && $0.denial.rule == rule }
    }

    func routerSockets() async throws -> RouterSockets { throw CordonError(.failedPrecondition, "none here") }

    func sandbox(at address: IPAddress) -> SandboxID? {
        switch address.description {
        case "127.0.0.2": open
        case "127.0.0.3": listed
        case "127.0.0.4": empty
        case "127.0.0.5": ranges
        default: nil
        }
    }

    func open(_ addresses: [IPAddress], of id: SandboxID, for duration: Duration) async throws {
        let whileOpening = state.withLock { state in
            state.opened += addresses.map { Opened(sandbox: id, address: $0, duration: duration) }
            return state.whileOpening
        }
        whileOpening()
    }

    func deny(_ denial: NetworkDenial, of id: SandboxID) {
        state.withLock { $0.denied.append(Denied(sandbox: id, denial: denial)) }
    }
}
