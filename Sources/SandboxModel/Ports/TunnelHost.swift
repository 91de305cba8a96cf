/// What the engine asks of those who listen for sandboxes' clients.
public protocol TunnelHost: Sendable {
    /// Listens for every port of a sandbox, and answers with a place for each. A place that a port has
    /// already is taken again, later when it can't be had now, unless the service's configuration has none such any more.
    func open(_ tunnels: TunnelSpec, of id: SandboxID) async throws -> TunnelSpec
    /// A sandbox's tunnels, in the order of its spec; none once they are closed.
    func endpoints(of id: SandboxID) -> [TunnelEndpoint]
    /// Closes a sandbox's listeners and connections, and frees their places.
    func close(_ id: SandboxID)
}

/// For a service that has no tunnels.
public struct NoTunnels: TunnelHost {
    public init() {}

    public func open(_ tunnels: TunnelSpec, of id: SandboxID) async throws -> TunnelSpec {
        guard tunnels.isEmpty else { throw CordonError(.unimplemented, "this service has no tunnels") }
        return tunnels
    }

    public func endpoints(of id: SandboxID) -> [TunnelEndpoint] { [] }
    public func close(_ id: SandboxID) {}
}
