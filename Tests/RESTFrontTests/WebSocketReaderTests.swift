import NIOCore
import RESTFront
import Testing

@Suite("What a WebSocket client sends")
struct WebSocketReaderTests {
    /// A client's frame, masked.
    static func frame(
        _ opcode: UInt8, _ payload: [UInt8], final: Bool = true, reserved: UInt8 = 0, length: [UInt8]? = nil
    ) -> [UInt8] {
        let mask: [UInt8] = [0xA1, 0x02, 0x33, 0xF4]
        var bytes: [UInt8] = [(final ? 0x80 : 0) | reserved << 4 | opcode]
        switch payload.count {
        case _ where length != nil: bytes += length ?? []
        case ...125: bytes.append(0x80 | UInt8(payload.count))
        case ...65_535: bytes += [0xFE, UInt8(payload.count >> 8), UInt8(payload.count & 255)]
        default: bytes += [0xFF] + (0..<8).reversed().map { UInt8(truncatingIfNeeded: payload.count >> ($0 * 8)) }
        }
        return bytes + mask + payload.enumerated().map { $1 ^ mask[$0 % 4] }
    }

    /// What the reader makes of bytes that come in pieces of `step`.
    static func read(_ bytes: [UInt8], step: Int = .max, limit: Int = 1 << 20) throws -> [WebSocketReader.Event] {
        var reader = WebSocketReader(maximumMessageBytes: limit)
        var events: [WebSocketReader.Event] = []
        var index = 0
        while index < bytes.count {
            let end = step == .max ? bytes.count : min(bytes.count, index + step)
            reader.append(ByteBuffer(bytes: bytes[index..<end]))
            while let event = try reader.next() { events.append(event) }
            index = end
        }
        return events
    }

    @Test("a message is the same however its bytes are cut", arguments: [1, 2, 3, 5, 7, 8, 9, 64, .max])
    func anyCut(_ step: Int) throws {
        let bytes = (0..<70_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        for count in [0, 1, 7, 125, 126, 127, 300, 65_535, 65_536, 70_000] {
            let payload = Array(bytes[..<count])
            #expect(
                try Self.read(Self.frame(2, payload), step: step)
                    == [.message(isText: false, ByteBuffer(bytes: payload))])
        }
    }

    @Test("fragments are joined, with pings answered in between")
    func fragments() throws {
        let euro = Array("€".utf8)
        let events = try Self.read(
            Self.frame(1, [euro[0]], final: false) + Self.frame(9, [1, 2]) + Self.frame(0, [euro[1]], final: false)
                + Self.frame(0, [], final: false) + Self.frame(10, []) + Self.frame(0, [euro[2]]))
        #expect(
            events == [.ping(ByteBuffer(bytes: [1, 2])), .pong, .message(isText: true, ByteBuffer(string: "€"))])
    }

    static let broken: [(what: String, bytes: [UInt8], code: UInt16)] = [
        ("a reserved bit", frame(2, [], reserved: 4), 1002), ("another", frame(1, [], reserved: 1), 1002),
        ("opcode 3", frame(3, []), 1002), ("opcode 15", frame(15, []), 1002),
        ("an unmasked frame", [0x82, 0x01, 0x00], 1002), ("a fragmented ping", frame(9, [], final: false), 1002),
        ("a long ping", frame(9, [UInt8](repeating: 0, count: 126)), 1002),
        ("a continuation of nothing", frame(0, []), 1002),
        ("a message within a message", frame(1, [65], final: false) + frame(1, [65]), 1002),
        ("a length in two bytes that fits in one", frame(2, [1], length: [0xFE, 0, 1]), 1002),
        ("a length in eight bytes that fits in two", frame(2, [1], length: [0xFF, 0, 0, 0, 0, 0, 0, 1, 0]), 1002),
        ("a length of 2^63", frame(2, [], length: [0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0]), 1002),
        ("a frame of 1 GiB", frame(2, [], length: [0xFF, 0, 0, 0, 0, 0x40, 0, 0, 0]), 1009),
        ("text that isn't UTF-8", frame(1, [0xC0, 0x80]), 1007), ("half a character", frame(1, [0xE2, 0x82]), 1007),
        ("a surrogate", frame(1, [0xED, 0xA0, 0x80]), 1007),
        ("half a code", frame(8, [3]), 1002), ("code 1005", frame(8, [0x03, 0xED]), 1002),
        ("code 999", frame(8, [0x03, 0xE7]), 1002), ("code 5000", frame(8, [0x13, 0x88]), 1002),
        ("a reason that isn't UTF-8", frame(8, [0x03, 0xE8, 0xFF]), 1007),
    ]

    @Test("what breaks RFC 6455 is refused with its code, however it is cut", arguments: broken, [1, .max])
    func violations(_ broken: (what: String, bytes: [UInt8], code: UInt16), _ step: Int) {
        let violation = #expect(throws: WebSocketViolation.self, "\(broken.what)") {
            _ = try Self.read(broken.bytes, step: step)
        }
        #expect(violation?.code.number == broken.code, "\(broken.what)")
    }

    @Test("what is wrong is known at once, without what follows")
    func failsFast() {
        let cases: [[UInt8]] = [
            [0xC2], [0x83], [0x09], [0x82, 0x01], [0x89, 0xFE], [0x82, 0xFF, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4],
            // The first bad byte of a long text.
            Array(Self.frame(1, [0x41, 0xFF] + [UInt8](repeating: 0x41, count: 100))[..<9]),
        ]
        for bytes in cases { #expect(throws: WebSocketViolation.self, "\(bytes)") { _ = try Self.read(bytes) } }
    }

    @Test("a message over the limit is refused where it passes it, in one frame or many")
    func bounds() throws {
        #expect(try Self.read(Self.frame(2, [1, 2, 3, 4]), limit: 4).count == 1)
        for bytes in [
            Self.frame(2, [1, 2, 3, 4, 5]), Self.frame(2, [1, 2, 3], final: false) + Self.frame(0, [4, 5]),
        ] {
            let violation = #expect(throws: WebSocketViolation.self) { _ = try Self.read(bytes, limit: 4) }
            #expect(violation?.code == .messageTooBig)
        }
    }

    @Test("a close frame tells code and reason, and nothing behind it is read")
    func closes() throws {
        let close = Self.frame(8, [0x03, 0xE8] + Array("bye".utf8))
        #expect(
            try Self.read(close + Self.frame(15, []) + Self.frame(2, [1])) == [.close(.normal, reason: "bye")])
        #expect(try Self.read(Self.frame(8, [])) == [.close(nil, reason: "")])
    }
}
