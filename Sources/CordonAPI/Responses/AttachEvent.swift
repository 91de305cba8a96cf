/// What both sides of an attach over WebSocket agree on (docs/STREAMS.md).
public enum AttachProtocol {
    /// The subprotocol with offsets.
    public static let name = "cordon.v1"
    /// Before the payload of a binary message: the channel, and the offset of the first byte (u64, big-endian).
    public static let headerBytes = 9
    /// The largest payload of a client's binary message.
    public static let maximumStdinBytes = 1 << 20

    /// The channels of binary messages.
    public enum Channel: UInt8, Sendable, Hashable, CaseIterable {
        case stdin = 0
        case stdout = 1
        case stderr = 2
    }
}

/// A text message of the service on an attached connection: `type` says which of the others are there.
public struct AttachEvent: Sendable, Hashable, Codable {
    public enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
        /// First: `exec`, `stdout_offset`, `stderr_offset`, `stdin`, `read_only`.
        case started
        /// Bytes are gone: `stream`, `from`, `to`, `dropped`.
        case gap
        /// Answers each message for stdin: `accepted`, `closed`.
        case stdin
        /// A stream is over: `stream`, `offset`.
        case end
        /// The exec is over: `result`.
        case exit
        /// A message couldn't be served: `problem`.
        case error
    }

    public var type: Kind
    public var exec: Exec?
    public var stdoutOffset: UInt64?
    public var stderrOffset: UInt64?
    public var stdin: Stdin?
    public var readOnly: Bool?
    /// `stdout` or `stderr`.
    public var stream: String?
    public var from: UInt64?
    public var to: UInt64?
    public var dropped: UInt64?
    public var accepted: UInt64?
    public var closed: Bool?
    public var offset: UInt64?
    public var result: EndResult?
    public var problem: Problem?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case type, exec, stdin, stream, from, to, dropped, accepted, closed, offset, result, problem
        case stdoutOffset = "stdout_offset"
        case stderrOffset = "stderr_offset"
        case readOnly = "read_only"
    }

    private init(_ type: Kind) { self.type = type }

    public static func started(
        _ exec: Exec, stdoutOffset: UInt64, stderrOffset: UInt64, stdin: Stdin, readOnly: Bool
    ) -> AttachEvent {
        var event = AttachEvent(.started)
        event.exec = exec
        event.stdoutOffset = stdoutOffset
        event.stderrOffset = stderrOffset
        event.stdin = stdin
        event.readOnly = readOnly
        return event
    }

    public static func gap(_ stream: String, from: UInt64, to: UInt64) -> AttachEvent {
        var event = AttachEvent(.gap)
        event.stream = stream
        event.from = from
        event.to = to
        event.dropped = to - from
        return event
    }

    public static func stdin(_ state: Stdin) -> AttachEvent {
        var event = AttachEvent(.stdin)
        event.accepted = state.accepted
        event.closed = state.closed
        return event
    }

    public static func end(_ stream: String, offset: UInt64) -> AttachEvent {
        var event = AttachEvent(.end)
        event.stream = stream
        event.offset = offset
        return event
    }

    public static func exit(_ result: EndResult) -> AttachEvent {
        var event = AttachEvent(.exit)
        event.result = result
        return event
    }

    public static func error(_ problem: Problem) -> AttachEvent {
        var event = AttachEvent(.error)
        event.problem = problem
        return event
    }
}
