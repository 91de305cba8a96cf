import CordonAPI
import HTTPTypes
import HummingbirdCore
import NIOCore
import SandboxModel

/// What a process wrote.
enum StreamRoutes {
    static func read(_ exchange: Exchange, _ stream: OutputStream) async throws -> Response {
        let query = try exchange.query(["offset", "follow", "limit"])
        let offset = try query.whole("offset", in: 0...UInt64.max) ?? 0
        let limit = try query.whole("limit", in: 1...UInt64.max) ?? .max
        let follow = try query.flag("follow")
        let reader = try await exchange.service.output(stream, of: exchange.execID(), in: exchange.sandboxID())
        exchange.scope.atEnd { await reader.close() }
        var extent = try reader.extent()
        // Nothing yet: whether there ever will be anything is for the sandbox's side to say.
        if extent.end == 0, !extent.closed { extent = try await reader.waitBeyond(0, upTo: .zero) }
        guard offset <= extent.end else {
            throw CordonError(
                .outOfRange, "the stream has \(extent.end) bytes so far", field: "offset", value: String(offset),
                rule: "at most \(extent.end)", detail: ["end": String(extent.end)])
        }
        let start = max(offset, extent.first)
        var fields: HTTPFields = [
            .contentType: "application/octet-stream", .cordonOffset: String(start),
            .cordonDropped: String(start - offset),
        ]
        if extent.closed { fields[.cordonEnd] = String(extent.end) }
        let there = extent.end - start
        let body = OutputBody(
            pieces: StreamPieces(reader: reader, pieceBytes: exchange.front.options.pieceBytes),
            connection: exchange.connection, start: start,
            limit: follow && !extent.closed ? limit : min(limit, there), follow: follow,
            waitStep: exchange.front.options.waitStep)
        if follow, !extent.closed {
            guard exchange.front.waits.take() else {
                throw CordonError(.resourceExhausted, "too many requests are waiting", retryAfter: .seconds(1))
            }
            exchange.scope.atEnd { [front = exchange.front] in front.waits.giveBack() }
        }
        return Response(
            status: .ok, headers: fields,
            body: ResponseBody { writer in
                let trailers = try await body.write(to: &writer)
                try await writer.finish(trailers)
            })
    }
}
