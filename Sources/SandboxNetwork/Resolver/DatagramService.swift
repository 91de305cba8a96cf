import NIOCore
import NIOPosix
import SandboxModel

/// Takes queries from a UDP socket and sends the replies to where they came from.
final class DatagramService: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    /// Queries that are being answered; what comes beyond is dropped, as a full socket would.
    private static let mostPending = 2048
    private static let mostPendingOfOne = 96
    /// The longest query that we look at: a name, and the options of clients.
    private static let maximumQueryBytes = 1232

    private let resolver: Resolver
    private var pending = 0
    private var pendingOf: [IPAddress: Int] = [:]

    private init(_ resolver: Resolver) { self.resolver = resolver }

    /// Serves on a bound socket, which is the service's from now on.
    static func start(
        on socket: NIOBSDSocket.Handle, resolver: Resolver, group: any EventLoopGroup
    ) async throws -> any Channel {
        try await DatagramBootstrap(group: group).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(DatagramService(resolver))
            }
        }.channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 4096))
            .withBoundSocket(socket).get()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        guard let source = IPAddress(envelope.remoteAddress), envelope.data.readableBytes <= Self.maximumQueryBytes,
            pending < Self.mostPending, pendingOf[source, default: 0] < Self.mostPendingOfOne
        else { return }
        pending += 1
        pendingOf[source, default: 0] += 1
        let bytes = Array(buffer: envelope.data)
        let promise = context.eventLoop.makePromise(of: [UInt8]?.self)
        promise.completeWithTask { [resolver] in await resolver.answer(bytes, from: source, over: .udp) }
        promise.futureResult.assumeIsolated().whenComplete { result in
            self.finished(source)
            guard case .success(let reply?) = result else { return }
            let envelope = AddressedEnvelope(remoteAddress: envelope.remoteAddress, data: ByteBuffer(bytes: reply))
            context.channel.writeAndFlush(envelope, promise: nil)
        }
    }

    private func finished(_ source: IPAddress) {
        pending -= 1
        let left = (pendingOf[source] ?? 1) - 1
        pendingOf[source] = left > 0 ? left : nil
    }

    /// Of one datagram that couldn't be sent: the socket lives on.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {}
}
