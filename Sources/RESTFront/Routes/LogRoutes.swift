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
        let query = try exchange.query(["since", "until", "limit", "stdout_offset", "stderr_offset"])
        let (since, until) = (try query.time("since"), try query.time("until"))
        let limit = try query.whole("limit", in: 1...10_000) ?? 1000
        // Entries grow while a process writes on: who reads on asks for what is new of the last one.
        let wanted: [OutputStream: UInt64] = [
            .stdout: try query.whole("stdout_offset", in: 0...UInt64.max) ?? 0,
            .stderr: try query.whole("stderr_offset", in: 0...UInt64.max) ?? 0,
        ]
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
                // Lines go out as they are read: neither 10,000 entries nor one large one need fit into memory.
                try await writer.write(ByteBuffer(string: "{\"entries\":["))
                var separator = ""
                for entry in entries {
                    guard let pieces = readers[entry.stream] else { continue }
                    var offset = max(entry.offset, wanted[entry.stream] ?? 0)
                    while let line = try await line(of: entry, at: offset, pieces) {
                        try await writer.write(ByteBuffer(bytes: Array(separator.utf8) + JSONText.encode(line)))
                        separator = ","
                        offset = line.offset + UInt64(line.length)
                    }
                }
                try await writer.write(ByteBuffer(string: "]}"))
                try await writer.finish(nil)
            })
    }

    /// The line of an entry that begins at `offset`; nil behind its last. A line is the whole entry,
    /// unless that is large or a part of it is gone.
    private static func line(of entry: LogEntry, at offset: UInt64, _ pieces: StreamPieces) async throws -> LogLine? {
        let name = entry.stream == .stdout ? "stdout" : "stderr"
        let end = entry.offset + UInt64(entry.length)
        guard offset < end else { return nil }
        switch try await pieces.read(at: offset, limit: end - offset) {
        case .bytes(let buffer) where buffer.readableBytes > 0:
            let bytes = Array(buffer.readableBytesView)
            let text = String(validating: bytes, as: UTF8.self)
            return LogLine(
                stream: name, offset: offset, length: bytes.count, at: APITime(entry.at), text: text,
                base64: text == nil ? String(decoding: Base64.encode(bytes), as: UTF8.self) : nil)
        case .gap(let first) where first > offset:
            return LogLine(
                stream: name, offset: offset, length: Int(min(first, end) - offset), at: APITime(entry.at),
                dropped: true)
        default: return nil
        }
    }
}
