/// What the service's side of names asks of the machine's side of the network.
public protocol SandboxNetworkHost: Sendable {
    /// New sockets of the router's. `failedPrecondition` where there is no network.
    func routerSockets() async throws -> RouterSockets
    /// Which living sandbox has an address; known without asking anybody.
    func sandbox(at address: IPAddress) -> SandboxID?
    /// Opens addresses, at most 64, to a sandbox whose allowlist names domains, for so long from now; they
    /// are open when this returns.
    func open(_ addresses: [IPAddress], of id: SandboxID, for duration: Duration) async throws
    /// Tells of something that was denied.
    func deny(_ denial: NetworkDenial, of id: SandboxID)
}

/// Sockets in the router's network namespace; whoever gets them closes them.
public struct RouterSockets: Sendable {
    /// Bound to the resolver's port.
    public var resolverUDP: Int32
    /// Listens at the resolver's port.
    public var resolverTCP: Int32
    /// Listens for what names' addresses are asked.
    public var proxy: Int32
    /// The same for IPv6; nil where sandboxes have none.
    public var proxyV6: Int32?

    public init(resolverUDP: Int32, resolverTCP: Int32, proxy: Int32, proxyV6: Int32?) {
        self.resolverUDP = resolverUDP
        self.resolverTCP = resolverTCP
        self.proxy = proxy
        self.proxyV6 = proxyV6
    }
}
