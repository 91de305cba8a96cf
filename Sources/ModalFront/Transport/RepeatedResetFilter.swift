import NIOCore

/// Drops RST_STREAM frames (RFC 9113, 6.4) for streams that the client has reset before.
///
/// Some clients answer every frame of a stream that they have cancelled with another reset, one for each that was on
/// its way: a cancelled 100 MB stream would look like an attack by rapid resets, for which the whole connection, and
/// all its other calls, would be closed. First resets pass, and are counted as ever.
package final class RepeatedResetFilter: ChannelInboundHandler {
    package typealias InboundIn = ByteBuffer
    package typealias InboundOut = ByteBuffer

    private static let prefaceBytes = 24
    private static let headBytes = 9
    private static let resetBytes = 13
    private static let resetType: UInt8 = 3
    /// Streams that were reset long ago have nothing on its way any more.
    private static let remembered = 4096

    /// Bytes that pass without a look: the preface, and then what is left of a frame.
    private var passing = prefaceBytes
    /// The beginning of a frame that hasn't come whole.
    private var head = ByteBuffer()
    private var reset: Set<UInt32> = []
    private var order: [UInt32] = []
    private var oldest = 0

    package init() {}

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var input = unwrapInboundIn(data)
        if head.readableBytes > 0 {
            head.writeBuffer(&input)
            swap(&head, &input)
            head.clear()
        }
        var output = ByteBuffer()
        while input.readableBytes > 0 {
            if passing > 0 {
                let count = min(passing, input.readableBytes)
                passing -= count
                pass(input.readSlice(length: count), into: &output)
            } else if !takeHead(&input, &output) {
                head = input
                break
            }
        }
        if output.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(output)) }
    }

    /// False where there isn't enough of the next frame to tell.
    private func takeHead(_ input: inout ByteBuffer, _ output: inout ByteBuffer) -> Bool {
        guard input.readableBytes >= Self.headBytes, let bytes = input.getBytes(at: input.readerIndex, length: 9) else {
            return false
        }
        let length = Int(bytes[0]) << 16 | Int(bytes[1]) << 8 | Int(bytes[2])
        guard bytes[3] == Self.resetType, length == 4 else {
            passing = Self.headBytes + length
            return true
        }
        guard input.readableBytes >= Self.resetBytes else { return false }
        let frame = input.readSlice(length: Self.resetBytes)
        let stream = bytes[5...8].reduce(0) { $0 << 8 | UInt32($1) } & 0x7fff_ffff
        if remember(stream) { pass(frame, into: &output) }
        return true
    }

    /// Whether this is the stream's first reset.
    private func remember(_ stream: UInt32) -> Bool {
        guard reset.insert(stream).inserted else { return false }
        if order.count < Self.remembered {
            order.append(stream)
        } else {
            reset.remove(order[oldest])
            order[oldest] = stream
            oldest = (oldest + 1) % Self.remembered
        }
        return true
    }

    private func pass(_ slice: ByteBuffer?, into output: inout ByteBuffer) {
        guard var slice else { return }
        if output.readableBytes == 0 { output = slice } else { output.writeBuffer(&slice) }
    }
}
