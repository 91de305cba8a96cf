import FrontConnections
import NIOCore
import NIOHTTP2

/// Bounds what clients can make the service hold of messages that haven't come whole, or wait for their handler: a
/// stream that goes beyond its share, or finds no room left in all, is reset.
package final class InboundBudget: ChannelInboundHandler {
    package typealias InboundIn = HTTP2Frame.FramePayload
    package typealias InboundOut = HTTP2Frame.FramePayload

    /// The largest message: 64 MiB and what goes around it.
    static let messageBytes = (64 << 20) + (1 << 16)
    /// The largest message of a stream of them. Clients send pieces of 256 KiB.
    private static let pieceBytes = 1 << 20
    /// What a stream of pieces can hold of those that its handler hasn't taken.
    private static let streamShare = 16 << 20
    private static let streamPaths: Set = ["/modal.task_command_router.TaskCommandRouter/TaskExecStdinWriteStream"]
    private static let prefixBytes = 5

    private let room: Places
    private var held = 0
    private var isStream = false
    /// Of the length that stands before each message.
    private var prefix: [UInt8] = []
    private var rest = 0

    package init(room: Places) { self.room = room }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let isWithinBounds: Bool
        switch unwrapInboundIn(data) {
        case .headers(let headers): isWithinBounds = begin(path: headers.headers.first(name: ":path"))
        case .data(let data): isWithinBounds = take(data.data)
        default: isWithinBounds = true
        }
        guard isWithinBounds else {
            context.close(promise: nil)
            return
        }
        context.fireChannelRead(data)
    }

    package func channelInactive(context: ChannelHandlerContext) {
        giveBack()
        context.fireChannelInactive()
    }

    package func handlerRemoved(context: ChannelHandlerContext) { giveBack() }

    private func giveBack() {
        room.giveBack(held)
        held = 0
    }

    private func begin(path: String?) -> Bool {
        guard let path, Self.streamPaths.contains(path) else { return true }
        isStream = true
        return hold(Self.streamShare)
    }

    private func take(_ data: IOData) -> Bool {
        guard case .byteBuffer(let buffer) = data else { return false }
        if isStream { return follow(buffer) }
        guard held + buffer.readableBytes <= Self.messageBytes else { return false }
        return hold(buffer.readableBytes)
    }

    private func hold(_ count: Int) -> Bool {
        guard room.take(count) else { return false }
        held += count
        return true
    }

    /// False for a piece that is too large.
    private func follow(_ buffer: ByteBuffer) -> Bool {
        var buffer = buffer
        while buffer.readableBytes > 0 {
            if rest > 0 {
                let count = min(rest, buffer.readableBytes)
                buffer.moveReaderIndex(forwardBy: count)
                rest -= count
            } else if let byte: UInt8 = buffer.readInteger() {
                prefix.append(byte)
                guard prefix.count == Self.prefixBytes else { continue }
                rest = prefix[1...].reduce(0) { $0 << 8 | Int($1) }
                prefix.removeAll(keepingCapacity: true)
                guard rest <= Self.pieceBytes else { return false }
            }
        }
        return true
    }
}
