import NIOCore

/// The sandbox's side of one exchange: one request and one answer on a connection, or a WebSocket behind them.
/// What comes from there is hostile: every length and count has a bound, and reading stops where the client
/// doesn't keep up.
final class SandboxHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum State {
        case head(HeadReader)
        case body(BodyReader)
        case webSocket
        case over
    }

    /// Informational answers before the final one.
    private static let maximumInformational = 16

    weak var exchange: Exchange?
    /// Whether nothing more can come from there, whoever has been told.
    private(set) var hasEnded = false
    private let method: String
    private var state = State.head(HeadReader())
    private var buffer = ByteBuffer()
    private var informational = 0
    private var context: ChannelHandlerContext?
    private var isReading = false

    init(method: String) { self.method = method }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    /// Whether more may be sent without its waiting here.
    var hasRoom: Bool { context?.channel.isWritable ?? false }

    // MARK: To the sandbox

    func send(_ head: RequestHead, on channel: any Channel) {
        write(head.encoded())
        resumeReading()
    }

    func send(_ bytes: ByteBuffer, isChunked: Bool) {
        guard isChunked else { return write(bytes) }
        for part in BodyWriting.chunk(bytes) { write(part, flush: false) }
        context?.flush()
    }

    func sendLastChunk() { write(BodyWriting.lastChunk) }

    func becomeWebSocket() { state = .webSocket }

    func closeOutput() { context?.close(mode: .output, promise: nil) }

    func close() {
        state = .over
        context?.close(promise: nil)
    }

    func resumeReading() {
        guard !isReading, exchange?.clientHasRoomNow ?? false else { return }
        isReading = true
        context?.read()
    }

    private func write(_ bytes: ByteBuffer, flush: Bool = true) {
        guard let context else { return }
        context.write(wrapOutboundOut(bytes), promise: nil)
        if flush { context.flush() }
    }

    // MARK: From the sandbox

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        if case .webSocket = state {
            exchange?.sandboxSent(bytes)
            return
        }
        buffer.writeBuffer(&bytes)
        do throws(MalformedMessage) { try process() } catch {
            state = .over
            exchange?.sandboxFailed()
        }
        buffer.discardReadBytes()
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        resumeReading()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { exchange?.sandboxHasRoom() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .inputClosed? = event as? ChannelEvent else { return }
        hasEnded = true
        switch state {
        case .webSocket: exchange?.sandboxEnded()
        case .body(let reader) where reader.endsWithConnection: finish()
        case .head, .body: exchange?.sandboxClosed()
        case .over: break
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        hasEnded = true
        if case .body(let reader) = state, reader.endsWithConnection { return finish() }
        exchange?.sandboxClosed()
    }

    /// A reset counts as the end of the connection, which follows.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if case .body(let reader) = state, reader.endsWithConnection {
            // Where nothing but the end of the connection says that the answer is whole, a reset says that it isn't.
            state = .over
            exchange?.sandboxFailed()
        }
        context.close(promise: nil)
    }

    private func process() throws(MalformedMessage) {
        while true {
            switch state {
            case .over: return buffer.clear()
            case .webSocket:
                if let bytes = buffer.readSlice(length: buffer.readableBytes), bytes.readableBytes > 0 {
                    exchange?.sandboxSent(bytes)
                }
                return
            case .head(var reader):
                let lines = try reader.next(from: &buffer)
                state = .head(reader)
                guard let lines else { return }
                try answered(try ResponseHead(lines: lines, to: method))
            case .body(var reader):
                let part = try reader.next(from: &buffer)
                state = .body(reader)
                switch part {
                case .bytes(let bytes): exchange?.sandboxSent(bytes)
                case .end: return finish()
                case nil: return
                }
            }
        }
    }

    private func answered(_ head: ResponseHead) throws(MalformedMessage) {
        if head.isInformational, head.status != 101 {
            informational += 1
            guard informational <= Self.maximumInformational else {
                throw MalformedMessage("too many informational answers")
            }
        } else {
            state = .body(BodyReader(head.body))
        }
        exchange?.sandboxAnswered(head)
    }

    private func finish() {
        state = .over
        exchange?.sandboxEnded()
    }
}
