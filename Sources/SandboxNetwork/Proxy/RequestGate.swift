import NIOCore
import NIOHTTP1

/// The near end of a connection that speaks HTTP/1: every request's host is judged before it goes on, and
/// it goes on as it was understood here, so that nobody behind understands more requests than were judged.
final class RequestGate: ChannelDuplexHandler, PipeSide {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum State {
        case open
        /// A head is being judged, or the far end connected.
        case judging
        /// Nothing more goes on.
        case refused
    }

    private let caller: ProxyCaller
    private let plan: ProxyPlan
    private var state = State.open
    private var parts = CircularBuffer<HTTPServerRequestPart>()
    private var framing = RequestFraming.none
    private var ended = false
    private var timer: Scheduled<Void>?

    var context: ChannelHandlerContext?
    var other: (any PipeSide)?
    var owesRead = false

    private init(_ caller: ProxyCaller, _ plan: ProxyPlan) {
        self.caller = caller
        self.plan = plan
    }

    /// Puts the decoder and the gate behind the handler of `context`, and begins to read.
    static func install(on context: ChannelHandlerContext, _ caller: ProxyCaller, _ plan: ProxyPlan) throws {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = 16 * 1024
        limits.maxHeaderListSize = 64 * 1024
        limits.maxHeaderFieldCount = 128
        let decoder = HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes, limitConfiguration: limits)
        try context.pipeline.syncOperations.addHandlers(
            [ByteToMessageHandler(decoder), RequestGate(caller, plan)], position: .last)
        try context.channel.syncOptions?.setOption(.autoRead, value: true)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        startTimer(plan.limits.opening)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer?.cancel()
        self.context = nil
        other = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard state != .refused else { return }
        parts.append(unwrapInboundIn(data))
        advance()
    }

    func channelReadComplete(context: ChannelHandlerContext) { other?.flush() }

    private func advance() {
        while state == .open, let part = parts.popFirst() {
            switch part {
            case .head(let head): judge(head)
            case .body(let bytes): other?.send(framing.piece(bytes))
            case .end:
                if let end = framing.end() { other?.send(end) }
                timer?.cancel()
            }
        }
        guard state == .open else { return }
        other?.flush()
        if ended { other?.endSending() }
        if owesRead, other?.takesMore ?? true { readNow() }
    }

    private func judge(_ head: HTTPRequestHead) {
        guard let context else { return }
        state = .judging
        switch RequestTarget.read(head, port: caller.place.port) {
        case .refused(let rule): refuse(nil, rule)
        case .host(let name):
            let promise = context.eventLoop.makePromise(of: String?.self)
            promise.completeWithTask { [plan, caller] in await plan.refusal(of: name, caller) }
            promise.futureResult.assumeIsolated().whenSuccess { rule in
                guard self.state == .judging, self.context != nil else { return }
                if let rule { return self.refuse(name, rule) }
                self.permitted(head, name)
            }
        }
    }

    private func permitted(_ head: HTTPRequestHead, _ name: String) {
        guard let context else { return }
        plan.connections.note(context.channel, caller, name: name)
        guard other == nil else { return forward(head) }
        ProxyConnector.connect(caller.place, within: plan.limits.connecting, on: context.eventLoop)
            .assumeIsolated().whenComplete { result in
                guard case .success(let far) = result else { return self.answer(.unreachable(name, self.caller.place)) }
                guard self.context != nil, (try? ProxyConnector.join(self, far)) != nil else {
                    return far.close(promise: nil)
                }
                self.plan.counters.count(.proxied)
                self.forward(head)
            }
    }

    private func forward(_ head: HTTPRequestHead) {
        let (bytes, framing) = RequestFraming.head(of: head)
        self.framing = framing
        other?.send(bytes)
        state = .open
        advance()
    }

    // MARK: Refusals

    private func refuse(_ name: String?, _ rule: String) {
        plan.deny(caller, name: name, rule: rule)
        guard let other else { return answer(.denied(name, caller.place, rule)) }
        // Answers to the requests before are still coming: they end, and the connection with them.
        state = .refused
        parts.removeAll()
        other.endSending()
        startTimer(plan.limits.lingering)
    }

    /// Answers in the server's place, and ends.
    private func answer(_ answer: ProxyAnswer) {
        guard let context else { return }
        state = .refused
        parts.removeAll()
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: answer.bytes)), promise: nil)
        endSending()
        // What the client still sends is read and dropped: a close would reset the connection under the answer.
        readNow()
        startTimer(.seconds(2))
    }

    private func startTimer(_ amount: TimeAmount) {
        timer?.cancel()
        guard let context else { return }
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: amount) { context.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard state == .open, error is HTTPParserError, other == nil else { return context.close(promise: nil) }
        refuse(nil, "not HTTP/1 as we read it")
    }

    // MARK: Flow

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case ChannelEvent.inputClosed = event else { return context.fireUserInboundEventTriggered(event) }
        ended = true
        if other == nil, state == .open { return context.close(promise: nil) }
        if state == .open { other?.endSending() }
    }

    func channelInactive(context: ChannelHandlerContext) { other?.finish() }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { becameWritable() }
    }

    func read(context: ChannelHandlerContext) {
        if state == .refused || (state == .open && parts.isEmpty && other?.takesMore ?? true) {
            context.read()
        } else {
            owesRead = true
        }
    }
}
