import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NIOWebSocket

/// The two directions of an open WebSocket connection.
typealias WebSocketInbound = NIOAsyncChannelInboundStream<WebSocketMessage>
typealias WebSocketOutbound = NIOAsyncChannelOutboundWriter<WebSocketMessage>

extension HTTPTransport {
    /// What a service answers a handshake with.
    private enum Answer: Sendable {
        case open(NIOAsyncChannel<WebSocketMessage, WebSocketMessage>)
        case refused(NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>)
        /// It would speak another subprotocol.
        case other
    }

    /// The server pings every 20 s: a connection that is silent for longer than this is dead.
    private static let silence: TimeAmount = .seconds(60)

    /// Opens a WebSocket connection of one subprotocol, and closes it when `body` returns. What `body`
    /// doesn't read isn't received.
    ///
    /// Throws `ConnectionLost` when the service can't be reached, what `body` throws, and `ClientError`
    /// when the service refuses.
    func withWebSocket<Result>(
        _ call: HTTPCall, subprotocol: String,
        _ body: (WebSocketInbound, WebSocketOutbound) async throws -> Result
    ) async throws -> Result {
        let upgrade = try await connect { channel in
            try channel.pipeline.syncOperations.addHandler(SilenceHandler(limit: Self.silence))
            return try channel.pipeline.syncOperations.configureUpgradableHTTPClientPipeline(
                configuration: pipeline(call, subprotocol))
        }
        let answer: Answer
        do { answer = try await upgrade.get() } catch {
            try Task.checkCancellation()
            if let untrusted = mistrust(error) { throw untrusted }
            throw ConnectionLost(reason: "the handshake failed: \(error)")
        }
        switch answer {
        case .other: throw ClientError.unexpected("a WebSocket of another subprotocol than \(subprotocol)")
        case .refused(let channel): throw try await Self.refusal(channel)
        case .open(let channel):
            var failure: (any Error)?
            do {
                return try await channel.executeThenClose { inbound, outbound in
                    do { return try await body(inbound, outbound) } catch {
                        failure = error
                        throw error
                    }
                }
            } catch {
                // What reading the connection came to isn't the body's own.
                if let failure, !(failure is ChannelError || failure is IOError || failure is NIOSSLError) {
                    throw failure
                }
                try Task.checkCancellation()
                throw ConnectionLost(reason: "\(error)")
            }
        }
    }

    private func pipeline(_ call: HTTPCall, _ subprotocol: String) -> NIOUpgradableHTTPClientPipelineConfiguration<
        Answer
    > {
        let headers = HTTPHeaders([hostField] + call.headers + [("Sec-WebSocket-Protocol", subprotocol)])
        let upgrader = NIOTypedWebSocketClientUpgrader<Answer>(
            maxFrameSize: WebSocketMessageHandler.maximumMessageBytes, enableAutomaticErrorHandling: true
        ) { channel, head in
            channel.eventLoop.makeCompletedFuture {
                guard head.headers["Sec-WebSocket-Protocol"] == [subprotocol] else {
                    channel.close(promise: nil)
                    return .other
                }
                try channel.pipeline.syncOperations.addHandler(WebSocketMessageHandler())
                return .open(
                    try NIOAsyncChannel(
                        wrappingChannelSynchronously: channel,
                        configuration: .init(backPressureStrategy: .init(lowWatermark: 2, highWatermark: 4))))
            }
        }
        let configuration = NIOTypedHTTPClientUpgradeConfiguration<Answer>(
            upgradeRequestHead: HTTPRequestHead(version: .http1_1, method: .GET, uri: call.path, headers: headers),
            upgraders: [upgrader]
        ) { channel in
            channel.eventLoop.makeCompletedFuture {
                .refused(try NIOAsyncChannel(wrappingChannelSynchronously: channel))
            }
        }
        var pipeline = NIOUpgradableHTTPClientPipelineConfiguration(upgradeConfiguration: configuration)
        // The service's first message may come with its handshake.
        pipeline.leftOverBytesStrategy = .forwardBytes
        return pipeline
    }

    /// The problem that an answer other than 101 holds.
    private static func refusal(
        _ channel: NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>
    ) async throws -> any Error {
        var status = 0
        var body: [UInt8] = []
        do {
            try await channel.executeThenClose { inbound, _ in
                for try await part in inbound {
                    switch part {
                    case .head(let head): status = Int(head.status.code)
                    case .body(let bytes) where body.count < 1 << 20: body.append(contentsOf: bytes.readableBytesView)
                    case .body: break
                    case .end: return
                    }
                }
                throw ConnectionLost(reason: "the connection was closed within the answer")
            }
        } catch {
            try Task.checkCancellation()
            return ConnectionLost(reason: "\(error)")
        }
        return ClientError(status: status, body: body)
    }
}
