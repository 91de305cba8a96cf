import SandboxModel

extension Timestamp: WireCodable {
    public func encode(into writer: inout WireWriter) { writer.put(microseconds) }
    public init(from reader: inout WireReader) throws(WireError) { self.init(microseconds: try reader.integer()) }
}

extension SandboxID: WireCodable {
    public func encode(into writer: inout WireWriter) { writer.put(text) }
    public init(from reader: inout WireReader) throws(WireError) {
        guard let id = SandboxID(try reader.string()) else { throw WireError("not a sandbox id") }
        self = id
    }
}

extension ExecID: WireCodable {
    public func encode(into writer: inout WireWriter) { writer.put(text) }
    public init(from reader: inout WireReader) throws(WireError) {
        guard let id = ExecID(try reader.string()) else { throw WireError("not an exec id") }
        self = id
    }
}

extension TerminalSize: WireCodable {
    public func encode(into writer: inout WireWriter) {
        writer.put(UInt16(rows))
        writer.put(UInt16(columns))
    }

    public init(from reader: inout WireReader) throws(WireError) {
        let (rows, columns) = (Int(try reader.integer(UInt16.self)), Int(try reader.integer(UInt16.self)))
        do {
            try self.init(rows: rows, columns: columns)
        } catch { throw WireError("not a terminal's size") }
    }
}

extension WireReader {
    /// A duration in microseconds; negative is refused.
    public mutating func duration() throws(WireError) -> Duration {
        let microseconds = try integer(Int64.self)
        guard microseconds >= 0 else { throw WireError("a negative duration") }
        return .microseconds(microseconds)
    }

    mutating func optionalDuration() throws(WireError) -> Duration? { try bool() ? try duration() : nil }
}

extension WireWriter {
    public mutating func put(_ value: Duration) { put(value.microseconds) }

    mutating func putOptional(_ value: Duration?) {
        put(value != nil)
        if let value { put(value) }
    }
}

extension EndingReason {
    /// Numbers on the wire and on disk; never reused.
    var wireNumber: UInt8 {
        switch self {
        case .exited: 1
        case .signalled: 2
        case .timedOut: 3
        case .idleTimedOut: 4
        case .terminated: 5
        case .outOfMemory: 6
        case .failedToStart: 7
        case .supervisorLost: 8
        case .hostRestarted: 9
        }
    }
}

extension Ending: WireCodable {
    public func encode(into writer: inout WireWriter) {
        writer.put(reason.wireNumber)
        writer.put(Int32(exitCode ?? -1))
        writer.put(Int32(signal ?? -1))
        writer.put(waitStatus != nil)
        writer.put(waitStatus ?? 0)
        writer.put(detail ?? "")
        writer.put(at)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        let number: UInt8 = try reader.integer()
        guard let reason = EndingReason.allCases.first(where: { $0.wireNumber == number }) else {
            throw WireError("unknown ending \(number)")
        }
        let exitCode: Int32 = try reader.integer()
        let signal: Int32 = try reader.integer()
        let hasStatus = try reader.bool()
        let status: Int32 = try reader.integer()
        let detail = try reader.string()
        self.init(
            reason, exitCode: exitCode < 0 ? nil : Int(exitCode), signal: signal < 0 ? nil : Int(signal),
            waitStatus: hasStatus ? status : nil, detail: detail.isEmpty ? nil : detail, at: try reader.value())
    }
}

/// An error as it crosses between programs.
public struct Failure: Message, Error, CustomStringConvertible {
    public static let type = MessageType.failure
    public var code: ErrorCode
    public var message: String
    /// A number that belongs to it: bytes accepted.
    public var number: UInt64

    public init(_ code: ErrorCode, _ message: String, number: UInt64 = 0) {
        self.code = code
        self.message = message
        self.number = number
    }

    public var description: String { message }

    public func encode(into writer: inout WireWriter) {
        writer.put(code.rawValue)
        writer.put(message)
        writer.put(number)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        code = ErrorCode(rawValue: try reader.string()) ?? .internal
        message = try reader.string()
        number = try reader.integer()
    }
}

/// An answer without content.
public struct Done: Message {
    public static let type = MessageType.done
    public init() {}
    public func encode(into writer: inout WireWriter) {}
    public init(from reader: inout WireReader) throws(WireError) {}
}

/// The first message in each direction of a connection that wants reports.
public struct Hello: Message {
    public static let type = MessageType.hello
    public var version: UInt32
    public init(version: UInt32 = Frame.version) { self.version = version }
    public func encode(into writer: inout WireWriter) { writer.put(version) }
    public init(from reader: inout WireReader) throws(WireError) { version = try reader.integer() }
}
