import NIOCore

/// Cuts the objects out of a JSON text that comes in pieces, so that only one of them is held at a time.
struct JSONObjects {
    /// How many arrays and objects the objects wanted stand in: 0 for lines of JSON, 2 for `{"entries":[…]}`.
    private let depthWanted: Int
    private let limit: Int
    private var depth = 0
    private var isInString = false
    private var isEscaped = false
    private var current: [UInt8] = []

    /// - Parameter limit: the most bytes that one object may have.
    init(atDepth depth: Int, limit: Int = 16 << 20) {
        depthWanted = depth
        self.limit = limit
    }

    /// The objects that `bytes` complete.
    mutating func take(_ bytes: ByteBufferView) throws(ClientError) -> [[UInt8]] {
        var whole: [[UInt8]] = []
        for byte in bytes {
            let wasWithin = depth > depthWanted
            step(byte)
            guard wasWithin || depth > depthWanted else { continue }
            current.append(byte)
            guard current.count <= limit else { throw .unexpected("a JSON object of more than \(limit) bytes") }
            if depth == depthWanted {
                whole.append(current)
                current.removeAll(keepingCapacity: true)
            }
        }
        return whole
    }

    private mutating func step(_ byte: UInt8) {
        if isEscaped {
            isEscaped = false
        } else if isInString {
            if byte == UInt8(ascii: "\\") { isEscaped = true }
            if byte == UInt8(ascii: "\"") { isInString = false }
        } else {
            switch byte {
            case UInt8(ascii: "\""): isInString = true
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            default: break
            }
        }
    }
}
