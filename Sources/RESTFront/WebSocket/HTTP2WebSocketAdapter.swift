import NIOCore
import NIOHTTP2

/// The bytes of an HTTP/2 stream that an extended CONNECT opened (RFC 8441, section 5): DATA frames
/// carry what TCP carries elsewhere, END_STREAM is its end.
final class HTTP2WebSocketAdapter: ChannelDuplexHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = HTTP2Frame.FramePayload

    private var hasEnded = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .data(let content) = unwrapInboundIn(data), case .byteBuffer(let bytes) = content.data else {
            return
        }
        if bytes.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(bytes)) }
        if content.endStream { context.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let bytes = unwrapOutboundIn(data)
        context.write(wrapOutboundOut(.data(.init(data: .byteBuffer(bytes)))), promise: promise)
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if !hasEnded {
            hasEnded = true
            context.writeAndFlush(
                wrapOutboundOut(.data(.init(data: .byteBuffer(ByteBuffer()), endStream: true))), promise: nil)
        }
        // Half a close is the frame alone; a whole one also ends a stream that the client keeps open.
        if mode == .output { promise?.succeed() } else { context.close(mode: mode, promise: promise) }
    }
}
