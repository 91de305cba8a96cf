import CordonAPI
import HTTPTypes
import HummingbirdCore
import NIOCore
import SandboxModel

/// How the events of a streamed run are written.
enum RunEventForm: Sendable {
    /// `text/event-stream`.
    case serverSent
    /// `application/x-ndjson`.
    case lines

    var contentType: String {
        switch self {
        case .serverSent: "text/event-stream"
        case .lines: "application/x-ndjson"
        }
    }

    /// What comes before an event's data, which is an object without its opening brace.
    func opening(_ name: String) -> String {
        switch self {
        case .serverSent: "event: \(name)\ndata: {"
        case .lines: "{\"event\":\"\(name)\","
        }
    }

    /// What comes behind it.
    var closing: String {
        switch self {
        case .serverSent: "\n\n"
        case .lines: "\n"
        }
    }

    /// Said when nothing else has been for a while.
    var heartbeat: String {
        switch self {
        case .serverSent: ": \n\n"
        case .lines: "{\"event\":\"heartbeat\"}\n"
        }
    }
}

/// A run's output as it comes, and its result.
struct RunStream: Sendable {
    let follower: RunFollower
    let form: RunEventForm

    /// One stream, and how far it has been sent.
    private struct Source {
        let stream: OutputStream
        let name: String
        let pieces: StreamPieces
        var offset: UInt64 = 0
        var isOver = false
    }

    func response() async throws -> Response {
        var sources: [Source] = []
        for (name, stream) in [("stdout", OutputStream.stdout), ("stderr", .stderr)] {
            // Opened while a problem can still be answered.
            guard let pieces = try await follower.output(stream) else { continue }
            sources.append(Source(stream: stream, name: name, pieces: pieces))
        }
        return Response(
            status: .ok, headers: [.contentType: form.contentType],
            body: ResponseBody { [sources] writer in
                try await event("started", JSONText.encode(started), to: &writer)
                try await follow(sources, to: &writer)
                // The streams' ends are known by now; the answer of the whole follows.
                let finished = try await follower.finish()
                let body = try follower.body(of: finished, outputs: [])
                try await writer.write(ByteBuffer(string: form.opening("result")))
                var inner: any ResponseBodyWriter = Unbraced(writer: writer)
                try await body.write(to: &inner)
                try await writer.write(ByteBuffer(string: form.closing))
                try await writer.finish(nil)
            })
    }

    private var started: RunStarted {
        RunStarted(sandboxID: follower.id.text, execID: RunSpec.execID.text)
    }

    private func event(_ name: String, _ object: [UInt8], to writer: inout any ResponseBodyWriter) async throws {
        var buffer = ByteBuffer(string: form.opening(name))
        buffer.writeBytes(object.dropFirst())
        buffer.writeString(form.closing)
        try await writer.write(buffer)
    }

    /// Sends what the streams hold until the program has ended and all that it wrote is sent.
    private func follow(_ given: [Source], to writer: inout any ResponseBodyWriter) async throws {
        var sources = given
        let bell = Doorbell()
        let watchers = Watchers(follower: follower, bell: bell)
        defer { watchers.cancel() }
        watchers.watchEnd()
        while true {
            // Looked at before the streams are: what was written before the end is there then.
            let hasEnded = bell.hasEnded
            var hasMore = false
            for index in sources.indices where !sources[index].isOver {
                if try await send(&sources[index], to: &writer) { hasMore = true }
            }
            if hasMore { continue }
            if hasEnded { return }
            for index in sources.indices where !sources[index].isOver && !bell.isWatched(sources[index].stream) {
                watchers.watch(sources[index].stream, sources[index].pieces.reader, beyond: sources[index].offset)
            }
            let interval = follower.exchange.front.options.heartbeat
            let rang = try await follower.exchange.connection.whilePresent {
                let rang = await bell.wait(upTo: interval)
                // Cut short, it is neither a bell nor a pause: heartbeats would follow each other without end.
                try Task.checkCancellation()
                return rang
            }
            if !rang { try await writer.write(ByteBuffer(string: form.heartbeat)) }
        }
    }

    /// Sends the next piece of a stream; whether there was one.
    private func send(_ source: inout Source, to writer: inout any ResponseBodyWriter) async throws -> Bool {
        switch try await source.pieces.read(at: source.offset, limit: .max) {
        case .bytes(let buffer):
            let (count, text) = Self.encoded(buffer)
            var line = Array("\"offset\":\(source.offset),".utf8)
            line += text
            var out = ByteBuffer(string: form.opening(source.name))
            out.writeBytes(line)
            out.writeString("}" + form.closing)
            try await writer.write(out)
            source.offset += UInt64(count)
            // The program's side hears how far the client has got.
            _ = try await source.pieces.reader.waitBeyond(source.offset, upTo: .zero)
            return true
        case .gap(let first):
            var out = ByteBuffer(string: form.opening("gap"))
            out.writeString(
                "\"stream\":\"\(source.name)\",\"offset\":\(source.offset),\"first\":\(first)}" + form.closing)
            try await writer.write(out)
            source.offset = first
            return true
        case .upToDate: return false
        case .end:
            source.isOver = true
            return false
        }
    }

    /// The piece's bytes as a member of an object, and how many of them: a character that is cut at the
    /// piece's end is left for the next, unless nothing else is there.
    private static func encoded(_ buffer: ByteBuffer) -> (count: Int, text: [UInt8]) {
        let bytes = buffer.readableBytesView
        for cut in 0...min(3, bytes.count - 1) {
            var measure = TextMeasure()
            measure.take(bytes.dropLast(cut))
            guard measure.isText else { break }
            guard measure.isComplete else { continue }
            var text = Array("\"data\":\"".utf8)
            JSONText.appendEscaped(bytes.dropLast(cut), to: &text)
            return (bytes.count - cut, text + [UInt8(ascii: "\"")])
        }
        return (bytes.count, Array("\"data_base64\":\"".utf8) + Base64.encode(bytes) + [UInt8(ascii: "\"")])
    }
}

/// Writes an object without its opening brace, which stands already.
private struct Unbraced: ResponseBodyWriter {
    var writer: any ResponseBodyWriter
    private var isFirst = true

    init(writer: any ResponseBodyWriter) { self.writer = writer }

    mutating func write(_ buffer: ByteBuffer) async throws {
        var buffer = buffer
        if isFirst {
            buffer.moveReaderIndex(forwardBy: 1)
            isFirst = false
        }
        try await writer.write(buffer)
    }

    consuming func finish(_ trailingHeaders: HTTPFields?) async throws {}
}
