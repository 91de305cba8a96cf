import NIOCore
import NIOWebSocket

/// The client's side of RFC 6455 above frames: puts messages together, answers pings and the close,
/// masks what goes out, and ends the connection where the server breaks the rules.
final class WebSocketMessageHandler: ChannelDuplexHandler {
    typealias InboundIn = WebSocketFrame
    typealias InboundOut = WebSocketMessage
    typealias OutboundIn = WebSocketMessage
    typealias OutboundOut = WebSocketFrame

    /// The most bytes of one message, in however many frames.
    static let maximumMessageBytes = 1 << 20

    private var partial: (isText: Bool, bytes: ByteBuffer)?
    private var hasClosed = false
    /// The latest ping that couldn't be answered yet; of several, one answer is enough (section 5.5.3).
    private var unanswered: ByteBuffer?

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = unwrapInboundIn(data)
        guard !hasClosed else { return }
        guard frame.maskKey == nil, !frame.rsv1, !frame.rsv2, !frame.rsv3 else {
            return end(context, .protocolError, "a frame of a server's is neither masked nor extended")
        }
        switch frame.opcode {
        case .text, .binary: begin(context, frame)
        case .continuation: proceed(context, frame)
        case .ping:
            unanswered = frame.data
            answerPing(context)
        case .pong: break
        case .connectionClose: answerClose(context, frame.data)
        default: end(context, .protocolError, "an unknown opcode")
        }
    }

    private func begin(_ context: ChannelHandlerContext, _ frame: WebSocketFrame) {
        guard partial == nil else { return end(context, .protocolError, "a message within a message") }
        if frame.fin {
            fire(context, isText: frame.opcode == .text, frame.data)
        } else {
            partial = (frame.opcode == .text, frame.data)
        }
    }

    private func proceed(_ context: ChannelHandlerContext, _ frame: WebSocketFrame) {
        guard var message = partial else { return end(context, .protocolError, "a continuation of nothing") }
        guard message.bytes.readableBytes + frame.data.readableBytes <= Self.maximumMessageBytes else {
            return end(context, .messageTooLarge, "more than \(Self.maximumMessageBytes) bytes")
        }
        message.bytes.writeImmutableBuffer(frame.data)
        partial = frame.fin ? nil : message
        if frame.fin { fire(context, isText: message.isText, message.bytes) }
    }

    private func fire(_ context: ChannelHandlerContext, isText: Bool, _ bytes: ByteBuffer) {
        context.fireChannelRead(wrapInboundOut(isText ? .text(bytes) : .binary(bytes)))
    }

    // MARK: Control frames

    private func answerPing(_ context: ChannelHandlerContext) {
        guard context.channel.isWritable, let payload = unanswered else { return }
        unanswered = nil
        context.writeAndFlush(wrapOutboundOut(masked(.pong, payload)), promise: nil)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        answerPing(context)
        context.fireChannelWritabilityChanged()
    }

    private func answerClose(_ context: ChannelHandlerContext, _ payload: ByteBuffer) {
        var bytes = payload
        let code = bytes.readInteger(as: UInt16.self)
        let reason = String(buffer: bytes)
        hasClosed = true
        context.fireChannelRead(wrapInboundOut(.closed(code: code, reason: reason)))
        finish(context, code.map { ByteBuffer(integer: $0) } ?? ByteBuffer())
    }

    /// Says why, and ends the connection.
    private func end(_ context: ChannelHandlerContext, _ code: WebSocketErrorCode, _ reason: String) {
        guard !hasClosed else { return }
        hasClosed = true
        var payload = ByteBuffer()
        payload.write(webSocketErrorCode: code)
        payload.writeString(reason)
        context.fireErrorCaught(ClientError.unexpected("on a WebSocket: \(reason)"))
        finish(context, payload)
    }

    private func finish(_ context: ChannelHandlerContext, _ payload: ByteBuffer) {
        let channel = context.channel
        context.writeAndFlush(wrapOutboundOut(masked(.connectionClose, payload))).whenComplete { _ in
            channel.close(promise: nil)
        }
    }

    // MARK: What goes out

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard !hasClosed else {
            promise?.fail(ChannelError.outputClosed)
            return
        }
        switch unwrapOutboundIn(data) {
        case .text(let bytes): context.write(wrapOutboundOut(masked(.text, bytes)), promise: promise)
        case .binary(let bytes): context.write(wrapOutboundOut(masked(.binary, bytes)), promise: promise)
        case .closed(let code, let reason):
            hasClosed = true
            var payload = code.map { ByteBuffer(integer: $0) } ?? ByteBuffer()
            payload.writeString(reason)
            context.write(wrapOutboundOut(masked(.connectionClose, payload)), promise: promise)
        }
    }

    private func masked(_ opcode: WebSocketOpcode, _ bytes: ByteBuffer) -> WebSocketFrame {
        WebSocketFrame(fin: true, opcode: opcode, maskKey: .random(), data: bytes)
    }
}
