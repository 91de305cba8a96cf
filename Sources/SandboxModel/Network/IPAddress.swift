/// An IPv4 or IPv6 address.
///
/// Texts are read strictly, so that one spelling means one address to everybody: four decimal numbers
/// without leading zeros, or RFC 4291's forms without a zone.
public struct IPAddress: Sendable, Hashable, CustomStringConvertible {
    public enum Family: Sendable, Hashable, CaseIterable {
        case v4
        case v6

        /// An address's length in bits.
        public var bits: Int { self == .v4 ? 32 : 128 }
    }

    public let family: Family
    /// The number that the address is, in its family's width.
    public let number: UInt128

    public init(v4 number: UInt32) {
        family = .v4
        self.number = UInt128(number)
    }

    public init(v6 number: UInt128) {
        family = .v6
        self.number = number
    }

    public init(_ family: Family, _ number: UInt128) {
        self.family = family
        self.number = family == .v4 ? number & 0xffff_ffff : number
    }

    /// From 4 or 16 bytes in network order; nil for any other count.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 4 || bytes.count == 16 else { return nil }
        self.init(bytes.count == 4 ? .v4 : .v6, bytes.reduce(0) { $0 << 8 | UInt128($1) })
    }

    /// In network order: 4 bytes or 16.
    public var bytes: [UInt8] {
        let count = family.bits / 8
        return (0..<count).map { UInt8(truncatingIfNeeded: number >> UInt128((count - 1 - $0) * 8)) }
    }

    /// nil for a text that isn't an address.
    public init?(_ text: some StringProtocol) {
        if text.utf8.contains(UInt8(ascii: ":")) {
            guard let number = Self.v6(text) else { return nil }
            self.init(v6: number)
        } else {
            guard let number = Self.v4(text) else { return nil }
            self.init(v4: number)
        }
    }

    private static func v4(_ text: some StringProtocol) -> UInt32? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var number: UInt32 = 0
        for part in parts {
            guard (1...3).contains(part.utf8.count), part.utf8.allSatisfy({ (48...57).contains($0) }),
                part == "0" || part.utf8.first != 48, let byte = UInt8(part)
            else { return nil }
            number = number << 8 | UInt32(byte)
        }
        return number
    }

    private static func v6(_ text: some StringProtocol) -> UInt128? {
        guard text.utf8.count <= 45 else { return nil }
        let halves = halves(of: Array(text.utf8))
        guard halves.count <= 2, let head = groups(halves[0], endsAddress: halves.count == 1) else { return nil }
        guard halves.count == 2 else {
            guard head.count == 8 else { return nil }
            return head.reduce(0) { $0 << 16 | UInt128($1) }
        }
        guard let tail = groups(halves[1], endsAddress: true), head.count + tail.count <= 7 else { return nil }
        let zeros = [UInt16](repeating: 0, count: 8 - head.count - tail.count)
        return (head + zeros + tail).reduce(0) { $0 << 16 | UInt128($1) }
    }

    /// What stands before and behind each `::`.
    private static func halves(of text: [UInt8]) -> [ArraySlice<UInt8>] {
        var halves: [ArraySlice<UInt8>] = []
        var start = 0
        var index = 0
        let colon = UInt8(ascii: ":")
        while index + 1 < text.count {
            if text[index] == colon, text[index + 1] == colon {
                halves.append(text[start..<index])
                start = index + 2
                index = start
            } else {
                index += 1
            }
        }
        return halves + [text[start...]]
    }

    /// The 16-bit groups of one side; the address's last may be an IPv4 address, which is two of them.
    private static func groups(_ text: ArraySlice<UInt8>, endsAddress: Bool) -> [UInt16]? {
        guard !text.isEmpty else { return [] }
        let parts = text.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        var groups: [UInt16] = []
        for (index, part) in parts.enumerated() {
            let word = String(decoding: part, as: UTF8.self)
            if endsAddress, index == parts.count - 1, part.contains(UInt8(ascii: ".")) {
                guard let v4 = v4(word) else { return nil }
                groups += [UInt16(v4 >> 16), UInt16(truncatingIfNeeded: v4)]
            } else {
                let signs = [UInt8(ascii: "+"), UInt8(ascii: "-")]
                guard (1...4).contains(part.count), !part.contains(where: signs.contains),
                    let group = UInt16(word, radix: 16)
                else { return nil }
                groups.append(group)
            }
        }
        return groups
    }

    /// As RFC 5952 writes it.
    public var description: String {
        if family == .v4 { return bytes.map(String.init).joined(separator: ".") }
        let groups = (0..<8).map { UInt16(truncatingIfNeeded: number >> UInt128((7 - $0) * 16)) }
        let (start, length) = Self.longestZeros(groups)
        let words = groups.map { String($0, radix: 16) }
        guard length >= 2 else { return words.joined(separator: ":") }
        return words[..<start].joined(separator: ":") + "::" + words[(start + length)...].joined(separator: ":")
    }

    private static func longestZeros(_ groups: [UInt16]) -> (start: Int, length: Int) {
        var best = (start: 0, length: 0)
        var start = 0
        for (index, group) in groups.enumerated() {
            if group != 0 {
                start = index + 1
            } else if index + 1 - start > best.length {
                best = (start, index + 1 - start)
            }
        }
        return best
    }

    /// The IPv4 address that an IPv4-mapped one (`::ffff:a.b.c.d`) stands for, or the address itself.
    public var unmapped: IPAddress {
        family == .v6 && number >> 32 == 0xffff ? IPAddress(v4: UInt32(truncatingIfNeeded: number)) : self
    }
}
