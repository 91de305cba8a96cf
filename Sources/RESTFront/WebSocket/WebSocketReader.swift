import NIOCore

/// A client's side of a WebSocket connection, made of the bytes that come: frames are checked as
/// RFC 6455 asks before their payload is there, and joined into messages.
///
/// Holds one message and a header's length of input at most: what `append` is given beyond is taken
/// by calling `next` until it gives nil.
package struct WebSocketReader {
    /// Something that a client said.
    package enum Event: Equatable {
        case message(isText: Bool, ByteBuffer)
        case ping(ByteBuffer)
        case pong
        /// nil where the frame carried no code. What comes behind it is never read.
        case close(WebSocketCloseCode?, reason: String)
    }

    private struct Payload {
        let header: WebSocketFrameHeader
        var taken = 0

        var missing: Int { Int(header.length) - taken }
    }

    private let maximumMessageBytes: Int
    private var input = ByteBuffer()
    private var payload: Payload?
    /// The message of which some frames have come.
    private var message: (isText: Bool, bytes: ByteBuffer)?
    private var control = ByteBuffer()
    private var text = TextMeasure()
    private var isOver = false

    /// - Parameter maximumMessageBytes: a message that says it is larger is refused by its header.
    package init(maximumMessageBytes: Int) { self.maximumMessageBytes = maximumMessageBytes }

    package mutating func append(_ bytes: ByteBuffer) {
        guard !isOver else { return }
        if input.readableBytes == 0 {
            input = bytes
        } else {
            input.writeImmutableBuffer(bytes)
        }
    }

    /// The next event of what has been appended; nil when that was all. Throws once; everything
    /// after a violation or a close frame is ignored.
    package mutating func next() throws(WebSocketViolation) -> Event? {
        do throws(WebSocketViolation) {
            while !isOver {
                if payload == nil {
                    guard let header = try WebSocketFrameHeader(from: &input) else { break }
                    try begin(header)
                    payload = Payload(header: header)
                }
                guard let done = try takePayload() else { break }
                payload = nil
                if let event = try end(done) { return event }
            }
        } catch {
            isOver = true
            throw error
        }
        // What is left is a part of a header; a large buffer isn't kept for that.
        input = isOver ? ByteBuffer() : ByteBuffer(bytes: input.readableBytesView)
        return nil
    }

    private mutating func begin(_ header: WebSocketFrameHeader) throws(WebSocketViolation) {
        switch header.opcode {
        case .text, .binary:
            guard message == nil else { throw .protocolError("a message begins within another") }
            message = (header.opcode == .text, ByteBuffer())
            text = TextMeasure()
        case .continuation:
            guard message != nil else { throw .protocolError("a continuation of no message") }
        case .close, .ping, .pong: control = ByteBuffer()
        }
        let known = header.opcode.isControl ? 0 : message?.bytes.readableBytes ?? 0
        guard header.length <= UInt64(maximumMessageBytes - known) || header.opcode.isControl else {
            throw WebSocketViolation(
                code: .messageTooBig, reason: "a message has at most \(maximumMessageBytes) bytes")
        }
    }

    /// Takes what has come of the frame's payload; its header, once that is all.
    private mutating func takePayload() throws(WebSocketViolation) -> WebSocketFrameHeader? {
        guard var current = payload else { return nil }
        let count = min(current.missing, input.readableBytes)
        if count > 0, let piece = input.readSlice(length: count) {
            let phase = current.taken
            current.taken += count
            payload = current
            if current.header.opcode.isControl {
                Self.append(piece, to: &control, mask: current.header.mask, phase: phase)
            } else if var bytes = message?.bytes {
                message?.bytes = ByteBuffer()
                // Room as bytes come, not as the header claims.
                Self.append(piece, to: &bytes, mask: current.header.mask, phase: phase)
                if message?.isText == true { text.take(bytes.readableBytesView.suffix(count)) }
                message?.bytes = bytes
                guard message?.isText != true || text.isText else { throw Self.notText }
            }
        }
        return current.missing == 0 ? current.header : nil
    }

    private mutating func end(_ header: WebSocketFrameHeader) throws(WebSocketViolation) -> Event? {
        switch header.opcode {
        case .ping: return .ping(control)
        case .pong: return .pong
        case .close:
            isOver = true
            return try close()
        case .text, .binary, .continuation:
            guard header.isFinal, let done = message else { return nil }
            message = nil
            guard !done.isText || text.isComplete else { throw Self.notText }
            return .message(isText: done.isText, done.bytes)
        }
    }

    private mutating func close() throws(WebSocketViolation) -> Event {
        guard control.readableBytes > 0 else { return .close(nil, reason: "") }
        guard let number = control.readInteger(as: UInt16.self) else {
            throw .protocolError("a close code has two bytes")
        }
        let code = WebSocketCloseCode(number)
        guard code.maySend else { throw .protocolError("no such close code") }
        guard let reason = String(validating: control.readableBytesView, as: UTF8.self) else { throw Self.notText }
        return .close(code, reason: reason)
    }

    private static let notText = WebSocketViolation(code: .invalidPayload, reason: "text isn't UTF-8")

    /// Appends a piece unmasked, eight bytes at a time. `phase` is how much of the payload came before.
    private static func append(_ piece: ByteBuffer, to bytes: inout ByteBuffer, mask: UInt32, phase: Int) {
        let shift = UInt64(phase % 4) * 8
        let word = UInt64(mask) << 32 | UInt64(mask)
        // The mask as the first byte of the piece meets it.
        let turned = shift == 0 ? word : word << shift | word >> (64 - shift)
        let key = turned.bigEndian
        let count = piece.readableBytes
        bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { target in
            piece.withUnsafeReadableBytes { source in
                var index = 0
                while index + 8 <= count {
                    let value = source.loadUnaligned(fromByteOffset: index, as: UInt64.self) ^ key
                    target.storeBytes(of: value, toByteOffset: index, as: UInt64.self)
                    index += 8
                }
                withUnsafeBytes(of: key) { key in
                    while index < count {
                        target[index] = source[index] ^ key[index % 8]
                        index += 1
                    }
                }
            }
            return count
        }
    }
}
