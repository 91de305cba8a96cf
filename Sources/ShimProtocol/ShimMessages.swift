import SandboxModel

/// Start a command. The answer is an `ExecState` or a `Failure`.
public struct StartExec: Message {
    public static let type = MessageType.startExec
    public var id: ExecID
    public var argv: [String]
    /// `NAME=value`.
    public var environment: [String]
    public var workdir: String
    /// Empty for root.
    public var user: String
    public var timeout: Duration?
    public var onFull: FullPolicy
    public var stdout: OutputDisposition
    public var stderr: OutputDisposition
    public var stdin: Bool
    /// The size of the terminal that it gets; nil for pipes. Sent as `StartTerminalExec` when there is one.
    public var terminal: TerminalSize?

    public init(
        id: ExecID, argv: [String], environment: [String], workdir: String, user: String, timeout: Duration?,
        onFull: FullPolicy, stdout: OutputDisposition, stderr: OutputDisposition, stdin: Bool,
        terminal: TerminalSize? = nil
    ) {
        self.id = id
        self.argv = argv
        self.environment = environment
        self.workdir = workdir
        self.user = user
        self.timeout = timeout
        self.onFull = onFull
        self.stdout = stdout
        self.stderr = stderr
        self.stdin = stdin
        self.terminal = terminal
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(id)
        writer.put(argv)
        writer.put(environment)
        writer.put(workdir)
        writer.put(user)
        writer.putOptional(timeout)
        writer.put(onFull == .drop)
        writer.put(stdout == .discard)
        writer.put(stderr == .discard)
        writer.put(stdin)
        writer.put(terminal)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        id = try reader.value()
        argv = try reader.strings()
        environment = try reader.strings()
        workdir = try reader.string()
        user = try reader.string()
        timeout = try reader.optionalDuration()
        onFull = try reader.bool() ? .drop : .pause
        stdout = try reader.bool() ? .discard : .keep
        stderr = try reader.bool() ? .discard : .keep
        stdin = try reader.bool()
        // Nothing follows it, neither here nor in `Assignment`: from before there were terminals.
        terminal = reader.remaining > 0 ? try reader.optional() : nil
    }
}

/// `StartExec` with a terminal. A type of its own, so that a shim from before there were terminals
/// refuses it, and doesn't start the command without.
public struct StartTerminalExec: Message {
    public static let type = MessageType.startTerminalExec
    public var start: StartExec

    public init(_ start: StartExec) { self.start = start }
    public func encode(into writer: inout WireWriter) { writer.put(start) }
    public init(from reader: inout WireReader) throws(WireError) { start = try reader.value() }
}

/// Change the size of an exec's terminal. Answered by `Done`.
public struct Resize: Message {
    public static let type = MessageType.resize
    public var exec: ExecID
    public var size: TerminalSize

    public init(exec: ExecID, size: TerminalSize) {
        self.exec = exec
        self.size = size
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(exec)
        writer.put(size)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        exec = try reader.value()
        size = try reader.value()
    }
}

/// How an exec stands; also the record of one on disk.
public struct ExecState: Message, Hashable {
    public static let type = MessageType.execState
    public var id: ExecID
    public var startedAt: Timestamp
    public var ending: Ending?

    public init(id: ExecID, startedAt: Timestamp, ending: Ending?) {
        self.id = id
        self.startedAt = startedAt
        self.ending = ending
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(id)
        writer.put(startedAt)
        writer.put(ending)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        id = try reader.value()
        startedAt = try reader.value()
        ending = try reader.optional()
    }
}

/// A report: an exec is over.
public struct ExecEnded: Message {
    public static let type = MessageType.execEnded
    public var state: ExecState

    public init(state: ExecState) { self.state = state }
    public func encode(into writer: inout WireWriter) { writer.put(state) }
    public init(from reader: inout WireReader) throws(WireError) { state = try reader.value() }
}

/// Everything a shim knows; its answer to `Hello`, and its record on disk.
public struct ShimStatus: Message, Hashable {
    public static let type = MessageType.shimStatus
    public var id: SandboxID
    public var startedAt: Timestamp
    public var deadline: Timestamp
    public var execs: [ExecState]

    public init(id: SandboxID, startedAt: Timestamp, deadline: Timestamp, execs: [ExecState]) {
        self.id = id
        self.startedAt = startedAt
        self.deadline = deadline
        self.execs = execs
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(id)
        writer.put(startedAt)
        writer.put(deadline)
        writer.put(execs)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        id = try reader.value()
        startedAt = try reader.value()
        deadline = try reader.value()
        execs = try reader.values()
    }
}

