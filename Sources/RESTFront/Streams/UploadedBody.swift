import HummingbirdCore
import NIOCore
import SandboxModel

/// A large body in pieces of a bounded size, for as long as it is neither too long nor broken off. One reader.
final class UploadedBody {
    private static let pieceBytes = 256 * 1024

    private let announced: UInt64?
    private let limit: UInt64
    private var iterator: RequestBody.AsyncIterator
    private var pending = ByteBuffer()
    private var count: UInt64 = 0

    fileprivate init(_ request: Request, limit: UInt64) throws {
        announced = request.headers[.contentLength].flatMap { UInt64($0) }
        self.limit = limit
        if let announced, announced > limit { throw RequestRefused.tooLarge(limit: Int(limit)) }
        iterator = request.body.makeAsyncIterator()
    }

    /// nil at the end. Throws `BodyBrokenOff` when less has come than was announced.
    func next() async throws -> [UInt8]? {
        while pending.readableBytes == 0 {
            guard let next = try await iterator.next() else {
                if let announced, count != announced { throw BodyBrokenOff() }
                return nil
            }
            pending = next
        }
        let piece = pending.readBytes(length: min(pending.readableBytes, Self.pieceBytes)) ?? []
        count += UInt64(piece.count)
        guard count <= limit else { throw RequestRefused.tooLarge(limit: Int(limit)) }
        return piece
    }
}

extension Exchange {
    /// The request's body in pieces. Throws when more than `limit` is announced. From here on the client may take its time.
    func uploadedBody(upTo limit: UInt64 = .max) throws -> UploadedBody {
        let body = try UploadedBody(request, limit: limit)
        connection.allowsSlowBody = true
        return body
    }

    /// Does `work` with the request's body in pieces, for as long as the client is there.
    func upload<Value: Sendable>(
        _ work: @escaping @Sendable (UploadedBody) async throws -> Value
    ) async throws -> Value {
        try await waiting { try await work(uploadedBody()) }
    }
}
