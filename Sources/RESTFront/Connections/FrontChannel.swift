import CordonAPI
import FrontConnections
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP2
import NIOSSL
import NIOTLS
import SandboxModel

/// Connections as this front wants them: counted, guarded, known to their handlers, and of the
/// protocol that their TLS handshake or their first bytes choose.
struct FrontChannel: ServerChildChannel {
    /// One exchange of HTTP, or a connection's worth of them.
    struct Exchanges: Sendable {
        let http: HTTP1Channel.Value
        let client: ClientConnection
    }

    /// A connection whose protocol is known.
    enum Spoken: Sendable {
        case http1(Exchanges)
        case http2(NIOHTTP2Handler.AsyncStreamMultiplexer<Exchanges>)
    }

    enum Value: ServerChildChannelValue {
        case accepted(any Channel, EventLoopFuture<Spoken>)
        case refused(any Channel)

        var channel: any Channel {
            switch self {
            case .accepted(let channel, _), .refused(let channel): channel
            }
        }
    }

    let front: FrontState
    let places: Places
    let tls: NIOSSLContext?
    /// Connections above the limit that are being told so; more are closed without a word.
    let refusals = Places(256)

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        guard places.take() else { return channel.eventLoop.makeSucceededFuture(.refused(channel)) }
        channel.closeFuture.whenComplete { [places] _ in places.giveBack() }
        // A peer that is gone without a word is noticed in the end.
        return channel.setOption(.socketOption(.so_keepalive), value: 1)
            .flatMapError { _ in channel.eventLoop.makeSucceededVoidFuture() }
            .flatMapThrowing {
                let spoken = try negotiate(channel, logger)
                let deadline = channel.eventLoop.scheduleTask(in: TimeAmount(front.options.headTimeout)) {
                    channel.close(promise: nil)
                }
                spoken.whenComplete { _ in deadline.cancel() }
                return .accepted(channel, spoken)
            }
    }

    /// Finds out what the client speaks: by ALPN over TLS, by its first bytes without.
    private func negotiate(_ channel: any Channel, _ logger: Logger) throws -> EventLoopFuture<Spoken> {
        let pipeline = channel.pipeline.syncOperations
        guard let tls else {
            let sniffer = ProtocolSniffer<Spoken>(channel: channel) { try speak($0, channel, logger) }
            try pipeline.addHandler(sniffer)
            return sniffer.spoken
        }
        try pipeline.addHandler(NIOSSLServerHandler(context: tls))
        let negotiation = NIOTypedApplicationProtocolNegotiationHandler<Spoken> { result, channel in
            channel.eventLoop.makeCompletedFuture {
                try speak(result == .negotiated("h2") ? .http2 : .http1, channel, logger)
            }
        }
        try pipeline.addHandler(negotiation)
        return negotiation.protocolNegotiationResult
    }

    private func speak(_ version: HTTPVersion, _ channel: any Channel, _ logger: Logger) throws -> Spoken {
        switch version {
        case .http1:
            let client = ClientConnection()
            let pipeline = HTTP1Pipeline(options: front.options, isSecure: tls != nil, logger: logger)
            return .http1(Exchanges(http: try pipeline.configure(channel, client), client: client))
        case .http2:
            return .http2(try HTTP2Pipeline(options: front.options, places: places).configure(channel))
        }
    }

    func handle(value: Value, logger: Logger) async {
        guard case .accepted(let channel, let spoken) = value else { return await refuse(value.channel) }
        let executor = front.executors.executor(for: channel.eventLoop)
        await CallerExecutor.$current.withValue(executor) {
            await withTaskExecutorPreference(executor) { await talk(spoken, on: channel, logger) }
        }
    }

    private func talk(_ spoken: EventLoopFuture<Spoken>, on channel: any Channel, _ logger: Logger) async {
        do {
            switch try await spoken.get() {
            case .http1(let exchanges): await serve(exchanges, logger)
            case .http2(let streams):
                try await withThrowingDiscardingTaskGroup { group in
                    for try await exchanges in streams.inbound { group.addTask { await serve(exchanges, logger) } }
                }
            }
        } catch {
            logger.debug("a connection failed", metadata: ["error": "\(error)"])
            channel.close(promise: nil)
        }
    }

    private func serve(_ exchanges: Exchanges, _ logger: Logger) async {
        let (front, client) = (front, exchanges.client)
        let http = HTTP1Channel(responder: { request, writer, channel in
            try await front.answer(request, with: writer, on: client, channel: channel)
        })
        await http.handle(value: exchanges.http, logger: logger)
    }

    /// Says why and closes. Ends the sending side first: the client's request may be on its way, and
    /// a close with unread bytes resets the connection.
    private func refuse(_ channel: any Channel) async {
        // Nothing can be said over TLS before a handshake, which is what there is no room for.
        guard tls == nil, refusals.take() else {
            channel.close(promise: nil)
            return
        }
        defer { refusals.giveBack() }
        let answer = GuardAnswer(
            CordonError(.unavailable, "too many connections", retryAfter: .seconds(1)), status: .serviceUnavailable)
        var text = "HTTP/1.1 503 Service Unavailable\r\n"
        for field in answer.head.headerFields { text += "\(field.name): \(field.value)\r\n" }
        var buffer = ByteBuffer(string: text + "\r\n")
        buffer.writeBytes(answer.body)
        do {
            try await channel.writeAndFlush(buffer)
            try await channel.close(mode: .output)
            try await Task.sleep(for: .seconds(1))
        } catch {}
        channel.close(promise: nil)
    }
}
