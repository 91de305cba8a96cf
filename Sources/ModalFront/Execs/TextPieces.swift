import FoundationEssentials

/// Turns pieces of bytes into pieces of text, none of which ends inside of a character. What is no UTF-8 shows as
/// U+FFFD.
package struct TextPieces {
    /// Behind all that was given out.
    package private(set) var offset: UInt64
    /// The beginning of a character whose end hasn't come; three bytes at most.
    private var rest = Data()

    package init(at offset: UInt64) { self.offset = offset }

    /// The text that is complete with these bytes; nil for none.
    package mutating func take(_ data: Data) -> String? {
        var bytes = rest
        bytes.append(data)
        let tail = Self.incomplete(bytes)
        rest = Data(bytes.suffix(tail))
        return give(bytes.dropLast(tail))
    }

    /// What is left at the end; nil for nothing.
    package mutating func finish() -> String? {
        let bytes = rest
        rest = Data()
        return give(bytes)
    }

    /// Goes on at a later byte; how many are left out.
    package mutating func skip(to first: UInt64) -> UInt64 {
        let lost = first - offset
        rest = Data()
        offset = first
        return lost
    }

    private mutating func give(_ bytes: Data) -> String? {
        guard !bytes.isEmpty else { return nil }
        offset += UInt64(bytes.count)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// How many bytes at the end begin a character that they don't complete (RFC 3629, 3).
    private static func incomplete(_ bytes: Data) -> Int {
        for (distance, byte) in bytes.reversed().prefix(3).enumerated() {
            let length: Int
            switch byte {
            case 0x80...0xbf: continue
            case 0xc2...0xdf: length = 2
            case 0xe0...0xef: length = 3
            case 0xf0...0xf4: length = 4
            default: return 0
            }
            return length > distance + 1 ? distance + 1 : 0
        }
        return 0
    }
}
