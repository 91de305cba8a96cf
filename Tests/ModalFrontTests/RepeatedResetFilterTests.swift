import ModalFront
import NIOCore
import NIOEmbedded
import Testing

@Suite struct RepeatedResetFilterTests {
    private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    @Test(
        "a stream's first reset passes, its repeats don't, and everything else is untouched",
        arguments: [1, 3, 7, 64, 4096])
    func filtered(piece: Int) throws {
        let data = frame(type: 0, stream: 1, payload: Array("a payload with 13 and 3 in it".utf8))
        let sent =
            Self.preface + data + reset(1) + reset(1) + frame(type: 4, stream: 0, payload: []) + reset(3) + reset(1)
            + reset(3) + data
        let wanted = Self.preface + data + reset(1) + frame(type: 4, stream: 0, payload: []) + reset(3) + data
        let channel = EmbeddedChannel(handler: RepeatedResetFilter())
        var rest = sent[...]
        while !rest.isEmpty {
            try channel.writeInbound(ByteBuffer(bytes: rest.prefix(piece)))
            rest = rest.dropFirst(piece)
        }
        var read: [UInt8] = []
        while let buffer: ByteBuffer = try channel.readInbound() { read += Array(buffer.readableBytesView) }
        #expect(read == wanted)
        _ = try channel.finish()
    }

    private func frame(type: UInt8, stream: UInt32, payload: [UInt8]) -> [UInt8] {
        let length = payload.count
        return [UInt8(length >> 16 & 0xff), UInt8(length >> 8 & 0xff), UInt8(length & 0xff), type, 0]
            + (0..<4).reversed().map { UInt8(stream >> (8 * UInt32($0)) & 0xff) } + payload
    }

    private func reset(_ stream: UInt32) -> [UInt8] { frame(type: 3, stream: stream, payload: [0, 0, 0, 8]) }
}
