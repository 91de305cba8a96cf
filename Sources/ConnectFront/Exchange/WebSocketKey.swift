import CordonAPI
import Crypto

/// The key of a handshake that is made in a client's place: over HTTP/2 it has none (RFC 8441, section 5.1).
struct WebSocketKey {
    /// What RFC 6455 appends to a client's key.
    private static let suffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

    let text: String

    init() {
        var generator = SystemRandomNumberGenerator()
        text = String(
            decoding: Base64.encode((0..<16).map { _ in UInt8.random(in: .min ... .max, using: &generator) }),
            as: UTF8.self)
    }

    func isAnswered(by accept: [String]) -> Bool {
        let hash = Insecure.SHA1.hash(data: Array((text + Self.suffix).utf8))
        return accept == [String(decoding: Base64.encode(hash), as: UTF8.self)]
    }
}
