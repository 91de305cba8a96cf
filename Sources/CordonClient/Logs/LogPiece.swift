public import CordonAPI

/// A stretch of what an exec wrote.
public struct LogPiece: Sendable, Hashable {
    public enum Content: Sendable, Hashable {
        case bytes([UInt8])
        /// So many bytes are gone.
        case gone(UInt64)
    }

    public var stream: OutputName
    /// Of the first byte, absolute.
    public var offset: UInt64
    /// When it was written; nil for bytes whose time is no longer kept.
    public var at: APITime?
    public var content: Content

    public init(stream: OutputName, offset: UInt64, at: APITime?, content: Content) {
        self.stream = stream
        self.offset = offset
        self.at = at
        self.content = content
    }

    var end: UInt64 {
        switch content {
        case .bytes(let bytes): offset + UInt64(bytes.count)
        case .gone(let count): offset + count
        }
    }

    init(_ line: LogLine) throws(ClientError) {
        guard let stream = OutputName(rawValue: line.stream) else {
            throw .unexpected("a log entry of \(line.stream)")
        }
        let content: Content
        if line.dropped == true, line.length >= 0 {
            content = .gone(UInt64(line.length))
        } else if let bytes = line.text.map({ Array($0.utf8) }) ?? line.base64.flatMap({ Base64.decode($0) }) {
            content = .bytes(bytes)
        } else {
            throw .unexpected("a log entry without bytes")
        }
        self.init(stream: stream, offset: line.offset, at: line.at, content: content)
    }

    /// What of it lies behind `offset`; nil when nothing does.
    func from(_ first: UInt64) -> LogPiece? {
        guard first > offset else { return self }
        guard end > first else { return nil }
        var rest = self
        rest.offset = first
        switch content {
        case .bytes(let bytes): rest.content = .bytes(Array(bytes.dropFirst(Int(first - offset))))
        case .gone: rest.content = .gone(end - first)
        }
        return rest
    }
}
