import NIOCore
import NIOPosix
import SandboxModel

/// Passes on redirected connections under names that are permitted.
package struct NameProxy: Sendable {
    private let plan: ProxyPlan
    private let group: any EventLoopGroup

    package init(
        resolver: Resolver, directory: NameDirectory, floor: AddressFloor, destination: OriginalDestination,
        counters: NameCounters, limits: ProxyLimits, group: any EventLoopGroup
    ) {
        plan = ProxyPlan(
            resolver: resolver, directory: directory, floor: floor, destination: destination,
            connections: ProxyConnections(),
            arrivals: ConnectionAdmission(most: limits.connections, mostOfOne: limits.connectionsPerSandbox),
            admission: ConnectionAdmission(most: limits.connections, mostOfOne: limits.connectionsPerSandbox),
            counters: counters, limits: limits)
        self.group = group
    }

    /// Connections that are being passed on.
    package var connections: Int { plan.connections.count }

    /// Serves on a listening socket, which is the service's from now on.
    package func start(on socket: NIOBSDSocket.Handle) async throws -> any Channel {
        try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.socketOption(.so_rcvbuf), value: ProxyLimits.nearReceiveBuffer)
            .childChannelOption(.writeBufferWaterMark, value: .init(low: 64 * 1024, high: 256 * 1024))
            .childChannelInitializer { [plan] channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ProxyEntrance(plan))
                }
            }
            .withBoundSocket(socket).get()
    }

    /// Closes the connections of a sandbox that its policy, as it is now, doesn't permit.
    package func judgeAgain(_ id: SandboxID) async {
        await plan.connections.close(of: id) { caller, name in
            if let name { return await plan.refusal(of: name, caller) == nil }
            return await plan.resolver.isOpenWithoutName(caller.place.address, for: id)
        }
    }

    /// Closes all connections of a sandbox.
    package func close(_ id: SandboxID) async { await plan.connections.close(of: id) { _, _ in false } }

    /// Keeps addresses open to which connections are.
    package func keepOpen() async {
        for caller in plan.connections.addresses() {
            await plan.resolver.keepOpen(caller.place.address, for: caller.sandbox)
        }
    }
}
