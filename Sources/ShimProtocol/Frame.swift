/// One message between two of our programs: length u32 (of what follows it), type u16, request
/// id u64, and the message's own fields. An answer carries its request's id; a report carries 0.
public struct Frame: Sendable {
    /// The version that `hello` carries; a newer one only adds fields at the end of messages.
    public static let version: UInt32 = 1
    public static let headerSize = 14
    /// The largest frame: an exec's argv and environment fit, a stdin piece too.
    public static let maximumSize = 1 << 20

    public let type: UInt16
    public let request: UInt64
    public let payload: ArraySlice<UInt8>

    /// The bytes of a message.
    public static func bytes<Body: Message>(_ message: Body, request: UInt64) -> [UInt8] {
        var body = WireWriter()
        message.encode(into: &body)
        var frame = WireWriter()
        frame.put(UInt32(body.bytes.count + headerSize - 4))
        frame.put(Body.type.rawValue)
        frame.put(request)
        return frame.bytes + body.bytes
    }

    /// Decodes the payload as the message that the caller expects by its type.
    public func decode<Body: Message>(_ type: Body.Type = Body.self) throws(WireError) -> Body {
        guard self.type == Body.type.rawValue else {
            throw WireError("message type \(self.type) where \(Body.type) was due")
        }
        var reader = WireReader(payload)
        return try Body(from: &reader)
    }
}

/// Cuts a byte stream into frames. Holds at most one incomplete frame.
public struct FrameAssembler: Sendable {
    private var buffer: [UInt8] = []
    private var start = 0
    /// The largest buffer that is kept while it is empty.
    private static let mostSpare = 64 * 1024

    public init() {}

    /// Whether nothing is held of a frame that isn't whole yet.
    public var isEmpty: Bool { start == buffer.count }

    public mutating func append(_ bytes: some Sequence<UInt8>) {
        // What has been cut off goes when that is cheap: when nothing is left behind it, or little.
        if start == buffer.count {
            buffer.removeAll(keepingCapacity: buffer.capacity <= Self.mostSpare)
            start = 0
        } else if start > buffer.count / 2 {
            buffer.removeFirst(start)
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next whole frame, or nil until more bytes have come. Throws when the stream is not ours.
    public mutating func next() throws(WireError) -> Frame? {
        guard buffer.count - start >= Frame.headerSize else { return nil }
        var reader = WireReader(buffer[start...])
        let length = Int(try reader.integer(UInt32.self))
        guard length >= Frame.headerSize - 4, length <= Frame.maximumSize else {
            throw WireError("a frame of \(length) bytes")
        }
        guard buffer.count - start >= length + 4 else { return nil }
        let type = try reader.integer(UInt16.self)
        let request = try reader.integer(UInt64.self)
        let end = start + length + 4
        let payload = buffer[(start + Frame.headerSize)..<end]
        start = end
        return Frame(type: type, request: request, payload: ArraySlice(Array(payload)))
    }
}

/// The type numbers of all messages; a number is never used for anything else.
public enum MessageType: UInt16, Sendable {
    case hello = 1
    case failure = 2
    case done = 3

    // service → launcher, and its answers
    case launch = 10
    case launched = 11
    case end = 12
    case ended = 13
    case inventory = 14
    case inventoryList = 15
    case forget = 16
    case shutDown = 17
    case poolStatus = 18
    case poolCounts = 19

    // service → shim, and its answers
    case shimStatus = 20
    case startExec = 21
    case execState = 22
    case signal = 23
    case writeStdin = 24
    case stdinState = 25
    case watch = 26
    case extent = 27
    case closeReader = 28
    case setDeadlines = 29
    case execEnded = 31
    case startTerminalExec = 32
    case resize = 33
    case openFiles = 36

    // launcher → shim, and its answers
    case prepare = 40
    case prepared = 41
    case assign = 42
    case assigned = 43
    case endSandbox = 44

    // service → file agent, and its answers
    case filesReady = 60
    case writeFile = 61
    case readFile = 62
    case fileData = 63
    case fileEnd = 64
    case describeFile = 65
    case listDirectory = 66
    case makeDirectory = 67
    case removeFile = 68
    case renameFile = 69
    case changeMode = 70
    case fileState = 71
    case directoryListing = 72
    case fileFault = 73
    case working = 74
}

/// A message: a wire value with a type number.
public protocol Message: WireCodable {
    static var type: MessageType { get }
}
