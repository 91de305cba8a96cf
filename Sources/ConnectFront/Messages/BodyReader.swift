import NIOCore

/// Takes a body off a buffer, piece by piece, to where its framing says that it ends.
package struct BodyReader: Sendable {
    package enum Part: Equatable {
        case bytes(ByteBuffer)
        case end
    }

    private enum State: Sendable {
        case length(Int)
        case chunkSize
        case chunk(Int)
        case chunkEnd
        case trailers
        case untilClose
        case over
    }

    /// The longest line with a chunk's size: extensions have no use here.
    private static let maximumSizeLine = 256

    private var state: State
    private var trailers: HeadReader

    package init(_ framing: BodyFraming) {
        switch framing {
        case .none: state = .over
        case .length(let bytes): state = bytes > 0 ? .length(bytes) : .over
        case .chunked: state = .chunkSize
        case .untilClose: state = .untilClose
        }
        var limits = HeadReader.Limits()
        limits.headBytes = 8 * 1024
        limits.lineBytes = 8 * 1024
        trailers = HeadReader(limits)
    }

    package var isOver: Bool { if case .over = state { true } else { false } }

    /// Whether the end of the connection is the end of the body.
    package var endsWithConnection: Bool { if case .untilClose = state { true } else { false } }

    /// What comes next; nil until more has come. `end` once, and again whenever it is asked.
    package mutating func next(from buffer: inout ByteBuffer) throws(MalformedMessage) -> Part? {
        while true {
            switch state {
            case .over: return .end
            case .untilClose: return Self.take(buffer.readableBytes, from: &buffer).map { .bytes($0) }
            case .length(let left):
                guard let bytes = Self.take(left, from: &buffer) else { return nil }
                state = left == bytes.readableBytes ? .over : .length(left - bytes.readableBytes)
                return .bytes(bytes)
            case .chunkSize:
                guard let size = try nextSize(from: &buffer) else { return nil }
                state = size == 0 ? .trailers : .chunk(size)
            case .chunk(let left):
                guard let bytes = Self.take(left, from: &buffer) else { return nil }
                state = left == bytes.readableBytes ? .chunkEnd : .chunk(left - bytes.readableBytes)
                return .bytes(bytes)
            case .chunkEnd:
                guard buffer.readableBytes >= 2 else {
                    if let byte = buffer.getInteger(at: buffer.readerIndex, as: UInt8.self), byte != 13 {
                        throw MalformedMessage("a chunk that is longer than its size")
                    }
                    return nil
                }
                guard buffer.readInteger(as: UInt16.self) == 0x0d0a else {
                    throw MalformedMessage("a chunk that is longer than its size")
                }
                state = .chunkSize
            case .trailers:
                // Checked, and then dropped: no trailer is needed to understand a body (RFC 9110, section 6.5.1).
                guard let lines = try trailers.next(from: &buffer) else { return nil }
                _ = try MessageFields(lines: lines)
                state = .over
            }
        }
    }

    private static func take(_ most: Int, from buffer: inout ByteBuffer) -> ByteBuffer? {
        let count = min(most, buffer.readableBytes)
        return count > 0 ? buffer.readSlice(length: count) : nil
    }

    /// `1*HEXDIG [chunk-ext] CRLF`.
    private func nextSize(from buffer: inout ByteBuffer) throws(MalformedMessage) -> Int? {
        let view = buffer.readableBytesView.prefix(Self.maximumSizeLine)
        guard let end = view.firstIndex(of: 10) else {
            guard view.count < Self.maximumSizeLine else { throw MalformedMessage("a chunk's size without an end") }
            return nil
        }
        let line = view[..<end]
        guard line.last == 13, line.dropLast().allSatisfy(\.isFieldByte) else {
            throw MalformedMessage("a chunk's size that doesn't end with CR LF")
        }
        let digits = line.dropLast().prefix { $0 != UInt8(ascii: ";") }
        let text = String(decoding: digits, as: UTF8.self)
        guard (1...15).contains(digits.count), digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
            let size = Int(text, radix: 16)
        else { throw MalformedMessage("a chunk's size that isn't a hexadecimal number") }
        buffer.moveReaderIndex(forwardBy: line.count + 1)
        return size
    }
}
