import HTTPTypes
import HummingbirdCore
import NIOCore
import SandboxModel

/// The body of a stream's answer: bytes from an offset, as they are or as they come.
struct OutputBody: Sendable {
    let pieces: StreamPieces
    let connection: ClientConnection
    /// The first byte.
    let start: UInt64
    /// The most bytes to send.
    let limit: UInt64
    let follow: Bool
    let waitStep: Duration

    /// Writes until the stream's end, the limit, a gap, or (without `follow`) what is there.
    ///
    /// A piece is read while the one before is being taken, so memory holds a few of them. A gap ends the body: the
    /// next answer says in its head how much is gone.
    func write(to writer: inout any ResponseBodyWriter) async throws -> HTTPFields? {
        let (taken, progress) = AsyncStream<UInt64>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let reader = pieces.reader
        return try await withThrowingTaskGroup(of: Void.self) { group in
            // The process's side hears how far the client has got, which is what a full spool waits for.
            group.addTask {
                for await offset in taken { _ = try await reader.waitBeyond(offset, upTo: .zero) }
            }
            defer { progress.finish() }
            return try await write(to: &writer, progress)
        }
    }

    private func write(
        to writer: inout any ResponseBodyWriter, _ progress: AsyncStream<UInt64>.Continuation
    ) async throws -> HTTPFields? {
        let buffers = PieceBuffers()
        var range = start..<(start.addingReportingOverflow(limit).overflow ? .max : start + limit)
        guard var piece = try await piece(of: range, in: buffers) else { return nil }
        while true {
            switch piece {
            case .bytes(let buffer):
                let rest = range.lowerBound + UInt64(buffer.readableBytes)..<range.upperBound
                async let next = self.piece(of: rest, in: buffers)
                try await writer.write(buffer)
                range = rest
                progress.yield(rest.lowerBound)
                buffers.giveBack(buffer)
                guard let next = try await next else { return nil }
                piece = next
            case .upToDate:
                guard follow else { return nil }
                buffers.forget()
                _ = try await tell(range.lowerBound, waiting: waitStep)
                guard let next = try await self.piece(of: range, in: buffers) else { return nil }
                piece = next
            case .gap: return nil
            case .end: return [.cordonEnd: String(range.lowerBound)]
            }
        }
    }

    /// The next piece; nil when all of the range was sent.
    private func piece(of range: Range<UInt64>, in buffers: PieceBuffers) async throws -> StreamPieces.Piece? {
        guard !range.isEmpty else { return nil }
        return try await pieces.read(at: range.lowerBound, limit: range.upperBound - range.lowerBound, in: buffers)
    }

    private func tell(_ offset: UInt64, waiting limit: Duration) async throws -> StreamExtent {
        let reader = pieces.reader
        return try await connection.whilePresent { try await reader.waitBeyond(offset, upTo: limit) }
    }
}
