import NIOCore
import NIOHTTP2

/// The handlers of an HTTP/2 connection, each of whose streams is a client of its own.
struct HTTP2Connection {
    /// Requests at a time on one connection.
    private static let maximumStreams = 100
    /// What a client may send of one body before it was taken.
    private static let windowBytes = 128 * 1024
    /// What waits in one stream for the connection's turn.
    private static let outboundBytes = 64 * 1024

    let front: FrontState
    let address: ClientAddress

    /// On the connection's event loop.
    func configure(_ channel: any Channel) throws {
        var lifetime = NIOHTTP2ServerConnectionManagementHandler.Configuration.defaults
        lifetime.maxIdleTime = TimeAmount(front.options.clientTimeout)
        lifetime.keepalive = .init(pingInterval: .seconds(20), ackTimeout: .seconds(40))
        let management = NIOHTTP2ServerConnectionManagementHandler(
            eventLoop: channel.eventLoop, configuration: lifetime)
        var connection = NIOHTTP2Handler.ConnectionConfiguration()
        connection.initialSettings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: Self.maximumStreams),
            HTTP2Setting(parameter: .maxHeaderListSize, value: HeadReader.Limits().headBytes),
            HTTP2Setting(parameter: .initialWindowSize, value: Self.windowBytes),
            HTTP2Setting(parameter: .enableConnectProtocol, value: 1),
        ]
        var stream = NIOHTTP2Handler.StreamConfiguration()
        stream.targetWindowSize = Self.windowBytes
        stream.outboundBufferSizeHighWatermark = Self.outboundBytes
        stream.outboundBufferSizeLowWatermark = Self.outboundBytes / 2
        let pipeline = channel.pipeline.syncOperations
        _ = try pipeline.configureHTTP2Pipeline(
            mode: .server, connectionConfiguration: connection, streamConfiguration: stream,
            streamDelegate: management.http2StreamDelegate
        ) { [front, address] stream in
            stream.eventLoop.makeCompletedFuture {
                try stream.pipeline.syncOperations.addHandler(HTTP2Client(front: front, address: address))
            }
        }
        try pipeline.addHandler(management)
        try pipeline.addHandler(LastResort())
    }
}

/// What no other handler minds ends the connection.
private final class LastResort: ChannelInboundHandler {
    typealias InboundIn = Any

    /// A stream's fault is told to the stream.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if error is NIOHTTP2Errors.StreamError { return }
        context.close(promise: nil)
    }
}
