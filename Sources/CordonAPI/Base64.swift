/// Standard base64 (RFC 4648, section 4), strict: padded, no white space.
public enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let values: [UInt8] = {
        var table = [UInt8](repeating: 255, count: 256)
        for (index, byte) in alphabet.enumerated() { table[Int(byte)] = UInt8(index) }
        return table
    }()

    /// The text for `bytes`; pieces of a multiple of three bytes can be joined.
    public static func encode(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        var output: [UInt8] = []
        var group: UInt32 = 0
        var held = 0
        for byte in bytes {
            group = group << 8 | UInt32(byte)
            held += 1
            if held == 3 {
                for shift in [18, 12, 6, 0] { output.append(alphabet[Int(group >> UInt32(shift) & 63)]) }
                (group, held) = (0, 0)
            }
        }
        switch held {
        case 1: output += [alphabet[Int(group >> 2 & 63)], alphabet[Int(group << 4 & 63)], 61, 61]
        case 2:
            output += [
                alphabet[Int(group >> 10 & 63)], alphabet[Int(group >> 4 & 63)], alphabet[Int(group << 2 & 63)], 61,
            ]
        default: break
        }
        return output
    }

    /// The bytes behind `text`, or nil when it isn't base64.
    public static func decode(_ text: String) -> [UInt8]? {
        let input = Array(text.utf8)
        guard input.count % 4 == 0 else { return nil }
        let padding = input.suffix(2).reversed().prefix { $0 == 61 }.count
        var output: [UInt8] = []
        output.reserveCapacity(input.count / 4 * 3)
        var group: UInt32 = 0
        for (index, byte) in input.dropLast(padding).enumerated() {
            let value = values[Int(byte)]
            guard value != 255 else { return nil }
            group = group << 6 | UInt32(value)
            if index % 4 == 3 {
                output += [
                    UInt8(truncatingIfNeeded: group >> 16), UInt8(truncatingIfNeeded: group >> 8),
                    UInt8(truncatingIfNeeded: group),
                ]
                group = 0
            }
        }
        // The bits that padding cuts off have to be zero: one text for one value.
        switch padding {
        case 1:
            guard group & 3 == 0 else { return nil }
            output += [UInt8(truncatingIfNeeded: group >> 10), UInt8(truncatingIfNeeded: group >> 2)]
        case 2:
            guard group & 15 == 0 else { return nil }
            output.append(UInt8(truncatingIfNeeded: group >> 4))
        default: break
        }
        return output
    }
}
