import CordonAPI
import HTTPTypes
import HummingbirdCore
import NIOCore
import SandboxModel

/// The content of a sandbox's files, in and out.
enum FileContentRoutes {
    static func read(_ exchange: Exchange) async throws -> Response {
        let query = try exchange.query(["path", "user"])
        let path = try FileRoutes.path(query)
        let session = try await FileRoutes.open(exchange, query)
        var range: ByteRange?
        if let field = exchange.request.headers[.range] {
            let size = try await session.attributes(of: path, followingLinks: true).size
            range = try ByteRange(field, size: size)
        }
        let (start, wanted) = (range?.start ?? 0, range?.length ?? FileRoutes.maximumBytes)
        let (front, connection) = (exchange.front, exchange.connection)
        guard front.waits.take() else {
            throw CordonError(.resourceExhausted, "too many requests are waiting", retryAfter: .seconds(1))
        }
        exchange.scope.atEnd { front.waits.giveBack() }
        let attributes = try await connection.whilePresent {
            try await session.read(path, from: start, upTo: wanted)
        }
        guard attributes.size <= FileRoutes.maximumBytes || range != nil else {
            throw FileFault.tooLarge.error(path)
        }
        // Files of the kernel's tell no size: they are sent as they come.
        let length = attributes.size > 0 ? min(wanted, attributes.size - min(start, attributes.size)) : nil
        var fields: HTTPFields = [.contentType: "application/octet-stream", .acceptRanges: "bytes"]
        fields[.cordonFileMode] = FileModeText.text(attributes.mode)
        if let range {
            fields[.contentRange] = "bytes \(range.start)-\(range.start + (length ?? 1) - 1)/\(attributes.size)"
        }
        let body = FileBody(session: session, connection: connection, length: length)
        return Response(
            status: range == nil ? .ok : .partialContent, headers: fields,
            body: ResponseBody(contentLength: length.map { Int($0) }) { writer in
                try await body.write(to: &writer)
                try await writer.finish(nil)
            })
    }

    static func write(_ exchange: Exchange) async throws -> Response {
        let query = try exchange.query(["path", "atomic", "parents", "mode", "user"])
        let path = try FileRoutes.path(query)
        let wanted = FileWrite(
            path: path, mode: try FileModeText.mode(query.text("mode"), field: "mode"),
            atomic: try query.flag("atomic"), makesParents: try query.flag("parents"))
        try exchange.requireContentType("application/octet-stream")
        let body = try exchange.uploadedBody(upTo: FileRoutes.maximumBytes)
        let attributes = try await FileRoutes.change(exchange, query) { session in
            try await session.write(wanted) { try await body.next() }
        }
        return try .json(FileInfo(attributes, path: path))
    }
}

/// A file on its way out, piece by piece: each is read once the one before was taken.
struct FileBody: Sendable {
    let session: any FileSession
    let connection: ClientConnection
    /// What the head has promised.
    let length: UInt64?

    func write(to writer: inout any ResponseBodyWriter) async throws {
        let session = session
        var sent: UInt64 = 0
        while length.map({ sent < $0 }) ?? true {
            guard let piece = try await connection.whilePresent({ try await session.nextPiece() }) else { break }
            let rest = length.map { Int(min($0 - sent, UInt64(piece.count))) } ?? piece.count
            try await writer.write(ByteBuffer(bytes: piece.prefix(rest)))
            sent += UInt64(rest)
        }
        // It has shrunk since: what was promised isn't there, and the answer must not seem whole.
        if let length, sent < length { throw CordonError(.aborted, "the file became shorter while it was sent") }
    }
}
