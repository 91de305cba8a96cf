import NIOCore
import NIOPosix
import SandboxModel
import Synchronization

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

    /// The bytes from `offset`, at most `limit` and a piece, behind `header`; in one of `buffers`, where
    /// there are some.
    func read(
        at offset: UInt64, limit: UInt64 = .max, behind header: [UInt8] = [], in buffers: PieceBuffers? = nil
    ) async throws -> Piece {
        let count = Int(min(UInt64(pieceBytes), limit))
        let reader = reader
        return try await NIOThreadPool.singleton.runIfActive {
            // Taken here: a buffer that is captured as well isn't its holder's alone, and would be copied.
            var buffer = buffers?.take() ?? ByteBufferAllocator().buffer(capacity: header.count + count)
            buffer.writeBytes(header)
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

/// The buffers of one stream's pieces, used again when they are sent: fresh memory for each would cost
/// as much as reading the piece does.
final class PieceBuffers: Sendable {
    private static let most = 5

    private let free = Mutex<[ByteBuffer]>([])

    /// One that is nobody else's, if there is one.
    func take() -> ByteBuffer? {
        guard var buffer = free.withLock({ $0.popLast() }) else { return nil }
        // Takes new memory should somebody hold the old one still.
        buffer.clear()
        return buffer
    }

    func giveBack(_ buffer: ByteBuffer) {
        free.withLock { free in
            if free.count < Self.most { free.append(buffer) }
        }
    }

    /// For a stream that says nothing for now.
    func forget() { free.withLock { $0 = [] } }
}
