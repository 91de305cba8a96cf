import CordonAPI
import NIOCore

/// A message of the service on an attached connection, read.
enum AttachMessage {
    case event(AttachEvent)
    case bytes(OutputName, offset: UInt64, ByteBuffer)

    init(text: ByteBuffer) throws(ClientError) {
        guard let event = try? JSONText.decode(AttachEvent.self, from: Array(text.readableBytesView)) else {
            throw .unexpected("an attach event: \(String(buffer: text).prefix(200))")
        }
        self = .event(event)
    }

    init(binary: ByteBuffer) throws(ClientError) {
        var bytes = binary
        guard let channel = bytes.readInteger(as: UInt8.self), let offset = bytes.readInteger(as: UInt64.self) else {
            throw .unexpected("a binary message of \(binary.readableBytes) bytes")
        }
        switch AttachProtocol.Channel(rawValue: channel) {
        case .stdout: self = .bytes(.stdout, offset: offset, bytes)
        case .stderr: self = .bytes(.stderr, offset: offset, bytes)
        case .stdin, nil: throw .unexpected("a binary message for channel \(channel)")
        }
    }

    /// The message that carries bytes, or the end, of stdin.
    static func stdin(_ next: StdinBacklog.Next) -> WebSocketMessage {
        switch next {
        case .bytes(let bytes, let offset):
            var message = ByteBuffer()
            message.reserveCapacity(AttachProtocol.headerBytes + bytes.readableBytes)
            message.writeInteger(AttachProtocol.Channel.stdin.rawValue)
            message.writeInteger(offset)
            message.writeImmutableBuffer(bytes)
            return .binary(message)
        case .eof(let offset): return .text(ByteBuffer(string: #"{"type":"eof","offset":\#(offset)}"#))
        }
    }
}
