import HTTPTypes
import NIOCore
import SandboxModel

/// What a handler decided about a WebSocket handshake that is in order: with which fields to answer,
/// and what to talk then.
package struct WebSocketAcceptance: Sendable {
    var fields: HTTPFields = [:]
    /// Talks until one side closes; whatever it throws closes the connection.
    let session: @Sendable (WebSocketConnection) async throws -> Void
    let limits: WebSocketLimits

    /// - Parameter subprotocol: named in the answer; nil where the client offered none.
    package init(
        _ handshake: WebSocketHandshake, subprotocol: String? = nil, limits: WebSocketLimits = WebSocketLimits(),
        session: @escaping @Sendable (WebSocketConnection) async throws -> Void
    ) {
        if let subprotocol { fields[.secWebSocketProtocol] = subprotocol }
        if let accept = handshake.accept {
            fields[.secWebSocketAccept] = accept
            fields[.upgrade] = "websocket"
            fields[.connection] = "Upgrade"
        }
        self.limits = limits
        self.session = session
    }
}
