import NIOCore
import NIOPosix
import SandboxModel

/// Takes queries from connections (RFC 7766): several may be on their way on one, and are answered in the
/// order in which answers come.
enum StreamService {
    /// Serves on a listening socket, which is the service's from now on.
    static func start(
        on socket: NIOBSDSocket.Handle, resolver: Resolver, admission: ConnectionAdmission<IPAddress>,
        group: any EventLoopGroup
    ) async throws -> any Channel {
        try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 256)
            .childChannelInitializer { channel in
                guard let source = channel.remoteAddress.flatMap(IPAddress.init(_:)),
                    admission.admit(source, until: channel.closeFuture)
                else { return channel.close() }
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers([
                        ByteToMessageHandler(LengthPrefixDecoder(maximumBytes: 1232)),
                        StreamQueryHandler(resolver, source),
                    ])
                }
            }
            .withBoundSocket(socket).get()
    }
}

private final class StreamQueryHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private static let mostPending = 16
    private static let idleLimit = TimeAmount.seconds(10)

    private let resolver: Resolver
    private let source: IPAddress
    private var pending = 0
    private var idle: Scheduled<Void>?

    init(_ resolver: Resolver, _ source: IPAddress) {
        self.resolver = resolver
        self.source = source
    }

    func handlerAdded(context: ChannelHandlerContext) { restartIdle(context) }

    func handlerRemoved(context: ChannelHandlerContext) { idle?.cancel() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // Who doesn't wait for answers, or doesn't take them, is of no use.
        guard pending < Self.mostPending, context.channel.isWritable else { return context.close(promise: nil) }
        pending += 1
        restartIdle(context)
        let bytes = Array(buffer: unwrapInboundIn(data))
        let promise = context.eventLoop.makePromise(of: [UInt8]?.self)
        promise.completeWithTask { [resolver, source] in await resolver.answer(bytes, from: source, over: .tcp) }
        promise.futureResult.assumeIsolated().whenComplete { result in
            self.pending -= 1
            guard case .success(let reply?) = result else { return context.close(promise: nil) }
            var buffer = ByteBuffer(integer: UInt16(clamping: reply.count))
            buffer.writeBytes(reply)
            context.writeAndFlush(self.wrapOutboundOut(buffer), promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func restartIdle(_ context: ChannelHandlerContext) {
        idle?.cancel()
        idle = context.eventLoop.assumeIsolated().scheduleTask(in: Self.idleLimit) { context.close(promise: nil) }
    }
}