/// Send a signal to an exec's main process; 9 goes to everything it started.
public struct Signal: Message {
    public static let type = MessageType.signal
    public var exec: ExecID
    public var number: Int32

    public init(exec: ExecID, number: Int32) {
        self.exec = exec
        self.number = number
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(exec)
        writer.put(number)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        exec = try reader.value()
        number = try reader.integer()
    }
}

/// Write to stdin at an offset. Answered by `StdinProgress` once all is taken, or stdin is closed,
/// or `limit` is over.
public struct WriteStdin: Message {
    public static let type = MessageType.writeStdin
    public var exec: ExecID
    public var offset: UInt64
    public var end: Bool
    public var limit: Duration
    public var bytes: [UInt8]

    public init(exec: ExecID, offset: UInt64, end: Bool, limit: Duration, bytes: [UInt8]) {
        self.exec = exec
        self.offset = offset
        self.end = end
        self.limit = limit
        self.bytes = bytes
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(exec)
        writer.put(offset)
        writer.put(end)
        writer.put(limit)
        writer.put(bytes)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        exec = try reader.value()
        offset = try reader.integer()
        end = try reader.bool()
        limit = try reader.duration()
        bytes = try reader.blob()
    }
}

/// How far stdin has got.
public struct StdinProgress: Message {
    public static let type = MessageType.stdinState
    public var state: StdinState

    public init(state: StdinState) { self.state = state }

    public func encode(into writer: inout WireWriter) {
        writer.put(state.accepted)
        writer.put(state.closed)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        state = StdinState(accepted: try reader.integer(), closed: try reader.bool())
    }
}

/// A reader has taken everything below `offset`, and wants to know when there is more.
/// Answered by `Extent`, at the latest when `limit` is over; a zero limit is answered at once.
public struct Watch: Message {
    public static let type = MessageType.watch
    public var exec: ExecID
    public var stream: OutputStream
    /// Chosen by the service; unique on its connection.
    public var reader: UInt64
    public var offset: UInt64
    public var limit: Duration

    public init(exec: ExecID, stream: OutputStream, reader: UInt64, offset: UInt64, limit: Duration) {
        self.exec = exec
        self.stream = stream
        self.reader = reader
        self.offset = offset
        self.limit = limit
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(exec)
        writer.put(stream.rawValue)
        writer.put(reader)
        writer.put(offset)
        writer.put(limit)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        exec = try reader.value()
        guard let stream = OutputStream(rawValue: try reader.integer()) else { throw WireError("unknown stream") }
        self.stream = stream
        self.reader = try reader.integer()
        offset = try reader.integer()
        limit = try reader.duration()
    }
}

/// What of a stream can be read.
public struct Extent: Message {
    public static let type = MessageType.extent
    public var extent: StreamExtent

    public init(extent: StreamExtent) { self.extent = extent }

    public func encode(into writer: inout WireWriter) {
        writer.put(extent.first)
        writer.put(extent.end)
        writer.put(extent.closed)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        extent = StreamExtent(first: try reader.integer(), end: try reader.integer(), closed: try reader.bool())
    }
}

/// A reader has gone; its process waits for it no longer. Not answered.
public struct CloseReader: Message {
    public static let type = MessageType.closeReader
    public var reader: UInt64

    public init(reader: UInt64) { self.reader = reader }
    public func encode(into writer: inout WireWriter) { writer.put(reader) }
    public init(from reader: inout WireReader) throws(WireError) { self.reader = try reader.integer() }
}

/// Change deadlines. Answered by `Done`.
public struct SetDeadlines: Message {
    public static let type = MessageType.setDeadlines
    /// The lifetime, counted from the start; nil keeps it.
    public var timeout: Duration?
    public var idleTimeout: IdleTimeoutChange

    public init(timeout: Duration?, idleTimeout: IdleTimeoutChange) {
        self.timeout = timeout
        self.idleTimeout = idleTimeout
    }

    public func encode(into writer: inout WireWriter) {
        writer.putOptional(timeout)
        switch idleTimeout {
        case .keep: writer.put(UInt8(0))
        case .remove: writer.put(UInt8(1))
        case .set(let duration):
            writer.put(UInt8(2))
            writer.put(duration)
        }
    }

    public init(from reader: inout WireReader) throws(WireError) {
        timeout = try reader.optionalDuration()
        switch try reader.integer(UInt8.self) {
        case 0: idleTimeout = .keep
        case 1: idleTimeout = .remove
        case 2: idleTimeout = .set(try reader.duration())
        default: throw WireError("unknown idle timeout change")
        }
    }
}
