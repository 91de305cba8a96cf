import CordonAPI
import HTTPTypes
import HummingbirdCore
import NIOCore
import SandboxModel

/// What a process wrote, in order and with times.
enum LogRoutes {
    /// The most of one entry's bytes that are shown as one.
    private static let entryBytes = 64 * 1024

    static func logs(_ exchange: Exchange) async throws -> Response {
        let query = try exchange.query(["since", "until", "limit"])
        let (since, until) = (try query.time("since"), try query.time("until"))
        let limit = try query.whole("limit", in: 1...10_000) ?? 1000
        let (id, exec) = (try exchange.sandboxID(), try exchange.execID())
        let entries = try await exchange.service.log(of: exec, in: id, since: since, until: until, limit: limit)
        var readers: [OutputStream: StreamPieces] = [:]
        for stream in Set(entries.map(\.stream)) {
            let reader = try await exchange.service.output(stream, of: exec, in: id)
            exchange.scope.atEnd { await reader.close() }
            readers[stream] = StreamPieces(reader: reader, pieceBytes: entryBytes)
        }
        return Response(
            status: .ok, headers: [.contentType: "application/json"],
            body: ResponseBody { [readers] writer in
                // Entries go out as they are read: 10,000 of them needn't fit into memory.
                try await writer.write(ByteBuffer(string: "{\"entries\":["))
                var separator = ""
                for entry in entries {
                    guard let pieces = readers[entry.stream] else { continue }
                    for line in try await lines(entry, pieces) {
                        var bytes = Array(separator.utf8)
                        bytes += try JSONText.encode(line)
                        try await writer.write(ByteBuffer(bytes: bytes))
                        separator = ","
                    }
                }
                try await writer.write(ByteBuffer(string: "]}"))
                try await writer.finish(nil)
            })
    }

    /// One entry's lines: one, unless it is large or a part of it is gone.
    private static func lines(_ entry: LogEntry, _ pieces: StreamPieces) async throws -> [LogLine] {
        let name = entry.stream == .stdout ? "stdout" : "stderr"
        var lines: [LogLine] = []
        var offset = entry.offset
        let end = entry.offset + UInt64(entry.length)
        while offset < end {
            switch try await pieces.read(at: offset, limit: end - offset) {
            case .bytes(let buffer) where buffer.readableBytes > 0:
                let bytes = Array(buffer.readableBytesView)
                let text = String(validating: bytes, as: UTF8.self)
                lines.append(
                    LogLine(
                        stream: name, offset: offset, length: bytes.count, at: APITime(entry.at), text: text,
                        base64: text == nil ? String(decoding: Base64.encode(bytes), as: UTF8.self) : nil))
                offset += UInt64(bytes.count)
            case .gap(let first) where first > offset:
                let next = min(first, end)
                lines.append(
                    LogLine(
                        stream: name, offset: offset, length: Int(next - offset), at: APITime(entry.at), dropped: true))
                offset = next
            default: return lines
            }
        }
        return lines
    }
}
