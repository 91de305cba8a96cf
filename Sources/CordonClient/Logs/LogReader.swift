public import CordonAPI
import NIOCore

/// Reads what an exec wrote in the order in which it was written, with times; while it runs, and afterwards.
///
/// The service keeps the times of the last 65,536 stretches. Bytes whose time is gone come before, with none.
public struct LogReader: Sendable {
    private let client: CordonClient
    private let exec: String
    private let sandbox: String
    /// The time of the last entry seen: entries from there on are asked for.
    private var since: APITime?
    /// Where each stream goes on; absent until an entry tells, where only a part was asked for.
    private var next: [OutputName: UInt64]

    /// - Parameter since: nothing that was written earlier.
    public init(_ client: CordonClient, exec: String, in sandbox: String, since: APITime? = nil) {
        self.client = client
        self.exec = exec
        self.sandbox = sandbox
        self.since = since
        next = since == nil ? [.stdout: 0, .stderr: 0] : [:]
    }

    /// Gives everything that is there and wasn't given yet.
    public mutating func readAvailable(_ consume: (LogPiece) async throws -> Void) async throws {
        while try await readPage(consume) {}
        for stream in OutputName.allCases { try await fill(stream, upTo: .max, consume) }
    }

    /// Gives everything until the exec is over.
    public mutating func follow(_ consume: (LogPiece) async throws -> Void) async throws {
        while true {
            let isOver = try await client.exec(exec, in: sandbox).result != nil
            if isOver { return try await readAvailable(consume) }
            while try await readPage(consume) {}
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    /// Reads what the index has from here on, 1000 entries at most; false when there was nothing new.
    private mutating func readPage(_ consume: (LogPiece) async throws -> Void) async throws -> Bool {
        var isNew = false
        var retrying = Retrying(patience: client.patience)
        while true {
            var entries = JSONObjects(atDepth: 2)
            var status = 0
            var refusal: [UInt8] = []
            do {
                _ = try await client.transport.send(
                    client.call(.GET, pagePath), onHead: { status = $0.status },
                    onBody: { bytes in
                        guard status == 200 else {
                            refusal.append(contentsOf: bytes.readableBytesView)
                            return
                        }
                        retrying.progressed()
                        for entry in try entries.take(bytes.readableBytesView) {
                            let line = try JSONText.decode(LogLine.self, from: entry)
                            if try await give(LogPiece(line), consume) { isNew = true }
                        }
                    })
                guard status == 200 else { throw ClientError(status: status, body: refusal) }
                return isNew
            } catch { try await retrying.pause(after: error) }
        }
    }

    private var pagePath: String {
        var path = CordonClient.path(exec, sandbox) + "/logs?limit=1000"
        if let since { path += "&since=\(CordonClient.escape("\(since)"))" }
        for (stream, offset) in next.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            path += "&\(stream.rawValue)_offset=\(offset)"
        }
        return path
    }

    /// Gives what of `piece` is new, and before it what the index had forgotten; false when nothing was new.
    private mutating func give(_ piece: LogPiece, _ consume: (LogPiece) async throws -> Void) async throws -> Bool {
        if let start = next[piece.stream], start < piece.offset {
            try await fill(piece.stream, upTo: piece.offset, consume)
        }
        guard let rest = piece.from(next[piece.stream] ?? 0) else { return false }
        try await consume(rest)
        next[piece.stream] = rest.end
        if let at = piece.at { since = at }
        return true
    }

    /// Gives a stream's bytes up to `end`, or up to where it has got, without their times.
    private mutating func fill(
        _ stream: OutputName, upTo end: UInt64, _ consume: (LogPiece) async throws -> Void
    ) async throws {
        var retrying = Retrying(patience: client.patience)
        while let start = next[stream], start < end {
            do {
                let answer = try await read(stream, from: start, count: end - start, consume)
                if answer.status == 200 { return }
                throw ClientError(status: answer.status, body: answer.refusal)
            } catch { try await retrying.pause(after: error) }
        }
    }

    private mutating func read(
        _ stream: OutputName, from start: UInt64, count: UInt64, _ consume: (LogPiece) async throws -> Void
    ) async throws -> (status: Int, refusal: [UInt8]) {
        var status = 0
        var refusal: [UInt8] = []
        var offset = start
        let path = CordonClient.path(exec, sandbox) + "/\(stream.rawValue)?offset=\(start)&limit=\(count)"
        _ = try await client.transport.send(
            client.call(.GET, path),
            onHead: { answer in
                status = answer.status
                guard status == 200 else { return }
                guard let first = answer.headers.first(name: HeaderNames.offset).flatMap({ UInt64($0) }), first >= start
                else { throw ClientError.unexpected("no \(HeaderNames.offset)") }
                guard first > start else { return }
                offset = first
                next[stream] = first
                try await consume(LogPiece(stream: stream, offset: start, at: nil, content: .gone(first - start)))
            },
            onBody: { bytes in
                guard status == 200 else {
                    refusal.append(contentsOf: bytes.readableBytesView)
                    return
                }
                let piece = LogPiece(
                    stream: stream, offset: offset, at: nil, content: .bytes(Array(bytes.readableBytesView)))
                try await consume(piece)
                offset = piece.end
                next[stream] = offset
            })
        return (status, refusal)
    }
}
