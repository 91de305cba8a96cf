/// A domain name as the wire has it: labels of any bytes, at most 255 bytes in all (RFC 1035, 3.1).
///
/// Equal means equal byte for byte; names that differ in case alone have the same `folded`.
package struct DNSName: Hashable, Sendable {
    /// Length-prefixed labels, and the root's empty one at the end.
    package let wire: [UInt8]

    package static let root = DNSName(unchecked: [0])

    init(unchecked wire: [UInt8]) { self.wire = wire }

    /// Text with dots between labels, with or without one at the end; nil when a label is empty or
    /// longer than 63 bytes, or all of it longer than 255.
    package init?(_ text: String) {
        var bytes = Array(text.utf8)
        if bytes.last == UInt8(ascii: ".") { bytes.removeLast() }
        var wire: [UInt8] = []
        for label in bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false) where !bytes.isEmpty {
            guard (1...63).contains(label.count) else { return nil }
            wire.append(UInt8(label.count))
            wire += label
        }
        wire.append(0)
        guard wire.count <= 255 else { return nil }
        self.wire = wire
    }

    /// With ASCII letters in lower case (RFC 4343).
    package var folded: DNSName { DNSName(unchecked: wire.map(Self.fold)) }

    /// The labels, first to last, without the root's.
    package var labels: [ArraySlice<UInt8>] {
        var labels: [ArraySlice<UInt8>] = []
        var at = 0
        while wire[at] != 0 {
            let end = at + 1 + Int(wire[at])
            labels.append(wire[at + 1..<end])
            at = end
        }
        return labels
    }

    /// With a case chosen anew for each letter: an answer must repeat it, which nobody can who
    /// hasn't seen the question.
    package func randomizingCase(using generator: inout some RandomNumberGenerator) -> DNSName {
        DNSName(
            unchecked: wire.map { byte in
                let folded = Self.fold(byte)
                guard (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(folded) else { return byte }
                return Bool.random(using: &generator) ? folded : folded - 0x20
            })
    }

    /// Lengths of labels are below 64, so that they aren't taken for letters.
    private static func fold(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte + 0x20 : byte
    }
}

extension DNSName: CustomStringConvertible {
    /// As text without the last dot; bytes other than letters, digits, `-` and `_` are escaped as in
    /// master files (`\032`).
    package var description: String {
        if wire.count == 1 { return "." }
        return labels.map { label in
            var text = ""
            for byte in label {
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "*"):
                    text.unicodeScalars.append(Unicode.Scalar(byte))
                default:
                    let digits = String(byte)
                    text += "\\" + String(repeating: "0", count: 3 - digits.count) + digits
                }
            }
            return text
        }.joined(separator: ".")
    }
}
