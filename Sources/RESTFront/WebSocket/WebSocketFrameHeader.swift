import NIOCore

/// What a frame is (RFC 6455, section 11.8).
package enum WebSocketOpcode: UInt8, Sendable {
    case continuation = 0x0
    case text = 0x1
    case binary = 0x2
    case close = 0x8
    case ping = 0x9
    case pong = 0xA

    var isControl: Bool { rawValue >= 0x8 }
}

/// The bytes before a client's payload (RFC 6455, section 5.2), read as far as they have come: what
/// is wrong with the first byte is known before the second.
struct WebSocketFrameHeader: Equatable {
    /// The most that a header takes: two bytes, a length of eight, a mask of four.
    static let maximumBytes = 14

    let opcode: WebSocketOpcode
    let isFinal: Bool
    let length: UInt64
    let mask: UInt32

    /// Takes a header from the front of `bytes`; nil, and nothing taken, while it isn't all there.
    init?(from bytes: inout ByteBuffer) throws(WebSocketViolation) {
        let start = bytes.readerIndex
        guard let first = bytes.getInteger(at: start, as: UInt8.self) else { return nil }
        guard first & 0x70 == 0 else { throw .protocolError("a reserved bit is set, and no extension was agreed on") }
        guard let opcode = WebSocketOpcode(rawValue: first & 0x0F) else { throw .protocolError("a reserved opcode") }
        let isFinal = first & 0x80 != 0
        guard isFinal || !opcode.isControl else { throw .protocolError("a control frame is never fragmented") }
        guard let second = bytes.getInteger(at: start + 1, as: UInt8.self) else { return nil }
        guard second & 0x80 != 0 else { throw .protocolError("a client's frames are masked") }
        let short = second & 0x7F
        guard short <= 125 || !opcode.isControl else {
            throw .protocolError("a control frame's payload is at most 125 bytes")
        }
        guard let (length, width) = try Self.length(short, in: bytes, at: start + 2) else { return nil }
        guard let mask = bytes.getInteger(at: start + 2 + width, as: UInt32.self) else { return nil }
        bytes.moveReaderIndex(forwardBy: 6 + width)
        self.opcode = opcode
        self.isFinal = isFinal
        self.length = length
        self.mask = mask
    }

    private static func length(
        _ short: UInt8, in bytes: ByteBuffer, at index: Int
    ) throws(WebSocketViolation) -> (UInt64, width: Int)? {
        switch short {
        case 126:
            guard let length = bytes.getInteger(at: index, as: UInt16.self) else { return nil }
            guard length > 125 else { throw .protocolError("a length isn't written in its shortest form") }
            return (UInt64(length), 2)
        case 127:
            guard let length = bytes.getInteger(at: index, as: UInt64.self) else { return nil }
            guard length > 0xFFFF, length >> 63 == 0 else {
                throw .protocolError("a length isn't written in its shortest form")
            }
            return (length, 8)
        default: return (UInt64(short), 0)
        }
    }

    /// The bytes before a server's payload: unmasked, unfragmented.
    static func server(_ opcode: WebSocketOpcode, length: Int) -> ByteBuffer {
        var bytes = ByteBuffer()
        bytes.writeInteger(0x80 | opcode.rawValue)
        switch length {
        case ...125: bytes.writeInteger(UInt8(length))
        case ...0xFFFF:
            bytes.writeInteger(UInt8(126))
            bytes.writeInteger(UInt16(length))
        default:
            bytes.writeInteger(UInt8(127))
            bytes.writeInteger(UInt64(length))
        }
        return bytes
    }
}

/// What a client did against RFC 6455, and the code that it is told.
package struct WebSocketViolation: Error, Equatable {
    package let code: WebSocketCloseCode
    package let reason: String

    static func protocolError(_ reason: String) -> WebSocketViolation {
        WebSocketViolation(code: .protocolError, reason: reason)
    }
}
