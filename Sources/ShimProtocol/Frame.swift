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
        var frame = WireWriter()
        frame.put(UInt32(0))
        frame.put(Body.type.rawValue)
        frame.put(request)
        message.encode(into: &frame)
        frame.overwriteStart(UInt32(frame.bytes.count - 4))
        return frame.bytes
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
    private let mostSpare: Int

    /// - Parameter mostSpare: The largest buffer that is kept while it is empty.
    public init(keeping mostSpare: Int = 64 << 10) { self.mostSpare = mostSpare }

    /// Whether nothing is held of a frame that isn't whole yet.
    public var isEmpty: Bool { start == buffer.count }

    public mutating func append(_ bytes: some Sequence<UInt8>) {
        // What has been cut off goes when that is cheap: when nothing is left behind it, or little.
        if start == buffer.count {
            buffer.removeAll(keepingCapacity: buffer.capacity <= mostSpare)
            start = 0
        } else if start > buffer.count / 2 {
            buffer.removeFirst(start)
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next whole frame, or nil until more bytes have come. Throws when the stream is not ours.
    public mutating func next() throws(WireError) -> Frame? {
        guard let (type, request, payload) = try first() else { return nil }
        start = payload.upperBound
        return Frame(type: type, request: request, payload: ArraySlice(Array(buffer[payload])))
    }

    /// Hands the payload of the next whole frame to `take`, where it lies, if it is of this type; false for any other,
    /// and until more bytes have come. Throws what `take` throws, and the frame is done with.
    public mutating func takeNext(
        of type: MessageType, _ take: (UnsafeRawBufferPointer) throws -> Void
    ) throws -> Bool {
        guard let (found, _, payload) = try first(), found == type.rawValue else { return false }
        start = payload.upperBound
        try buffer.withUnsafeBytes { try take(UnsafeRawBufferPointer(rebasing: $0[payload])) }
        return true
    }

    /// What the first frame is and where its payload lies, if it is whole.
    private func first() throws(WireError) -> (type: UInt16, request: UInt64, payload: Range<Int>)? {
        guard buffer.count - start >= Frame.headerSize else { return nil }
        var reader = WireReader(buffer[start...])
        let length = Int(try reader.integer(UInt32.self))
        guard length >= Frame.headerSize - 4, length <= Frame.maximumSize else {
            throw WireError("a frame of \(length) bytes")
        }
        guard buffer.count - start >= length + 4 else { return nil }
        let type = try reader.integer(UInt16.self)
        let request = try reader.integer(UInt64.self)
        return (type, request, (start + Frame.headerSize)..<(start + length + 4))
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
    case holdAwake = 37

    // launcher → shim, and its answers
    case prepare = 40
    case prepared = 41
    case assign = 42
    case assigned = 43
    case endSandbox = 44
    case keepRouter = 45
    case joinSandbox = 46

    // service → launcher about layers, and its answers
    case keepLayer = 50
    case copyLayer = 51
    case layerMade = 52
    case listLayers = 53
    case removeLayers = 54
    case layerList = 55
    case mountLayers = 56
    case unmountLayers = 57
    case listTouched = 58
    case touchedPaths = 59
    case describeHost = 112
    case hostDescribed = 113

    // service → launcher about volumes, and its answers
    case commitVolume = 100
    case volumeCommitted = 101
    case reloadVolume = 102
    case volumeReloaded = 103
    case listLeftWrites = 104
    case leftWritesList = 105
    case releaseWrites = 106
    case mergeLayers = 107

    // service → launcher about networks, and its answers
    case openRouterSocket = 80
    case setNetwork = 82
    case networkSet = 83
    case openAddresses = 84

    // service → launcher, on a connection of its own, and its answer
    case openSocket = 90
    case socketOpened = 91

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
    case unpackArchive = 75
    case archiveUnpacked = 76
    case packDirectory = 77
    case watchFiles = 78
    case fileChanges = 79
    case digestFile = 110
    case fileDigest = 111
}

/// A message: a wire value with a type number.
public protocol Message: WireCodable {
    static var type: MessageType { get }
}
