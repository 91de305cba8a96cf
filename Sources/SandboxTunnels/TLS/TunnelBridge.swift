import NIOCore
import NIOPosix
import NIOTLS
import SandboxModel

/// One end of an encrypted connection's two: what it reads its partner writes, no faster than that can.
/// Ends of data and failures of each become the other's.
final class TunnelBridge: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    static let allocator = AdaptiveRecvByteBufferAllocator(minimum: 2048, initial: 16 * 1024, maximum: 256 * 1024)

    private var context: ChannelHandlerContext?
    private var partner: TunnelBridge?
    /// Called once TLS is set up; nil for the inner end, and after that.
    private var onHandshake: ((TunnelBridge) -> Void)?
    /// What came before there was a partner.
    private var early: [ByteBuffer] = []
    private var mayReadLater = false
    private var inputHasEnded = false
    private var outputHasEnded = false
    private var outputIsShut = false
    /// Of writes that are under way.
    private var unwritten = 0
    private(set) var bytes: UInt64 = 0

    init(onHandshake: ((TunnelBridge) -> Void)? = nil) { self.onHandshake = onHandshake }

    /// Connects a client whose TLS is set up to the server inside; both end when that fails.
    static func connect(
        _ bridge: TunnelBridge, of channel: any Channel, through tunnel: OpenTunnel, _ use: TunnelUse,
        _ service: TunnelService
    ) {
        let outer = NIOLoopBound(bridge, eventLoop: channel.eventLoop)
        // Ends with the connection's setup, which has a limit of time.
        Task {
            do {
                let server = try await service.connect(tunnel, use).take()
                let inner = try await ClientBootstrap(group: channel.eventLoop)
                    .channelOption(.autoRead, value: false)
                    .channelOption(.allowRemoteHalfClosure, value: true)
                    .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                    .channelOption(.recvAllocator, value: allocator)
                    .channelInitializer { channel in
                        channel.eventLoop.makeCompletedFuture {
                            try channel.pipeline.syncOperations.addHandler(TunnelBridge())
                        }
                    }
                    .withConnectedSocket(server).get()
                tunnel.keep(inner)
                try await channel.eventLoop.submit {
                    let other = try inner.pipeline.syncOperations.handler(type: TunnelBridge.self)
                    outer.value.join(other)
                    let inside = NIOLoopBound(other, eventLoop: inner.eventLoop)
                    inner.closeFuture.whenComplete { _ in
                        use.finish(inward: outer.value.bytes, outward: inside.value.bytes)
                    }
                }.get()
            } catch { channel.close(promise: nil) }
        }
    }

    private func join(_ other: TunnelBridge) {
        partner = other
        other.partner = self
        // Either can have left meanwhile, or have said all that it had to say.
        guard context != nil, other.context != nil else {
            closeAll()
            return other.closeAll()
        }
        for (from, to) in [(self, other), (other, self)] {
            for buffer in from.early { to.write(buffer) }
            from.early = []
            to.flush()
            if from.inputHasEnded { to.closeOutput() }
        }
        readIfWanted()
        other.readIfWanted()
    }

    // MARK: What this end reads

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        partner = nil
        onHandshake = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        bytes += UInt64(buffer.readableBytes)
        guard let partner else { return early.append(buffer) }
        partner.write(buffer)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        partner?.flush()
        readIfWanted()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case TLSUserEvent.handshakeCompleted:
            // From here on nothing is read before somebody takes it.
            _ = context.channel.setOption(.autoRead, value: false)
            let action = onHandshake
            onHandshake = nil
            action?(self)
        case ChannelEvent.inputClosed:
            inputHasEnded = true
            partner?.closeOutput()
            closeIfDone()
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        partner?.closeAll()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    /// Reads on when the partner has room for it.
    private func readIfWanted() {
        guard let context, let partner, !inputHasEnded else { return }
        if partner.hasRoom { context.read() } else { mayReadLater = true }
    }

    // MARK: What this end writes

    private var hasRoom: Bool { context?.channel.isWritable ?? false }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable, let partner, partner.mayReadLater {
            partner.mayReadLater = false
            partner.readIfWanted()
        }
        context.fireChannelWritabilityChanged()
    }

    private func write(_ buffer: ByteBuffer) {
        guard let context else { return }
        unwritten += 1
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.write(wrapOutboundOut(buffer)).whenComplete { result in bound.value.wrote(result) }
    }

    private func wrote(_ result: Result<Void, any Error>) {
        unwritten -= 1
        if case .failure = result { return closeAll() }
        if unwritten == 0, outputHasEnded { shutOutput() }
    }

    private func flush() { context?.flush() }

    /// Passes the end of data on, behind everything that is still on its way.
    private func closeOutput() {
        guard !outputHasEnded else { return }
        outputHasEnded = true
        if unwritten == 0 { shutOutput() }
    }

    private func shutOutput() {
        guard let context else { return }
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.close(mode: .output).whenComplete { _ in
            bound.value.outputIsShut = true
            bound.value.closeIfDone()
        }
    }

    private func closeIfDone() {
        if inputHasEnded, outputIsShut { context?.close(promise: nil) }
    }

    private func closeAll() { context?.close(promise: nil) }
}
