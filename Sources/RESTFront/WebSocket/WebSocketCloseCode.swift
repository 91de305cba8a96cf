/// Why a WebSocket connection is closed (RFC 6455, section 7.4, and IANA's registry).
package struct WebSocketCloseCode: Sendable, Hashable {
    package let number: UInt16

    package init(_ number: UInt16) { self.number = number }

    package static let normal = WebSocketCloseCode(1000)
    package static let goingAway = WebSocketCloseCode(1001)
    package static let protocolError = WebSocketCloseCode(1002)
    package static let unsupportedData = WebSocketCloseCode(1003)
    package static let invalidPayload = WebSocketCloseCode(1007)
    package static let policyViolation = WebSocketCloseCode(1008)
    package static let messageTooBig = WebSocketCloseCode(1009)
    package static let internalError = WebSocketCloseCode(1011)
    package static let tryAgainLater = WebSocketCloseCode(1013)

    /// Whether an endpoint may send it: 1004–1006 and 1015 only stand for what was never sent.
    package var maySend: Bool {
        switch number {
        case 1000...1003, 1007...1014, 3000...4999: true
        default: false
        }
    }
}
