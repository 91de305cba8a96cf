/// One of the two streams that a process writes.
public enum OutputStream: UInt8, Sendable, Hashable, CaseIterable {
    case stdout = 1
    case stderr = 2
}

/// What of a stream can be read, by absolute offset of its bytes.
public struct StreamExtent: Sendable, Hashable {
    /// The first byte still kept.
    public var first: UInt64
    /// One past the last byte written so far.
    public var end: UInt64
    /// Whether nothing will be added: every writer has closed it.
    public var closed: Bool

    public init(first: UInt64, end: UInt64, closed: Bool) {
        self.first = first
        self.end = end
        self.closed = closed
    }
}

/// The outcome of one read.
public enum StreamRead: Sendable, Hashable {
    /// So many bytes, from the offset that was asked for.
    case bytes(Int)
    /// The offset's bytes are gone; the first kept is this.
    case gap(first: UInt64)
    /// Nothing beyond the offset yet.
    case upToDate
    /// The stream is closed and the offset is its end.
    case end
}

/// How far a process's stdin has got.
public struct StdinState: Sendable, Hashable {
    /// One past the last byte accepted.
    public var accepted: UInt64
    /// Whether nothing more is accepted: EOF was written, or the process closed it.
    public var closed: Bool

    public init(accepted: UInt64, closed: Bool) {
        self.accepted = accepted
        self.closed = closed
    }
}

/// One stretch of output in the order in which it was written, with its time.
public struct LogEntry: Sendable, Hashable {
    public var stream: OutputStream
    public var offset: UInt64
    public var length: Int
    public var at: Timestamp
    /// Nanoseconds on `CLOCK_BOOTTIME`: orders entries of all streams.
    public var monotonic: UInt64

    public init(stream: OutputStream, offset: UInt64, length: Int, at: Timestamp, monotonic: UInt64) {
        self.stream = stream
        self.offset = offset
        self.length = length
        self.at = at
        self.monotonic = monotonic
    }
}
