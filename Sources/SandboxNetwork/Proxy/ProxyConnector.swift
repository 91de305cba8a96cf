import NIOCore
import NIOPosix

/// Connects to where a connection was going, from the namespace that this process lives in.
enum ProxyConnector {
    /// The connection's far end: nothing is read from it before its `other` is there and reading begins.
    static func connect(
        _ place: OriginalDestination.Place, within limit: TimeAmount, on loop: any EventLoop
    ) -> EventLoopFuture<any Channel> {
        do {
            return ClientBootstrap(group: loop)
                .connectTimeout(limit)
                .channelOption(.autoRead, value: false)
                .channelOption(.allowRemoteHalfClosure, value: true)
                .channelOption(.socketOption(.so_keepalive), value: 1)
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .channelOption(.socketOption(.so_rcvbuf), value: ProxyLimits.farReceiveBuffer)
                .channelOption(.writeBufferWaterMark, value: .init(low: 64 * 1024, high: 256 * 1024))
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(BytePipeSide())
                    }
                }
                .connect(to: try place.address.socketAddress(port: place.port))
        } catch { return loop.makeFailedFuture(error) }
    }

    /// Lets bytes flow between two ends.
    static func join(_ near: any PipeSide, _ far: any Channel) throws {
        let side = try far.pipeline.syncOperations.handler(type: BytePipeSide.self)
        near.other = side
        side.other = near
        try far.syncOptions?.setOption(.autoRead, value: true)
        far.read()
    }
}
