import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Turns a connection whose request loop is at a handshake into a WebSocket connection: any request
/// of a connection, not its first alone, as NIO's own upgrade has it; over HTTP/2 a stream.
enum WebSocketUpgrade {
    private static let readBytes = 64 * 1024

    /// Answers the handshake and takes HTTP out of the connection. The request loop gets nothing more.
    static func perform(
        _ acceptance: WebSocketAcceptance, on channel: any Channel, client: ClientConnection, room: OutboundRoom
    ) async throws -> WebSocketConnection {
        try await channel.eventLoop.flatSubmit {
            do {
                return client.isStream
                    ? try openStream(acceptance, channel, client, room) : try upgrade(acceptance, channel, client, room)
            } catch {
                return channel.eventLoop.makeFailedFuture(error)
            }
        }.get()
    }

    private static func upgrade(
        _ acceptance: WebSocketAcceptance, _ channel: any Channel, _ client: ClientConnection,
        _ room: OutboundRoom
    ) throws -> EventLoopFuture<WebSocketConnection> {
        let pipeline = channel.pipeline.syncOperations
        let handler = WebSocketHandler(client: client, limits: acceptance.limits)
        let socket = handler.makeConnection(on: channel, room: room)
        let decoder = try pipeline.context(name: HTTP1Pipeline.decoder)
        try pipeline.addHandler(handler, position: .after(decoder.handler))
        let removals = (HTTP1Pipeline.upper + [HTTP1Pipeline.encoder]).map { pipeline.removeHandler(name: $0) }
        let bound = NIOLoopBound(decoder, eventLoop: channel.eventLoop)
        let answer = head(acceptance.fields)
        return EventLoopFuture.andAllSucceed(removals, on: channel.eventLoop).flatMap {
            // Large reads cost less; the socket's buffer sees to it that they are large.
            channel.setOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: readBytes))
        }.flatMap {
            bound.value.writeAndFlush(NIOAny(answer), promise: nil)
            // Last: what is left in the decoder goes to the handler behind it.
            return channel.pipeline.syncOperations.removeHandler(name: HTTP1Pipeline.decoder)
        }.map {
            channel.read()
            return socket
        }
    }

    private static func head(_ fields: HTTPFields) -> ByteBuffer {
        var head = ByteBuffer(string: "HTTP/1.1 101 Switching Protocols\r\n")
        for field in fields { head.writeString("\(field.name): \(field.value)\r\n") }
        head.writeString("\r\n")
        return head
    }

    /// RFC 8441: the answer is 200, and the stream stays open both ways.
    private static func openStream(
        _ acceptance: WebSocketAcceptance, _ channel: any Channel, _ client: ClientConnection,
        _ room: OutboundRoom
    ) throws -> EventLoopFuture<WebSocketConnection> {
        let pipeline = channel.pipeline.syncOperations
        let handler = WebSocketHandler(client: client, limits: acceptance.limits)
        let socket = handler.makeConnection(on: channel, room: room)
        let head = HTTPResponse(status: .ok, headerFields: acceptance.fields)
        try pipeline.context(name: HTTP2Pipeline.guardian)
            .writeAndFlush(NIOAny(HTTPResponsePart.head(head)), promise: nil)
        // Nothing gets beyond these two any more.
        let codec = try pipeline.context(name: HTTP2Pipeline.codec)
        try pipeline.addHandler(HTTP2WebSocketAdapter(), position: .before(codec.handler))
        try pipeline.addHandler(handler, position: .before(codec.handler))
        return pipeline.removeHandler(name: HTTP2Pipeline.guardian).map {
            channel.read()
            return socket
        }
    }
}
