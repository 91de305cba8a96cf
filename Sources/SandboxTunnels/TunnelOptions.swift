public import SandboxModel

/// Where tunnels are, and how many connections there may be.
public struct TunnelOptions: Sendable {
    /// The address to listen at.
    public var address = IPAddress(v4: 0x7f00_0001)
    /// Of tunnels that have a port of their own.
    public var ports: ClosedRange<UInt16> = 20_000...29_999
    /// By what clients reach that address.
    public var host = "127.0.0.1"
    /// Encrypted tunnels are names below this domain, on one port; nil: each has a port of its own.
    public var domain: String?
    public var domainPort: UInt16 = 7748
    /// What encrypted tunnels prove who they are with, as PEM.
    public var certificateChain: [UInt8] = []
    public var privateKey: [UInt8] = []
    public var maximumConnections = 10_000
    public var maximumConnectionsPerTunnel = 2_000

    public init() {}
}
