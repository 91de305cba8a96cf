import NIOCore

/// A whole message of a WebSocket connection, either way.
enum WebSocketMessage: Sendable, Hashable {
    case text(ByteBuffer)
    case binary(ByteBuffer)
    /// The last: the peer's close frame, with its code (RFC 6455, section 7.4) where it had one.
    case closed(code: UInt16?, reason: String)
}
