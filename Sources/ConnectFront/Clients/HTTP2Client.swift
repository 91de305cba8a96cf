import FrontConnections
import NIOCore
import NIOHPACK
import NIOHTTP2

/// A stream of HTTP/2: one exchange.
final class HTTP2Client: ChannelDuplexHandler, ExchangeClient {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias OutboundIn = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    private let front: FrontState
    private let address: ClientAddress
    private var context: ChannelHandlerContext?
    private var exchange: Exchange?
    private var request: RequestHead?
    /// What came before it was wanted: no more than the stream's window.
    private var pending = CircularBuffer<ByteBuffer>()
    private var hasEnded = false
    private var hasToldEnd = false
    private var isClosed = false
    private var hasClosedOutput = false
    private var wantsRead = false
    private var timer: Scheduled<Void>?

    init(front: FrontState, address: ClientAddress) {
        self.front = front
        self.address = address
    }

    // MARK: The stream

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        leave()
        self.context = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .headers(let headers):
            if headers.endStream { hasEnded = true }
            // Trailers are dropped.
            if exchange == nil { begin(headers, context) }
        case .data(let content):
            if case .byteBuffer(let bytes) = content.data, bytes.readableBytes > 0 { pending.append(bytes) }
            if content.endStream { hasEnded = true }
        default: return
        }
        startTimer()
        goOn()
    }

    func read(context: ChannelHandlerContext) {
        if exchange == nil || exchange?.takesBody ?? false { context.read() } else { wantsRead = true }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { exchange?.clientHasRoom() }
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        leave()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        leave()
        context.close(promise: nil)
    }

    private func leave() {
        isClosed = true
        timer?.cancel()
        exchange?.clientLeft()
    }

    private func begin(_ headers: HTTP2Frame.FramePayload.Headers, _ context: ChannelHandlerContext) {
        do {
            let head = try RequestHead(headers.headers, endsStream: headers.endStream)
            request = head
            let exchange = Exchange(head, from: address, of: self, front: front, eventLoop: context.eventLoop)
            self.exchange = exchange
            exchange.start()
        } catch {
            let page = RefusalPage(Refusal(error), to: nil, requestID: RequestID.mint())
            send(page.head)
            send(page.body)
            finish()
        }
    }

    func goOn() {
        guard let exchange, !isClosed else { return }
        while exchange.takesBody, !pending.isEmpty { exchange.clientSent(pending.removeFirst()) }
        if hasEnded, pending.isEmpty, !hasToldEnd, exchange.takesBody {
            hasToldEnd = true
            timer?.cancel()
            exchange.clientEnded()
        }
        if wantsRead, exchange.takesBody {
            wantsRead = false
            context?.read()
        }
    }

    private func startTimer() {
        timer?.cancel()
        guard let context, let exchange, !hasEnded, !isClosed, !(request?.isWebSocket ?? false) else { return }
        let bound = NIOLoopBound((self, exchange), eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleTask(in: TimeAmount(front.options.clientTimeout)) {
            let (client, exchange) = bound.value
            if exchange.takesBody { exchange.clientFailed(.slowClient) } else { client.startTimer() }
        }
    }

    // MARK: Answers

    var hasRoom: Bool { context?.channel.isWritable ?? false }

    func send(_ head: ResponseHead) {
        var fields = HPACKHeaders([(":status", String(head.status))])
        for field in head.fields.all { fields.add(name: field.name.lowercased(), value: field.value) }
        if case .length(let bytes) = head.body { fields.add(name: "content-length", value: String(bytes)) }
        write(.headers(.init(headers: fields)))
    }

    func send(_ bytes: ByteBuffer) { write(.data(.init(data: .byteBuffer(bytes)))) }

    func finish() {
        guard !isClosed else { return }
        isClosed = true
        timer?.cancel()
        closeOutput()
        // The rest of the request isn't needed (RFC 9113, section 8.1).
        if !hasEnded { write(.rstStream(.noError)) }
    }

    func breakOff() {
        isClosed = true
        timer?.cancel()
        context?.close(promise: nil)
    }

    func becomeWebSocket(_ head: ResponseHead) {
        send(head)
        goOn()
    }

    func closeOutput() {
        guard !hasClosedOutput else { return }
        hasClosedOutput = true
        write(.data(.init(data: .byteBuffer(ByteBuffer()), endStream: true)))
    }

    private func write(_ payload: HTTP2Frame.FramePayload) {
        context?.writeAndFlush(wrapOutboundOut(payload), promise: nil)
    }
}
