import FrontConnections
import HummingbirdCore
import NIOCore
import NIOHTTP2
import NIOHTTPTypesHTTP2
import Synchronization

/// The handlers of an HTTP/2 connection, and those of each of its streams: the same guard and the
/// same limits as on HTTP/1.1, beside HTTP/2's own.
struct HTTP2Pipeline: Sendable {
    static let codec = "http2.types"
    static let guardian = "http2.guard"

    /// Requests at a time on one connection.
    private static let maximumStreams = 100
    /// What a client may send of one body, and of all, before it was taken.
    private static let windowBytes = 256 * 1024
    /// What waits in one stream for the connection's turn.
    private static let outboundBytes = 256 * 1024

    let options: RESTFrontOptions
    let places: Places

    /// On the connection's event loop.
    func configure(
        _ channel: any Channel
    ) throws -> NIOHTTP2Handler.AsyncStreamMultiplexer<FrontChannel.Exchanges> {
        let pipeline = channel.pipeline.syncOperations
        let streams = OpenStreams()
        var lifetime = NIOHTTP2ServerConnectionManagementHandler.Configuration.defaults
        lifetime.maxIdleTime = TimeAmount(options.headTimeout)
        lifetime.keepalive = .init(pingInterval: .seconds(20), ackTimeout: .seconds(40))
        let management = NIOHTTP2ServerConnectionManagementHandler(
            eventLoop: channel.eventLoop, configuration: lifetime)
        let multiplexer = try pipeline.configureAsyncHTTP2Pipeline(
            mode: .server, streamDelegate: management.http2StreamDelegate, configuration: configuration
        ) { stream in
            stream.eventLoop.makeCompletedFuture { try configure(stream: stream, in: streams) }
        }
        try pipeline.addHandler(QuiesceRelay(streams: streams))
        try pipeline.addHandler(management)
        return multiplexer
    }

    private var configuration: NIOHTTP2Handler.Configuration {
        var configuration = NIOHTTP2Handler.Configuration()
        configuration.connection.initialSettings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: Self.maximumStreams),
            HTTP2Setting(parameter: .maxHeaderListSize, value: options.maximumHeadBytes),
            HTTP2Setting(parameter: .initialWindowSize, value: Self.windowBytes),
            HTTP2Setting(parameter: .enableConnectProtocol, value: 1),
        ]
        configuration.connection.targetWindowSize = Self.windowBytes
        configuration.stream.targetWindowSize = Self.windowBytes
        configuration.stream.outboundBufferSizeHighWatermark = Self.outboundBytes
        configuration.stream.outboundBufferSizeLowWatermark = Self.outboundBytes / 2
        return configuration
    }

    /// A stream takes a place as a connection does; without one it is reset.
    private func configure(stream: any Channel, in streams: OpenStreams) throws -> FrontChannel.Exchanges {
        guard places.take() else { throw ChannelError.outputClosed }
        let client = ClientConnection(isStream: true)
        let key = streams.add(client)
        stream.closeFuture.whenComplete { [places] _ in
            places.giveBack()
            streams.remove(key)
        }
        let guardian = ConnectionGuard(
            connection: client, headTimeout: TimeAmount(options.headTimeout),
            bodyTimeout: TimeAmount(options.bodyTimeout))
        let pipeline = stream.pipeline.syncOperations
        try pipeline.addHandler(HTTP2FramePayloadToHTTPServerCodec(), name: Self.codec)
        try pipeline.addHandler(HeadLimits(options: options))
        try pipeline.addHandler(guardian, name: Self.guardian)
        return FrontChannel.Exchanges(
            http: try HTTP1Channel.Value(wrappingChannelSynchronously: stream), client: client)
    }
}

/// The requests of one HTTP/2 connection that are being served.
private final class OpenStreams: Sendable {
    private let state = Mutex((next: 0, clients: [Int: ClientConnection]()))

    func add(_ client: ClientConnection) -> Int {
        state.withLock { state in
            state.next += 1
            state.clients[state.next] = client
            return state.next
        }
    }

    func remove(_ key: Int) { state.withLock { $0.clients[key] = nil } }

    func quiesce() {
        for client in state.withLock({ Array($0.clients.values) }) { client.quiesce() }
    }
}

/// Tells a connection's requests that the service shuts down: the event itself stops at the connection.
private final class QuiesceRelay: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame

    private let streams: OpenStreams

    init(streams: OpenStreams) { self.streams = streams }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent { streams.quiesce() }
        context.fireUserInboundEventTriggered(event)
    }
}
