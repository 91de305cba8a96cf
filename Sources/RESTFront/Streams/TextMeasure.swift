/// Tells of bytes that come in pieces whether they are UTF-8 (Unicode 15, table 3-7).
package struct TextMeasure {
    package private(set) var isText = true
    /// Continuation bytes still expected, and the range of the next.
    private var expected = 0
    private var range: ClosedRange<UInt8> = 0x80...0xBF

    /// Whether all bytes so far are whole characters.
    package var isComplete: Bool { isText && expected == 0 }

    package init() {}

    package mutating func take(_ bytes: some Sequence<UInt8>) {
        guard isText else { return }
        for byte in bytes {
            if expected > 0 {
                guard range.contains(byte) else {
                    isText = false
                    return
                }
                expected -= 1
                range = 0x80...0xBF
                continue
            }
            range = 0x80...0xBF
            switch byte {
            case 0x00...0x7F: break
            case 0xC2...0xDF: expected = 1
            case 0xE0: (expected, range) = (2, 0xA0...0xBF)
            case 0xED: (expected, range) = (2, 0x80...0x9F)
            case 0xE1...0xEF: expected = 2
            case 0xF0: (expected, range) = (3, 0x90...0xBF)
            case 0xF4: (expected, range) = (3, 0x80...0x8F)
            case 0xF1...0xF3: expected = 3
            default:
                isText = false
                return
            }
        }
    }
}
