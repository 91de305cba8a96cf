import NIOCore

/// One end of a connection that is passed on: what comes here goes out at the other end, no faster than
/// it is taken there. Both ends live on one event loop.
protocol PipeSide: AnyObject {
    var context: ChannelHandlerContext? { get set }
    var other: (any PipeSide)? { get set }
    /// Whether a read was put off until the other end takes more.
    var owesRead: Bool { get set }
}

extension PipeSide {
    var takesMore: Bool { context?.channel.isWritable ?? false }

    func send(_ bytes: ByteBuffer) { context?.channel.write(bytes, promise: nil) }

    func flush() { context?.channel.flush() }

    /// The other end won't send more: says so here, once all that it sent is on its way. Closing before
    /// that would lose it where this end's peer has closed its side already.
    func endSending() {
        guard let context else { return }
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.assumeIsolated().whenSuccess { context.close(mode: .output, promise: nil) }
        context.channel.writeAndFlush(ByteBuffer(), promise: written)
    }

    /// Ends this end, once all that was sent here is on its way.
    func finish() {
        guard let context else { return }
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
        context.channel.writeAndFlush(ByteBuffer(), promise: written)
    }

    func readNow() {
        owesRead = false
        context?.read()
    }

    /// This end takes more again.
    func becameWritable() {
        if let other, other.owesRead { other.readNow() }
    }
}

/// An end whose bytes go to the other as they are.
final class BytePipeSide: ChannelDuplexHandler, PipeSide {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    var context: ChannelHandlerContext?
    var other: (any PipeSide)?
    var owesRead = false

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        other = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { other?.send(unwrapInboundIn(data)) }

    func channelReadComplete(context: ChannelHandlerContext) { other?.flush() }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event { other?.endSending() }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) { other?.finish() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { becameWritable() }
    }

    func read(context: ChannelHandlerContext) {
        if other?.takesMore ?? true { context.read() } else { owesRead = true }
    }
}
