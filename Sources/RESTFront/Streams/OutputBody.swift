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
    /// Each piece is read only once the one before was taken, so memory holds a few of them. Before
    /// each read the process's side hears how far the client has got. A gap ends the body: the next
    /// answer says in its head how much is gone.
    func write(to writer: inout any ResponseBodyWriter) async throws -> HTTPFields? {
        var offset = start
        var left = limit
        while left > 0 {
            switch try await pieces.read(at: offset, limit: left) {
            case .bytes(let buffer):
                try await writer.write(buffer)
                offset += UInt64(buffer.readableBytes)
                left -= UInt64(buffer.readableBytes)
                _ = try await tell(offset, waiting: .zero)
            case .upToDate:
                guard follow else { return nil }
                _ = try await tell(offset, waiting: waitStep)
            case .gap: return nil
            case .end: return [.cordonEnd: String(offset)]
            }
        }
        return nil
    }

    private func tell(_ offset: UInt64, waiting limit: Duration) async throws -> StreamExtent {
        let reader = pieces.reader
        return try await connection.whilePresent { try await reader.waitBeyond(offset, upTo: limit) }
    }
}
