import NIOCore

/// A client's message, whole.
package struct WebSocketMessage: Sendable {
    package let isText: Bool
    package let bytes: ByteBuffer

    /// What it takes of the room for unread messages: small ones aren't free.
    var cost: Int { bytes.readableBytes + 256 }
}

/// An open WebSocket connection, as those see it who talk over it. From any thread.
package final class WebSocketConnection: Sendable {
    /// The most that is handed to NIO and not yet on the wire.
    static let creditBytes = 1 << 20

    /// What the client sends, in order; ends with the connection's reading side. Each message counts
    /// against what may be unread until it is given to `release`.
    package let messages: AsyncStream<WebSocketMessage>
    /// Whether the service shuts down, in which case the messages end as well.
    let client: ClientConnection
    let credit: OutboundCredit
    private let channel: any Channel
    private let handler: NIOLoopBound<WebSocketHandler>

    init(
        channel: any Channel, client: ClientConnection, messages: AsyncStream<WebSocketMessage>,
        handler: NIOLoopBound<WebSocketHandler>, room: OutboundRoom
    ) {
        credit = OutboundCredit(limit: Self.creditBytes, room: room)
        self.channel = channel
        self.client = client
        self.messages = messages
        self.handler = handler
    }

    /// The client may send as much more as this message took.
    package func release(_ message: WebSocketMessage) {
        let cost = message.cost
        channel.eventLoop.execute { [handler] in handler.value.release(cost) }
    }

    /// Sends a message once there is room for it; returns when it is on its way, not when it has arrived.
    ///
    /// - Parameter onSent: called on the event loop when the last byte is with the kernel.
    package func send(
        _ bytes: ByteBuffer, isText: Bool = false, onSent: (@Sendable () -> Void)? = nil
    ) async throws {
        let count = bytes.readableBytes + WebSocketFrameHeader.maximumBytes
        try await credit.take(count)
        channel.eventLoop.execute { [handler, credit, channel] in
            let promise = channel.eventLoop.makePromise(of: Void.self)
            promise.futureResult.whenComplete { result in
                credit.give(count)
                if case .success = result { onSent?() }
            }
            handler.value.send(isText ? .text : .binary, bytes, promise)
        }
    }

    /// Closes behind everything that was sent: the close frame, the client's answer to it or 5 s, and
    /// the end of the connection. Returns then. No-op when it is closed already.
    package func close(_ code: WebSocketCloseCode, _ reason: String = "") async {
        channel.eventLoop.execute { [handler] in handler.value.close(code, reason) }
        await closed()
    }

    /// Returns once the connection is over.
    package func closed() async { try? await channel.closeFuture.get() }
}
