import NIOCore

/// What a WebSocket connection allows, and how long it waits.
package struct WebSocketLimits: Sendable {
    package var maximumMessageBytes = 1 << 20
    /// Unread messages above this stop the reading, and TCP the client.
    package var maximumUnreadBytes = 1 << 20
    /// Pongs that the client hasn't taken; above, only the latest ping is answered (RFC 6455, section 5.5.3).
    package var maximumPongBytes = 16 * 1024
    package var pingInterval: TimeAmount = .seconds(20)
    /// How long a client may say nothing, pongs included.
    package var silence: TimeAmount = .seconds(60)
    package var closeTimeout: TimeAmount = .seconds(5)

    package init() {}
}

/// One WebSocket connection on its event loop: reads messages at the pace at which they are taken,
/// answers pings, notices a client that is gone, and closes in the order that RFC 6455 asks for.
package final class WebSocketHandler: ChannelDuplexHandler {
    package typealias InboundIn = ByteBuffer
    package typealias OutboundIn = Never
    package typealias OutboundOut = ByteBuffer

    private enum Phase {
        case open
        /// Our close frame is sent; the client's answer isn't there.
        case closing
        /// Nothing that comes is of interest.
        case over
    }

    private let limits: WebSocketLimits
    private let client: ClientConnection
    private let inbox: AsyncStream<WebSocketMessage>.Continuation
    private let messages: AsyncStream<WebSocketMessage>
    private var connection: WebSocketConnection?
    private var reader: WebSocketReader
    private var phase = Phase.open
    private var context: ChannelHandlerContext?

    private var unreadBytes = 0
    private var holdsRead = false
    private var unsentPongs = 0
    private var latestPing: ByteBuffer?
    private var lastHeard = NIODeadline.now()
    private var keepAlive: RepeatedTask?

    init(client: ClientConnection, limits: WebSocketLimits) {
        self.client = client
        self.limits = limits
        reader = WebSocketReader(maximumMessageBytes: limits.maximumMessageBytes)
        (messages, inbox) = AsyncStream<WebSocketMessage>.makeStream()
        client.atQuiesce { [inbox] in inbox.finish() }
    }

    package func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        lastHeard = .now()
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        keepAlive = context.eventLoop.scheduleRepeatedTask(
            initialDelay: limits.pingInterval, delay: limits.pingInterval
        ) { _ in bound.value.checkClient() }
    }

    package func handlerRemoved(context: ChannelHandlerContext) {
        end()
        self.context = nil
    }

    /// The connection's other face.
    func makeConnection(on channel: any Channel, room: OutboundRoom) -> WebSocketConnection {
        let made = WebSocketConnection(
            channel: channel, client: client, messages: messages,
            handler: NIOLoopBound(self, eventLoop: channel.eventLoop), room: room)
        connection = made
        return made
    }

    // MARK: What comes

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        lastHeard = .now()
        guard phase != .over else { return }
        reader.append(unwrapInboundIn(data))
        takeEvents()
    }

    package func channelReadComplete(context: ChannelHandlerContext) { context.flush() }

    package func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        end()
        context.close(promise: nil)
    }

    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case ChannelEvent.inputClosed:
            // Nobody half-closes a WebSocket connection: without its reader it is over.
            end()
            context.close(promise: nil)
        case is ChannelShouldQuiesceEvent: client.quiesce()
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    package func read(context: ChannelHandlerContext) {
        if isFull { holdsRead = true } else { context.read() }
    }

    private var isFull: Bool { phase == .open && unreadBytes >= limits.maximumUnreadBytes }

    private func takeEvents() {
        do throws(WebSocketViolation) {
            while phase != .over, !isFull, let event = try reader.next() { take(event) }
        } catch {
            refuse(error)
        }
    }

    private func take(_ event: WebSocketReader.Event) {
        switch event {
        case .message(let isText, let bytes):
            guard phase == .open else { return }
            let message = WebSocketMessage(isText: isText, bytes: bytes)
            unreadBytes += message.cost
            inbox.yield(message)
        case .ping(let payload):
            if phase == .open { pong(payload) }
        case .pong: break
        case .close(let code, _): answerClose(code)
        }
    }

    /// Messages that took `bytes` have been read.
    func release(_ bytes: Int) {
        unreadBytes -= bytes
        goOnReading()
    }

    private func goOnReading() {
        takeEvents()
        context?.flush()
        guard holdsRead, !isFull else { return }
        holdsRead = false
        context?.read()
    }

    // MARK: What goes

    func send(_ opcode: WebSocketOpcode, _ payload: ByteBuffer, _ promise: EventLoopPromise<Void>?) {
        guard phase == .open, let context else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        write(opcode, payload, promise, context)
        context.flush()
    }

    private func write(
        _ opcode: WebSocketOpcode, _ payload: ByteBuffer, _ promise: EventLoopPromise<Void>?,
        _ context: ChannelHandlerContext
    ) {
        let header = WebSocketFrameHeader.server(opcode, length: payload.readableBytes)
        context.write(wrapOutboundOut(header), promise: payload.readableBytes == 0 ? promise : nil)
        if payload.readableBytes > 0 { context.write(wrapOutboundOut(payload), promise: promise) }
    }

    private func pong(_ payload: ByteBuffer) {
        guard let context else { return }
        guard unsentPongs < limits.maximumPongBytes else {
            latestPing = payload
            return
        }
        let size = payload.readableBytes + 2
        unsentPongs += size
        let promise = context.eventLoop.makePromise(of: Void.self)
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        promise.futureResult.whenComplete { _ in bound.value.pongSent(size) }
        write(.pong, payload, promise, context)
    }

    private func pongSent(_ size: Int) {
        unsentPongs -= size
        guard unsentPongs == 0, phase == .open, let payload = latestPing else { return }
        latestPing = nil
        pong(payload)
        context?.flush()
    }

    /// Asks a client that says nothing whether it is there, and gives up on one that never answers.
    private func checkClient() {
        guard let context else { return }
        // What isn't read can't be heard.
        if holdsRead { lastHeard = .now() }
        if NIODeadline.now() - lastHeard >= limits.silence {
            end()
            context.close(promise: nil)
        } else if phase == .open, unsentPongs < limits.maximumPongBytes {
            unsentPongs += 2
            let promise = context.eventLoop.makePromise(of: Void.self)
            let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
            promise.futureResult.whenComplete { _ in bound.value.pongSent(2) }
            write(.ping, ByteBuffer(), promise, context)
            context.flush()
        }
    }

    // MARK: The end

    /// Our side closes: behind all that was written.
    func close(_ code: WebSocketCloseCode, _ reason: String) {
        guard phase == .open, let context else { return }
        phase = .closing
        inbox.finish()
        writeClose(code, reason, context) { $0.awaitAnswer() }
        goOnReading()
    }

    private func awaitAnswer() {
        if phase == .closing { close(in: limits.closeTimeout) }
    }

    private func close(in time: TimeAmount) {
        guard let loop = context?.eventLoop else { return }
        let bound = NIOLoopBound(self, eventLoop: loop)
        loop.scheduleTask(in: time) { bound.value.context?.close(promise: nil) }
    }

    /// The client closes, or answers our close.
    private func answerClose(_ code: WebSocketCloseCode?) {
        guard let context else { return }
        let isAnswer = phase == .closing
        end()
        guard !isAnswer else { return context.close(promise: nil) }
        writeClose(code, "", context) { $0.context?.close(promise: nil) }
        close(in: limits.closeTimeout)
    }

    /// The client broke the protocol: it is told, and nothing more of it is read.
    private func refuse(_ violation: WebSocketViolation) {
        guard let context else { return }
        let isOpen = phase == .open
        end()
        guard isOpen else { return context.close(promise: nil) }
        // A close with unread bytes resets the connection, and the client might lose the reason.
        writeClose(violation.code, violation.reason, context) { handler in
            handler.context?.close(mode: .output, promise: nil)
            handler.close(in: .seconds(1))
        }
        close(in: limits.closeTimeout)
    }

    private func writeClose(
        _ code: WebSocketCloseCode?, _ reason: String, _ context: ChannelHandlerContext,
        then next: @escaping (WebSocketHandler) -> Void
    ) {
        var payload = ByteBuffer()
        if let code {
            payload.writeInteger(code.number)
            payload.writeString(reason.shortened(toUTF8Bytes: 123))
        }
        let promise = context.eventLoop.makePromise(of: Void.self)
        let bound = NIOLoopBound((self, next), eventLoop: context.eventLoop)
        promise.futureResult.whenComplete { _ in
            let (handler, next) = bound.value
            next(handler)
        }
        write(.close, payload, promise, context)
        context.flush()
    }

    /// Whoever reads or writes is told that it is over.
    private func end() {
        phase = .over
        keepAlive?.cancel()
        keepAlive = nil
        inbox.finish()
        client.clientLeft()
        connection?.credit.end()
    }
}

extension String {
    /// As many whole characters as fit in so many bytes: a close frame holds 125.
    fileprivate func shortened(toUTF8Bytes limit: Int) -> String {
        var text = self
        while text.utf8.count > limit { text.removeLast() }
        return text
    }
}
