import NIOCore
import NIOPosix

/// What one try with one server came to.
enum ExchangeOutcome: Sendable {
    case answer(DNSMessage)
    /// Something came that may be forged, or made by a server that doesn't keep case: to be asked over TCP.
    case doubtful
    case silent
}

/// Sends one query to one server and waits for its answer, on a socket that is made for it and closed
/// after it whatever happens.
enum UpstreamExchange {
    static func overUDP(
        _ query: UpstreamQuery, with server: UpstreamServer, within limit: TimeAmount, on loop: any EventLoop
    ) async -> ExchangeOutcome {
        let promise = loop.makePromise(of: ExchangeOutcome.self)
        let timer = loop.scheduleTask(in: limit) { promise.succeed(.silent) }
        let bootstrap = DatagramBootstrap(group: loop).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(DatagramAnswerHandler(query, promise))
            }
        }
        // Connected, so that the kernel drops what comes from elsewhere, and tells of unreachable ports.
        let opening = bootstrap.connect(to: server.address)
        opening.whenSuccess { channel in
            promise.futureResult.whenComplete { _ in channel.close(promise: nil) }
            channel.writeAndFlush(
                AddressedEnvelope(remoteAddress: server.address, data: ByteBuffer(bytes: query.bytes)), promise: nil)
        }
        opening.whenFailure { _ in promise.succeed(.silent) }
        promise.futureResult.whenComplete { _ in timer.cancel() }
        return (try? await promise.futureResult.get()) ?? .silent
    }

    /// RFC 7766; one query for each connection.
    static func overTCP(
        _ query: UpstreamQuery, with server: UpstreamServer, within limit: TimeAmount, on loop: any EventLoop
    ) async -> ExchangeOutcome {
        let promise = loop.makePromise(of: ExchangeOutcome.self)
        let timer = loop.scheduleTask(in: limit) { promise.succeed(.silent) }
        let opening = ClientBootstrap(group: loop).connectTimeout(limit).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandlers([
                    ByteToMessageHandler(LengthPrefixDecoder(maximumBytes: Int(UInt16.max))),
                    StreamAnswerHandler(query, promise),
                ])
            }
        }.connect(to: server.address)
        opening.whenSuccess { channel in
            promise.futureResult.whenComplete { _ in channel.close(promise: nil) }
            let bytes = query.bytes
            var buffer = ByteBuffer(integer: UInt16(bytes.count))
            buffer.writeBytes(bytes)
            channel.writeAndFlush(buffer, promise: nil)
        }
        opening.whenFailure { _ in promise.succeed(.silent) }
        promise.futureResult.whenComplete { _ in timer.cancel() }
        return (try? await promise.futureResult.get()) ?? .silent
    }
}

/// Waits for the datagram that answers.
private final class DatagramAnswerHandler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    /// So many wrong answers are somebody who guesses.
    private static let maximumWrongAnswers = 8

    private let query: UpstreamQuery
    private let promise: EventLoopPromise<ExchangeOutcome>
    private var wrongAnswers = 0

    init(_ query: UpstreamQuery, _ promise: EventLoopPromise<ExchangeOutcome>) {
        self.query = query
        self.promise = promise
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch query.match(Array(buffer: unwrapInboundIn(data).data)) {
        case .answer(let answer): promise.succeed(.answer(answer))
        case .otherCase: promise.succeed(.doubtful)
        case .none:
            wrongAnswers += 1
            if wrongAnswers == Self.maximumWrongAnswers { promise.succeed(.doubtful) }
        }
    }

    /// Nobody listens there, or the way is closed.
    func errorCaught(context: ChannelHandlerContext, error: any Error) { promise.succeed(.silent) }

    func channelInactive(context: ChannelHandlerContext) { promise.succeed(.silent) }
}

/// Takes the first message of a connection.
private final class StreamAnswerHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let query: UpstreamQuery
    private let promise: EventLoopPromise<ExchangeOutcome>

    init(_ query: UpstreamQuery, _ promise: EventLoopPromise<ExchangeOutcome>) {
        self.query = query
        self.promise = promise
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch query.match(Array(buffer: unwrapInboundIn(data))) {
        // Nobody guesses a connection's numbers: case says nothing here.
        case .answer(let answer), .otherCase(let answer): promise.succeed(.answer(answer))
        case .none: promise.succeed(.doubtful)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { promise.succeed(.silent) }

    func channelInactive(context: ChannelHandlerContext) { promise.succeed(.silent) }
}
