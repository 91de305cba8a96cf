import NIOCore
import RESTFront

extension Route {
    /// A WebSocket at `/echo` that answers every message with itself: what conformance suites talk to.
    static let echo = Route(webSocket: "/echo") { exchange in
        var limits = WebSocketLimits()
        // Autobahn's largest message.
        limits.maximumMessageBytes = 16 << 20
        return WebSocketAcceptance(try WebSocketHandshake(exchange.request), limits: limits) { socket in
            for await message in socket.messages {
                try await socket.send(message.bytes, isText: message.isText)
                socket.release(message)
            }
        }
    }
}
