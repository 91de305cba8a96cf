import NIOCore
import NIOHTTP1

/// Writes a request anew from what was read of it, and its body in the framing that its head names.
enum RequestFraming {
    /// As many bytes as the head says, which the decoder sees to, or none.
    case none
    case chunked

    /// Fields that would turn the connection into something that isn't judged.
    private static let dropped: Set<String> = ["upgrade", "http2-settings"]

    static func head(of head: HTTPRequestHead) -> (bytes: ByteBuffer, framing: RequestFraming) {
        var text = "\(head.method.rawValue) \(head.uri) HTTP/1.\(head.version.minor)\r\n"
        let upgrades = head.headers.contains(name: "upgrade")
        for (name, value) in head.headers {
            let folded = name.lowercased()
            if dropped.contains(folded) || (upgrades && folded == "connection") { continue }
            text += "\(name): \(value)\r\n"
        }
        // Behind such a request nothing is read as HTTP any more, here.
        if upgrades { text += "Connection: close\r\n" }
        text += "\r\n"
        return (ByteBuffer(string: text), head.headers.contains(name: "transfer-encoding") ? .chunked : .none)
    }

    func piece(_ bytes: ByteBuffer) -> ByteBuffer {
        guard self == .chunked, bytes.readableBytes > 0 else { return bytes }
        var piece = ByteBuffer(string: String(bytes.readableBytes, radix: 16) + "\r\n")
        piece.writeImmutableBuffer(bytes)
        piece.writeString("\r\n")
        return piece
    }

    /// Trailers go no further.
    func end() -> ByteBuffer? { self == .chunked ? ByteBuffer(string: "0\r\n\r\n") : nil }
}
