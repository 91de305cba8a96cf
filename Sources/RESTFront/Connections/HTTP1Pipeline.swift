import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypesHTTP1

/// The handlers of an HTTP/1.1 connection, each under a name: an upgrade takes them out again.
struct HTTP1Pipeline: Sendable {
    static let encoder = "http1.encoder"
    static let decoder = "http1.decoder"
    /// Between the decoder and the request loop, in this order.
    static let upper = ["http1.types", "http1.guard", "http1.state"]

    let options: RESTFrontOptions
    let isSecure: Bool
    let logger: Logger

    /// On the channel's event loop.
    func configure(_ channel: any Channel, _ connection: ClientConnection) throws -> HTTP1Channel.Value {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = options.maximumFieldBytes
        limits.maxHeaderListSize = options.maximumHeadBytes
        limits.maxHeaderFieldCount = options.maximumFieldCount
        // What came behind a request for an upgrade belongs to what it is upgraded to.
        let decoder = HTTPRequestDecoder(leftOverBytesStrategy: .forwardBytes, limitConfiguration: limits)
        let guardian = ConnectionGuard(
            connection: connection, headTimeout: TimeAmount(options.headTimeout),
            bodyTimeout: TimeAmount(options.bodyTimeout))
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(HTTPResponseEncoder(), name: Self.encoder)
        try pipeline.addHandler(ByteToMessageHandler(decoder), name: Self.decoder)
        try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: isSecure), name: Self.upper[0])
        try pipeline.addHandler(guardian, name: Self.upper[1])
        try pipeline.addHandler(HTTPConnectionStateHandler(logger: logger), name: Self.upper[2])
        return try HTTP1Channel.Value(
            wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
    }
}
