import CordonAPI
import HTTPTypes
import HummingbirdCore
import NIOCore
import SandboxModel

/// Directories of a sandbox as tar archives, in and out.
enum ArchiveRoutes {
    /// What an archive may amount to without its compression, and how many entries it may have.
    static let mostBytes: UInt64 = 64 << 30
    static let mostEntries: UInt64 = 2_000_000

    static func pack(_ exchange: Exchange) async throws -> Response {
        let query = try exchange.query(["path", "compression", "user"])
        let (path, compression) = (try FileRoutes.path(query), try compression(query))
        let session = try await FileRoutes.open(exchange, query)
        guard exchange.front.waits.take() else {
            throw CordonError(.resourceExhausted, "too many requests are waiting", retryAfter: .seconds(1))
        }
        exchange.scope.atEnd { [front = exchange.front] in front.waits.giveBack() }
        try await exchange.connection.whilePresent { try await session.pack(path, compression: compression) }
        let body = FileBody(session: session, connection: exchange.connection, length: nil)
        return Response(
            status: .ok, headers: [.contentType: contentType(compression)],
            body: ResponseBody { writer in
                try await body.write(to: &writer)
                try await writer.finish(nil)
            })
    }

    static func unpack(_ exchange: Exchange) async throws -> Response {
        let query = try exchange.query(["path", "compression", "user"])
        let (path, compression) = (try FileRoutes.path(query), try compression(query))
        try exchange.requireContentType(contentType(compression))
        let body = try exchange.uploadedBody(upTo: FileRoutes.maximumBytes)
        let unpacking = Unpacking(
            path: path, kind: .archive, compression: compression, mostBytes: mostBytes, mostEntries: mostEntries)
        let summary = try await FileRoutes.change(exchange, query) { session in
            try await session.unpack(unpacking) { try await body.next() }
        }
        return try .json(UnpackedArchive(summary))
    }

    private static let names: [(String, ArchiveCompression)] = [("none", .none), ("gzip", .gzip), ("zstd", .zstd)]

    private static func compression(_ query: Query) throws(CordonError) -> ArchiveCompression {
        guard let text = query.text("compression") else { return .none }
        guard let found = names.first(where: { $0.0 == text }) else {
            throw .invalid(field: "compression", value: text, rule: "none, gzip or zstd")
        }
        return found.1
    }

    private static func contentType(_ compression: ArchiveCompression) -> String {
        switch compression {
        case .none: "application/x-tar"
        case .gzip: "application/gzip"
        case .zstd: "application/zstd"
        }
    }
}

extension UnpackedArchive {
    init(_ summary: UnpackingSummary) {
        let hex = summary.digest.map { byte in
            let digits = String(byte, radix: 16)
            return digits.utf8.count < 2 ? "0" + digits : digits
        }
        self.init(
            entries: summary.entries, sizeBytes: summary.bytes, sha256: hex.joined(), leftOut: summary.leftOut,
            leftOutCount: summary.leftOutCount)
    }
}
