import FrontConnections
import NIOCore

/// A connection of HTTP/1.1: its requests one after the other, each an exchange of its own.
final class HTTP1Client: ChannelDuplexHandler, ExchangeClient {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Phase {
        /// Between requests, or within a head.
        case head(HeadReader)
        case exchange(Exchange, BodyReader)
        /// The request is complete, its answer isn't: what follows waits.
        case answer(Exchange)
        case webSocket(Exchange)
        /// Nothing more is read but to be thrown away.
        case closing
    }

    /// What is thrown away of what a client still sends when its connection is being closed.
    private static let maximumDrainedBytes = 1 << 20
    private static let lingering = TimeAmount.seconds(2)

    private let front: FrontState
    private let address: ClientAddress
    private var context: ChannelHandlerContext?
    private var phase = Phase.head(HeadReader())
    private var buffer = ByteBuffer()
    private var request: RequestHead?
    private var writing = BodyWriting.asIs
    private var keepsAlive = true
    private var isDraining = false
    private var drainedBytes = 0
    private var wantsRead = false
    private var isProcessing = false
    private var timer: Scheduled<Void>?

    init(front: FrontState, address: ClientAddress) {
        self.front = front
        self.address = address
    }

    // MARK: The channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        startTimer()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        leave()
        self.context = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        if case .closing = phase {
            drainedBytes += bytes.readableBytes
            if drainedBytes > Self.maximumDrainedBytes { context.close(promise: nil) }
            return
        }
        buffer.writeBuffer(&bytes)
        process()
    }

    /// Reading goes on by itself; a read that isn't wanted now is made up for later.
    func read(context: ChannelHandlerContext) {
        if mayRead { context.read() } else { wantsRead = true }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { exchange?.clientHasRoom() }
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case ChannelEvent.inputClosed:
            if case .webSocket(let exchange) = phase { return exchange.clientEnded() }
            leave()
            context.close(promise: nil)
        case is ChannelShouldQuiesceEvent:
            isDraining = true
            if case .head(let reader) = phase, reader.isAtStart(of: buffer) { context.close(promise: nil) }
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        leave()
        context.fireChannelInactive()
    }

    /// Of a connection that was reset, or TLS that was cut, nobody hears any more.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        leave()
        context.close(promise: nil)
    }

    private func leave() {
        timer?.cancel()
        let exchange = exchange
        phase = .closing
        exchange?.clientLeft()
    }

    // MARK: Requests

    private var exchange: Exchange? {
        switch phase {
        case .exchange(let exchange, _), .answer(let exchange), .webSocket(let exchange): exchange
        case .head, .closing: nil
        }
    }

    private var mayRead: Bool {
        switch phase {
        case .head, .closing: true
        case .exchange(let exchange, _), .webSocket(let exchange): exchange.takesBody
        case .answer: false
        }
    }

    func goOn() {
        guard !isProcessing else { return }
        process()
        if wantsRead, mayRead {
            wantsRead = false
            context?.read()
        }
    }

    /// Takes what has come as far as it is wanted. What it causes can end here again: then the loop goes on.
    private func process() {
        guard !isProcessing else { return }
        isProcessing = true
        defer { isProcessing = false }
        do throws(MalformedMessage) {
            while try step() {}
        } catch {
            if let exchange { exchange.clientFailed(Refusal(error)) } else { refuse(Refusal(error)) }
        }
        buffer.discardReadBytes()
    }

    /// One step; false where there is nothing to do for now.
    private func step() throws(MalformedMessage) -> Bool {
        switch phase {
        case .head(var reader):
            let lines = try reader.next(from: &buffer)
            phase = .head(reader)
            guard let lines else { return false }
            begin(try RequestHead(lines: lines))
        case .exchange(let exchange, var reader):
            guard exchange.takesBody || reader.isOver else { return false }
            let part = try reader.next(from: &buffer)
            phase = .exchange(exchange, reader)
            switch part {
            case .bytes(let bytes):
                startTimer()
                exchange.clientSent(bytes)
            case .end:
                // Told once it can hear: while it is on its way there is nobody to tell.
                guard exchange.takesBody || request?.body == BodyFraming.none else { return false }
                timer?.cancel()
                phase = .answer(exchange)
                exchange.clientEnded()
            case nil: return false
            }
        case .webSocket(let exchange):
            guard exchange.takesBody, buffer.readableBytes > 0 else { return false }
            let bytes = buffer
            buffer = ByteBuffer()
            exchange.clientSent(bytes)
        case .answer: return false
        case .closing:
            buffer.clear()
            return false
        }
        return true
    }

    private func begin(_ head: RequestHead) {
        guard let context else { return }
        request = head
        let options = head.fields.elements(of: "connection")
        keepsAlive = head.version == .http11 && !options.contains("close")
        let exchange = Exchange(head, from: address, of: self, front: front, eventLoop: context.eventLoop)
        phase = .exchange(exchange, BodyReader(head.body))
        startTimer()
        exchange.start()
    }

    /// What isn't a request, between requests.
    private func refuse(_ refusal: Refusal) {
        request = nil
        keepsAlive = false
        let page = RefusalPage(refusal, to: nil, requestID: RequestID.mint())
        front.logger.debug("a connection sent no request", metadata: ["reason": "\(refusal.detail)"])
        send(page.head)
        send(page.body)
        close()
    }

    /// One timer for what a client may take: for a head from the first byte on, for each piece of a body.
    private func startTimer() {
        timer?.cancel()
        guard let context else { return }
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleTask(in: TimeAmount(front.options.clientTimeout)) { bound.value.timedOut() }
    }

    private func timedOut() {
        switch phase {
        case .head(let reader):
            if reader.isAtStart(of: buffer) { context?.close(promise: nil) } else { refuse(.slowClient) }
        // It is the sandbox that takes its time.
        case .exchange(let exchange, _):
            if exchange.takesBody { exchange.clientFailed(.slowClient) } else { startTimer() }
        case .answer, .webSocket, .closing: break
        }
    }

    // MARK: Answers

    var hasRoom: Bool { context?.channel.isWritable ?? false }

    func send(_ head: ResponseHead) {
        guard !head.isInformational else { return write(head.encoded()) }
        var framed: ResponseHead
        (framed, writing) = head.framed(for: request)
        // A request whose rest nobody takes leaves nothing behind it that could be read.
        if case .exchange(_, let reader) = phase, !reader.isOver { keepsAlive = false }
        if isDraining || writing == .untilClose { keepsAlive = false }
        if !keepsAlive { framed.fields.append("Connection", "close") }
        write(framed.encoded())
    }

    func send(_ bytes: ByteBuffer) {
        guard writing == .chunked else { return write(bytes) }
        for part in BodyWriting.chunk(bytes) { write(part, flush: false) }
        context?.flush()
    }

    func finish() {
        if case .webSocket = phase { return close() }
        if writing == .chunked { write(BodyWriting.lastChunk) }
        guard keepsAlive else { return close() }
        writing = .asIs
        phase = .head(HeadReader())
        startTimer()
        goOn()
    }

    /// Without the last chunk, or the rest of the length, the client knows that this isn't all.
    func breakOff() {
        phase = .closing
        context?.close(promise: nil)
    }

    func becomeWebSocket(_ head: ResponseHead) {
        guard let exchange else { return }
        timer?.cancel()
        phase = .webSocket(exchange)
        write(head.encoded())
        goOn()
    }

    func closeOutput() { context?.close(mode: .output, promise: nil) }

    private func write(_ bytes: ByteBuffer, flush: Bool = true) {
        guard let context else { return }
        context.write(wrapOutboundOut(bytes), promise: nil)
        if flush { context.flush() }
    }

    /// Closes the sending side, and the rest a moment later: a close with unread bytes resets the connection, and
    /// the client might lose the answer.
    private func close() {
        phase = .closing
        timer?.cancel()
        guard let context else { return }
        context.close(mode: .output, promise: nil)
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleTask(in: Self.lingering) { bound.value.close(promise: nil) }
        if wantsRead {
            wantsRead = false
            context.read()
        }
    }
}
