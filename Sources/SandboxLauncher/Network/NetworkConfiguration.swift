import SandboxModel

/// What the launcher is told about the network.
public struct NetworkConfiguration: Sendable {
    /// Whether sandboxes get IPv6.
    public enum IPv6: String, Sendable, CaseIterable {
        /// Where the host has a default route of IPv6, and its forwarding can be had without changing what
        /// it is otherwise.
        case auto
        case on
        case off
    }

    public var isOn = false
    /// Instances take blocks of addresses out of it.
    public var pool = AddressRange(literal: "100.64.0.0/10")
    /// Parts of the private ranges that sandboxes may reach.
    public var opened: [AddressRange] = []
    public var ipv6 = IPv6.auto
    /// For each sandbox: connections at a time, new ones each second, packets each second.
    public var maximumConnections: UInt32 = 4096
    public var connectionsPerSecond: UInt32 = 500
    /// Of all sandboxes together; nil for half of what the kernel can remember.
    public var maximumConnectionsInAll: UInt32?
    public var packetsPerSecond: UInt32 = 200_000

    public init() {}
}
