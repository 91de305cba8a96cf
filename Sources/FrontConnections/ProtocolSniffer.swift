import NIOCore

/// Tells HTTP/2 by prior knowledge from HTTP/1.1 on a connection without TLS: the first begins with
/// a preface that is no request (RFC 9113, section 3.4).
package final class ProtocolSniffer<Spoken: Sendable>: ChannelInboundHandler, RemovableChannelHandler {
    package typealias InboundIn = ByteBuffer
    package typealias InboundOut = ByteBuffer

    private static var preface: [UInt8] { Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) }

    /// The connection, once it is known what it speaks; fails when it ends before.
    package let spoken: EventLoopFuture<Spoken>
    private let promise: EventLoopPromise<Spoken>
    private let configure: (HTTPVersion) throws -> Spoken
    private var bytes = ByteBuffer()
    private var isDone = false

    /// - Parameter configure: adds the version's handlers behind this one.
    package init(channel: any Channel, configure: @escaping (HTTPVersion) throws -> Spoken) {
        promise = channel.eventLoop.makePromise()
        spoken = promise.futureResult
        self.configure = configure
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isDone else { return context.fireChannelRead(data) }
        bytes.writeImmutableBuffer(unwrapInboundIn(data))
        let known = bytes.readableBytesView.prefix(Self.preface.count)
        guard Self.preface.starts(with: known) else { return become(.http1, context) }
        if known.count == Self.preface.count { become(.http2, context) }
    }

    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent, !isDone {
            // No more will come: whatever it is, it is no preface. Without a byte it is nothing.
            guard bytes.readableBytes > 0 else { return context.close(promise: nil) }
            return become(.http1, context, last: event)
        }
        if event is ChannelShouldQuiesceEvent, !isDone { context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    package func channelInactive(context: ChannelHandlerContext) {
        give(up: ChannelError.ioOnClosedChannel)
        context.fireChannelInactive()
    }

    package func handlerRemoved(context: ChannelHandlerContext) { give(up: ChannelError.ioOnClosedChannel) }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard !isDone else { return context.fireErrorCaught(error) }
        give(up: error)
        context.close(promise: nil)
    }

    /// - Parameter last: what happened on the connection behind its bytes; told before this handler goes, which
    ///   nothing reaches the others from afterwards.
    private func become(_ version: HTTPVersion, _ context: ChannelHandlerContext, last: Any? = nil) {
        guard !isDone else { return }
        isDone = true
        do {
            promise.succeed(try configure(version))
        } catch {
            promise.fail(error)
            return context.close(promise: nil)
        }
        if bytes.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(bytes)) }
        if let last { context.fireUserInboundEventTriggered(last) }
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    private func give(up error: any Error) {
        guard !isDone else { return }
        isDone = true
        promise.fail(error)
    }
}

/// What a connection speaks.
package enum HTTPVersion: Sendable {
    case http1
    case http2
}
