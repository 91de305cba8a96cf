/// The keys that leave an attached command running, cut out of what is typed.
public struct DetachKeys: Sendable, Hashable {
    /// Ctrl-P, Ctrl-Q.
    public static let standard = DetachKeys(sequence: [16, 17])

    private let sequence: [UInt8]
    private var matched = 0

    private init(sequence: [UInt8]) { self.sequence = sequence }

    /// Keys joined by commas, each a character or `ctrl-` and one of `a`–`z @ [ \ ] ^ _`; no keys for
    /// an empty text. Nil for anything else.
    public init?(_ text: String) {
        var sequence: [UInt8] = []
        for key in text.split(separator: ",", omittingEmptySubsequences: text.isEmpty) {
            let lower = key.lowercased()
            if lower.hasPrefix("ctrl-"), lower.utf8.count == 6, let byte = lower.uppercased().utf8.last,
                (UInt8(ascii: "@")...UInt8(ascii: "_")).contains(byte)
            {
                sequence.append(byte & 0x1f)
            } else if key.utf8.count == 1, let byte = key.utf8.first {
                sequence.append(byte)
            } else {
                return nil
            }
        }
        self.init(sequence: sequence)
    }

    /// What of `typed` goes to the command, and whether the keys were completed: what comes behind them is
    /// dropped. A beginning of the keys is held until the next byte tells.
    public mutating func filter(_ typed: [UInt8]) -> (passed: [UInt8], isDetached: Bool) {
        guard !sequence.isEmpty else { return (typed, false) }
        var passed: [UInt8] = []
        passed.reserveCapacity(typed.count)
        for byte in typed {
            if byte == sequence[matched] {
                matched += 1
                if matched == sequence.count { return (passed, true) }
                continue
            }
            passed += sequence[..<matched]
            matched = byte == sequence[0] ? 1 : 0
            if matched == 0 { passed.append(byte) }
        }
        return (passed, false)
    }
}
