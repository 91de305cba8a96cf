import CordonAPI
import NIOCore

/// How far an attached reader has got: what makes a new connection go on where the last one broke.
struct AttachPosition: Sendable, Hashable {
    /// Behind the last byte of each stream that was given; nil for "from now on", until the service says where that is.
    private(set) var offsets: [OutputName: UInt64]
    private(set) var result: EndResult?
    private var ended: Set<OutputName> = []

    init(fromNowOn: Bool) { offsets = fromNowOn ? [:] : [.stdout: 0, .stderr: 0] }

    /// Whether all there is was given.
    var isComplete: Bool { result != nil && ended.count == OutputName.allCases.count }

    /// The query that attaches from here.
    func query(takesStdin: Bool) -> String {
        let streams = OutputName.allCases.map { "\($0.rawValue)_offset=\(offsets[$0].map { "\($0)" } ?? "end")" }
        return streams.joined(separator: "&") + "&stdin=\(takesStdin)"
    }

    mutating func started(_ event: AttachEvent) throws(ClientError) {
        guard event.type == .started, let stdout = event.stdoutOffset, let stderr = event.stderrOffset else {
            throw .unexpected("an attached connection that doesn't begin with started")
        }
        // What was given is never given again: a service that begins elsewhere says so with a gap.
        if offsets[.stdout] == nil { offsets[.stdout] = stdout }
        if offsets[.stderr] == nil { offsets[.stderr] = stderr }
    }

    /// What of `bytes` is new.
    mutating func take(_ stream: OutputName, _ offset: UInt64, _ bytes: ByteBuffer) throws(ClientError) -> ByteBuffer? {
        let next = offsets[stream] ?? offset
        guard offset <= next else {
            throw .unexpected("\(stream.rawValue) went from \(next) to \(offset) without a gap")
        }
        var new = bytes
        new.moveReaderIndex(forwardBy: Int(min(next - offset, UInt64(new.readableBytes))))
        guard new.readableBytes > 0 else { return nil }
        offsets[stream] = next + UInt64(new.readableBytes)
        return new
    }

    /// The number of bytes that a gap takes away.
    mutating func skip(_ event: AttachEvent) throws(ClientError) -> (OutputName, UInt64) {
        guard let stream = event.stream.flatMap(OutputName.init(rawValue:)), let to = event.to else {
            throw .unexpected("a gap without a stream or an end")
        }
        let from = offsets[stream] ?? event.from ?? to
        offsets[stream] = max(to, from)
        return (stream, to > from ? to - from : 0)
    }

    mutating func end(_ event: AttachEvent) throws(ClientError) {
        guard let stream = event.stream.flatMap(OutputName.init(rawValue:)), event.offset == offsets[stream] else {
            throw .unexpected("a stream's end at \(event.offset ?? 0)")
        }
        ended.insert(stream)
    }

    mutating func exit(_ event: AttachEvent) { result = event.result }
}
