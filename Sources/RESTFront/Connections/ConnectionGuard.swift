import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOSSL

/// A body that ended before it was complete.
struct BodyBrokenOff: Error {}

/// Watches one connection between the HTTP codec and the request loop: times requests that don't
/// get complete, answers what isn't HTTP with a problem document, makes a body that breaks off an
/// error instead of an end, bounds what is drained after an early answer, and tells handlers when
/// the client has left.
final class ConnectionGuard: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// What is read of a body after its request was answered, before the connection is closed.
    private static let maximumDrainedBytes = 1 << 20

    private let connection: ClientConnection
    private let headTimeout: TimeAmount
    private let bodyTimeout: TimeAmount

    /// Requests whose head has come and whose answer hasn't ended; pipelined ones included.
    private var unanswered = 0
    private var readingBody = false
    /// What hasn't come of the body being read; nil where nobody said how much there is.
    private var bodyLeft: Int?
    private var drainedBytes = 0
    private var closeAfterAnswer = false
    /// Bytes behind a request for an upgrade aren't HTTP: they stay with the kernel until it is answered.
    private var holdsReads = false
    /// An error in what follows a request that is still being answered.
    private var pendingFailure: GuardAnswer?
    private var asksForUpgrade = false
    private var finished = false
    private var timer: Scheduled<Void>?

    init(connection: ClientConnection, headTimeout: TimeAmount, bodyTimeout: TimeAmount) {
        self.connection = connection
        self.headTimeout = headTimeout
        self.bodyTimeout = bodyTimeout
    }

    func handlerAdded(context: ChannelHandlerContext) { startTimer(headTimeout, context) }

    func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        leave(context)
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case ChannelEvent.inputClosed: leave(context)
        case is ChannelShouldQuiesceEvent: connection.quiesce()
        default: break
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !finished else { return }
        switch unwrapInboundIn(data) {
        case .head(let head): began(head, context)
        case .body(let bytes):
            bodyLeft? -= bytes.readableBytes
            if unanswered == 0 {
                drainedBytes += bytes.readableBytes
                if drainedBytes > Self.maximumDrainedBytes { return close(context) }
            }
        case .end:
            readingBody = false
            holdsReads = asksForUpgrade
            timer?.cancel()
            if unanswered == 0 { startTimer(headTimeout, context) }
        }
        context.fireChannelRead(data)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard !finished else { return }
        // Of a stream that was reset, or a TLS connection that was cut, nobody hears any more.
        if connection.isStream || error is NIOSSLError || error is BoringSSLError {
            leave(context)
            return context.close(promise: nil)
        }
        if readingBody {
            readingBody = false
            closeAfterAnswer = true
            // Whoever reads the body is told; when nobody does any more, the connection is of no use.
            if unanswered == 0 { return close(context) }
            context.fireErrorCaught(BodyBrokenOff())
        } else if error is HTTPParserError || !(error is IOError || error is ChannelError) {
            let answer = GuardAnswer(error)
            if unanswered > 0 { pendingFailure = answer } else { fail(answer, context) }
        } else {
            context.fireErrorCaught(error)
        }
    }

    func read(context: ChannelHandlerContext) {
        if !holdsReads || finished { context.read() }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard !finished else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        let part = unwrapOutboundIn(data)
        if case .head(var head) = part, !connection.isStream, unanswered == 1, head.status.kind != .informational {
            // More may come of the body than is drained: who is told so asks for nothing else here.
            if readingBody, bodyLeft ?? .max > Self.maximumDrainedBytes { closeAfterAnswer = true }
            guard closeAfterAnswer else { return context.write(data, promise: promise) }
            let said = head.headerFields[.connection]
            head.headerFields[.connection] = said.map { $0 + ", close" } ?? "close"
            return context.write(wrapOutboundOut(.head(head)), promise: promise)
        }
        guard case .end = part else { return context.write(data, promise: promise) }
        unanswered -= 1
        drainedBytes = 0
        context.write(data, promise: promise)
        guard unanswered == 0 else { return }
        if let pendingFailure {
            fail(pendingFailure, context)
        } else if closeAfterAnswer {
            close(context)
        } else {
            startTimer(readingBody ? bodyTimeout : headTimeout, context)
        }
    }

    private func began(_ head: HTTPRequest, _ context: ChannelHandlerContext) {
        unanswered += 1
        readingBody = true
        let announced = head.headerFields[.contentLength].map { Int($0) ?? .max }
        bodyLeft = head.headerFields[.transferEncoding] == nil ? announced ?? 0 : nil
        connection.allowsSlowBody = false
        // NIO stops parsing behind a request that asks for an upgrade: where it isn't given one, that was it.
        asksForUpgrade = head.method == .connect || (head.headerFields[.upgrade] != nil && !connection.isStream)
        if asksForUpgrade { closeAfterAnswer = true }
        // A stream's bytes are never HTTP's behind an extended CONNECT, which has no end.
        if asksForUpgrade, connection.isStream { holdsReads = true }
        if unanswered == 1, head.headerFields[.expect]?.lowercased() == "100-continue" {
            context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
        }
        startTimer(bodyTimeout, context)
    }

    /// The client's side is closed: no more bytes will come.
    private func leave(_ context: ChannelHandlerContext) {
        if readingBody {
            readingBody = false
            context.fireErrorCaught(BodyBrokenOff())
        }
        connection.clientLeft()
    }

    private func startTimer(_ amount: TimeAmount, _ context: ChannelHandlerContext) {
        timer?.cancel()
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleTask(in: amount) {
            let (watch, context) = bound.value
            watch.timedOut(context)
        }
    }

    private func timedOut(_ context: ChannelHandlerContext) {
        let waitsForHead = unanswered == 0
        guard waitsForHead || (readingBody && !connection.allowsSlowBody) else { return }
        close(context)
    }

    private func fail(_ answer: GuardAnswer, _ context: ChannelHandlerContext) {
        finished = true
        timer?.cancel()
        context.write(wrapOutboundOut(.head(answer.head)), promise: nil)
        context.write(wrapOutboundOut(.body(ByteBuffer(bytes: answer.body))), promise: nil)
        context.write(wrapOutboundOut(.end(nil)), promise: nil)
        lingerThenClose(context)
    }

    private func close(_ context: ChannelHandlerContext) {
        finished = true
        timer?.cancel()
        lingerThenClose(context)
    }

    /// Closes the sending side, reads and discards for a moment, then closes: a close with unread
    /// bytes resets the connection, and the client might lose the answer.
    private func lingerThenClose(_ context: ChannelHandlerContext) {
        context.flush()
        if connection.isStream { return context.close(promise: nil) }
        context.close(mode: .output, promise: nil)
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: .seconds(2)) { bound.value.close(promise: nil) }
        context.fireChannelInactiveInput()
    }
}

extension ChannelHandlerContext {
    /// Tells the request loop that nothing more will come.
    fileprivate func fireChannelInactiveInput() { fireUserInboundEventTriggered(ChannelEvent.inputClosed) }
}
