import NIOCore
import NIOPosix
import SandboxModel

/// Reads one stream piece by piece, on threads where a read may block.
struct StreamPieces: Sendable {
    /// What one read gave.
    enum Piece: Sendable {
        case bytes(ByteBuffer)
        case gap(first: UInt64)
        case upToDate
        case end
    }

    let reader: any OutputReader
    let pieceBytes: Int

    /// The bytes from `offset`, at most `limit` and a piece, behind `headroom` zeros.
    func read(at offset: UInt64, limit: UInt64 = .max, headroom: Int = 0) async throws -> Piece {
        let count = Int(min(UInt64(pieceBytes), limit))
        let reader = reader
        return try await NIOThreadPool.singleton.runIfActive {
            var buffer = ByteBufferAllocator().buffer(capacity: headroom + count)
            buffer.writeRepeatingByte(0, count: headroom)
            var outcome = StreamRead.upToDate
            try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { space in
                outcome = try reader.read(at: offset, into: UnsafeMutableRawBufferPointer(rebasing: space[..<count]))
                guard case .bytes(let count) = outcome else { return 0 }
                return count
            }
            switch outcome {
            case .bytes: return .bytes(buffer)
            case .gap(let first): return .gap(first: first)
            case .upToDate: return .upToDate
            case .end: return .end
            }
        }
    }

    /// Gives the stretch `range` to `consume`, piece by piece; returns where it stopped, which is
    /// before the range's end when bytes are gone.
    func forEach(
        in range: Range<UInt64>, _ consume: (ByteBuffer) async throws -> Void
    ) async throws -> UInt64 {
        var offset = range.lowerBound
        while offset < range.upperBound {
            guard case .bytes(let buffer) = try await read(at: offset, limit: range.upperBound - offset),
                buffer.readableBytes > 0
            else { return offset }
            offset += UInt64(buffer.readableBytes)
            try await consume(buffer)
        }
        return offset
    }
}
