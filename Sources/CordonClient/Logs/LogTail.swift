/// Keeps the last lines of a log that goes by.
public struct LogTail: Sendable {
    private let limit: Int
    /// Lines, or parts of lines where streams took turns, oldest first.
    private var segments: [LogPiece] = []
    private var first = 0
    private var lineEnds = 0
    private var unfinished: Set<OutputName> = []

    /// - Parameter lines: how many to keep; a last one without an end counts.
    public init(lines: Int) { limit = lines }

    /// What is kept, in its order.
    public var pieces: ArraySlice<LogPiece> { segments[first...] }

    public mutating func append(_ piece: LogPiece) {
        guard case .bytes(let bytes) = piece.content else { return add(piece, endsLine: false) }
        var start = 0
        while start < bytes.count {
            let newline = bytes[start...].firstIndex(of: 10)
            let end = newline.map { $0 + 1 } ?? bytes.count
            var segment = piece
            segment.offset += UInt64(start)
            segment.content = .bytes(Array(bytes[start..<end]))
            add(segment, endsLine: newline != nil)
            start = end
        }
    }

    private mutating func add(_ segment: LogPiece, endsLine: Bool) {
        segments.append(segment)
        if endsLine {
            lineEnds += 1
            unfinished.remove(segment.stream)
        } else {
            unfinished.insert(segment.stream)
        }
        while first < segments.count, lineEnds + unfinished.count > limit {
            if Self.endsLine(segments[first]) {
                lineEnds -= 1
            } else if !segments[(first + 1)...].contains(where: { $0.stream == segments[first].stream }) {
                unfinished.remove(segments[first].stream)
            }
            first += 1
        }
        if first > 1024, first > segments.count / 2 {
            segments.removeFirst(first)
            first = 0
        }
    }

    private static func endsLine(_ segment: LogPiece) -> Bool {
        if case .bytes(let bytes) = segment.content { bytes.last == 10 } else { false }
    }
}
