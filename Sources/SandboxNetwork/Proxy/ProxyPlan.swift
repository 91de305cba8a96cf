import NIOCore
import SandboxModel

/// What every connection of the proxy stands on.
struct ProxyPlan: Sendable {
    let resolver: Resolver
    let directory: NameDirectory
    let floor: AddressFloor
    let destination: OriginalDestination
    let connections: ProxyConnections
    /// Before it is known whose a connection is.
    let arrivals: ConnectionAdmission<IPAddress>
    /// From then on.
    let admission: ConnectionAdmission<SandboxID>
    let counters: NameCounters
    let limits: ProxyLimits

    /// Tells of a connection, or a request, that isn't passed on.
    func deny(_ caller: ProxyCaller, name: String?, rule: String) {
        counters.count(.proxyDenial)
        directory.deny(
            NetworkDenial(
                transport: "tcp", address: caller.place.address, port: caller.place.port, name: name, rule: rule),
            of: caller.sandbox)
    }

    /// Why a connection may not go on to where it was going under this name; nil when it may.
    func refusal(of name: String, _ caller: ProxyCaller) async -> String? {
        if let rule = floor.rule(caller.place.address) { return rule }
        return await resolver.refusal(of: name, at: caller.place.address, for: caller.sandbox)
    }
}

/// Bounds of the proxy.
package struct ProxyLimits: Sendable {
    package var connections = 2048
    package var connectionsPerSandbox = 256
    /// From a connection's begin until it is passed on.
    package var opening = TimeAmount.seconds(15)
    package var connecting = TimeAmount.seconds(10)
    /// How long the rest of an answer is waited for once a later request was denied.
    package var lingering = TimeAmount.seconds(30)
    package init() {}

    /// All that the kernel holds is read at once when a peer ends its sending, whoever takes it: this bounds
    /// how much that is.
    static let nearReceiveBuffer: SocketOptionValue = 128 * 1024
    static let farReceiveBuffer: SocketOptionValue = 512 * 1024
}

/// Whose connection it is, and where it was going.
struct ProxyCaller: Sendable, Hashable {
    var sandbox: SandboxID
    var place: OriginalDestination.Place
}
