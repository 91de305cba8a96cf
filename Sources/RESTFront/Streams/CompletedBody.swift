import CordonAPI
import HTTPTypes
import HummingbirdCore
import NIOCore
import SandboxModel

/// The answer of a waited-for exec. It is written piece by piece: up to twice 8 MiB of output are
/// never in memory at once, whoever asks how often.
struct CompletedBody: Sendable {
    /// One stream, measured: what of it is shown, and how.
    struct Output: Sendable {
        let name: String
        let pieces: StreamPieces
        let range: Range<UInt64>
        let total: UInt64
        let isText: Bool

        /// Reads the stretch once to see whether it is text.
        init(name: String, pieces: StreamPieces, limit: UInt64) async throws {
            self.name = name
            self.pieces = pieces
            let extent = try pieces.reader.extent()
            var measure = TextMeasure()
            let wanted = extent.first..<min(extent.end, extent.first + limit)
            var lastWhole = wanted.lowerBound
            let reached = try await pieces.forEach(in: wanted) { buffer in
                let start = lastWhole
                measure.take(buffer.readableBytesView)
                lastWhole = start + UInt64(buffer.readableBytes)
            }
            // A cut within a character isn't the text's fault: up to three bytes less make it whole.
            var end = reached
            if measure.isText, !measure.isComplete, end < extent.end {
                end = try await Self.characterBoundary(before: end, from: wanted.lowerBound, pieces)
                isText = true
            } else {
                isText = measure.isComplete
            }
            range = wanted.lowerBound..<max(wanted.lowerBound, end)
            total = extent.end
        }

        private static func characterBoundary(before end: UInt64, from start: UInt64, _ pieces: StreamPieces)
            async throws -> UInt64
        {
            let tail = max(start, end >= 3 ? end - 3 : 0)
            var boundary = end
            _ = try await pieces.forEach(in: tail..<end) { buffer in
                guard let index = buffer.readableBytesView.lastIndex(where: { $0 & 0xC0 == 0xC0 }) else { return }
                boundary = tail + UInt64(index - buffer.readableBytesView.startIndex)
            }
            return boundary
        }
    }

    let exec: Exec
    let result: EndResult
    let outputs: [Output]

    func write(to writer: inout any ResponseBodyWriter) async throws {
        var head = Array("{\"exec\":".utf8)
        head += try JSONText.encode(exec)
        head += Array(",\"result\":".utf8)
        head += try JSONText.encode(result)
        try await writer.write(ByteBuffer(bytes: head))
        for output in outputs { try await output.write(to: &writer) }
        try await writer.write(ByteBuffer(string: "}"))
    }
}

extension Response {
    /// Output that is no longer than this is answered in one piece.
    private static let shortOutput: UInt64 = 64 * 1024

    /// JSON that holds `bytes` of what a program made: in one piece with its head where that is short, else written as
    /// it is read.
    static func holding(
        bytes: UInt64, _ write: @escaping @Sendable (inout any ResponseBodyWriter) async throws -> Void
    ) async throws -> Response {
        let fields: HTTPFields = [.contentType: "application/json"]
        guard bytes > shortOutput else {
            let collector = BodyCollector()
            var writer: any ResponseBodyWriter = collector
            try await write(&writer)
            return Response(status: .ok, headers: fields, body: ResponseBody(byteBuffer: collector.buffer))
        }
        return Response(
            status: .ok, headers: fields,
            body: ResponseBody { writer in
                try await write(&writer)
                try await writer.finish(nil)
            })
    }
}

/// Keeps what is written to it.
private final class BodyCollector: ResponseBodyWriter {
    private(set) var buffer = ByteBuffer()

    func write(_ buffer: ByteBuffer) async throws { self.buffer.writeImmutableBuffer(buffer) }

    func finish(_ trailingHeaders: HTTPFields?) async throws {}
}

extension CompletedBody.Output {
    /// How much of the stream is shown.
    var shownBytes: UInt64 { range.upperBound - range.lowerBound }

    /// Writes the stream as members of an object, a comma before each.
    func write(to writer: inout any ResponseBodyWriter) async throws {
        try await writer.write(
            ByteBuffer(
                string: ",\"\(name)_bytes\":\(total),\"\(name)_dropped\":\(range.lowerBound)"
                    + ",\"\(name)_truncated\":\(range.upperBound < total)"
                    + ",\"\(name)\(isText ? "" : "_base64")\":\""))
        var carried: [UInt8] = []
        var offset = range.lowerBound
        while offset < range.upperBound {
            guard
                case .bytes(let buffer) = try await pieces.read(
                    at: offset, limit: range.upperBound - offset)
            else { throw CordonError(.dataLoss, "output went while it was sent") }
            offset += UInt64(buffer.readableBytes)
            var text: [UInt8] = []
            if isText {
                JSONText.appendEscaped(buffer.readableBytesView, to: &text)
            } else {
                // Only whole groups of three can be joined; the rest waits for the next piece.
                carried += buffer.readableBytesView
                let whole = offset == range.upperBound ? carried.count : carried.count / 3 * 3
                text = Base64.encode(carried[..<whole])
                carried.removeFirst(whole)
            }
            try await writer.write(ByteBuffer(bytes: text))
        }
        try await writer.write(ByteBuffer(string: "\""))
    }
}
