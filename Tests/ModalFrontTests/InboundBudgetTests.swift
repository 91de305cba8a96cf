import FrontConnections
import ModalFront
import NIOCore
import NIOEmbedded
import NIOHPACK
import NIOHTTP2
import Testing

@Suite struct InboundBudgetTests {
    private static let upload = "/modal.task_command_router.TaskCommandRouter/TaskExecStdinWriteStream"

    private func channel(_ room: Places, path: String = "/modal.client.ModalClient/AppList") throws -> EmbeddedChannel {
        let channel = EmbeddedChannel(handler: InboundBudget(room: room))
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        try channel.writeInbound(
            HTTP2Frame.FramePayload.headers(.init(headers: HPACKHeaders([(":path", path)]))))
        return channel
    }

    private func send(_ count: Int, to channel: EmbeddedChannel) throws {
        try send(ByteBuffer(repeating: 0, count: count), to: channel)
    }

    private func send(_ buffer: ByteBuffer, to channel: EmbeddedChannel) throws {
        try channel.writeInbound(HTTP2Frame.FramePayload.data(.init(data: .byteBuffer(buffer))))
    }

    @Test("what streams hold is given back when they end, and one that finds no room is closed")
    func room() throws {
        let room = Places(1000)
        let (first, second) = (try channel(room), try channel(room))
        try send(600, to: first)
        #expect(room.count == 600)
        try send(600, to: second)
        #expect(!second.isActive)
        #expect(first.isActive)
        _ = try? first.finish()
        _ = try? second.finish()
        #expect(room.count == 0)
    }

    @Test("a message of more than 64 MiB closes its stream")
    func tooLarge() throws {
        let stream = try channel(Places(1 << 30))
        for _ in 0..<64 { try send(1 << 20, to: stream) }
        #expect(stream.isActive)
        try send(1 << 20, to: stream)
        #expect(!stream.isActive)
        _ = try? stream.finish()
    }

    @Test("a stream of pieces may be longer than any message, and a piece that is too large closes it")
    func pieces() throws {
        let room = Places(1 << 30)
        let stream = try channel(room, path: Self.upload)
        let held = room.count
        var piece = ByteBuffer(bytes: [0])
        piece.writeInteger(UInt32(1 << 19))
        piece.writeRepeatingByte(1, count: 1 << 19)
        for _ in 0..<200 { try send(piece, to: stream) }
        #expect(stream.isActive)
        #expect(room.count == held)
        var large = ByteBuffer(bytes: [0])
        large.writeInteger(UInt32(64 << 20))
        // Torn in the middle of its length.
        try send(large.readSlice(length: 3) ?? ByteBuffer(), to: stream)
        #expect(stream.isActive)
        try send(large, to: stream)
        #expect(!stream.isActive)
        _ = try? stream.finish()
    }
}
