import NIOCore

extension RequestHead {
    /// The head as HTTP/1.1 spells it; its fields must say how long the body is.
    package func encoded() -> ByteBuffer {
        var buffer = ByteBuffer(string: "\(method) \(target) HTTP/1.1\r\nHost: \(authority)\r\n")
        fields.write(to: &buffer)
        return buffer
    }
}

extension ResponseHead {
    /// The head as HTTP/1.1 spells it; its fields must say how long the body is.
    package func encoded() -> ByteBuffer {
        var buffer = ByteBuffer(string: "HTTP/1.1 \(status) \(reason)\r\n")
        fields.write(to: &buffer)
        return buffer
    }
}

extension MessageFields {
    /// Every line, and the empty one behind them.
    fileprivate func write(to buffer: inout ByteBuffer) {
        for field in all { buffer.writeString("\(field.name): \(field.value)\r\n") }
        buffer.writeString("\r\n")
    }
}

extension ResponseHead {
    /// The head with what says how long the body is, in a way that the client understands, and how the body then
    /// has to be written.
    ///
    /// - Parameter request: what it answers; nil for what was none.
    func framed(for request: RequestHead?) -> (ResponseHead, BodyWriting) {
        var head = self
        switch body {
        case .none:
            if request?.method != "HEAD", status != 204, status != 304 { head.fields.append("Content-Length", "0") }
        case .length(let bytes): head.fields.append("Content-Length", String(bytes))
        case .chunked, .untilClose:
            guard request?.version == .http11 else { return (head, .untilClose) }
            head.fields.append("Transfer-Encoding", "chunked")
            return (head, .chunked)
        }
        return (head, .asIs)
    }
}

/// Bytes of a body within HTTP/1.1's framing of it.
enum BodyWriting {
    case asIs
    case chunked
    /// As it is, and the end of the connection is its end.
    case untilClose

    static let lastChunk = ByteBuffer(string: "0\r\n\r\n")

    /// One chunk with these bytes, of which there are some.
    static func chunk(_ bytes: ByteBuffer) -> [ByteBuffer] {
        [ByteBuffer(string: String(bytes.readableBytes, radix: 16) + "\r\n"), bytes, ByteBuffer(string: "\r\n")]
    }
}
