/// A CIDR block in its canonical form: no bit is set behind the prefix.
public struct AddressRange: Sendable, Hashable, CustomStringConvertible {
    public let address: IPAddress
    public let prefix: Int

    /// nil when the prefix is too long for the family. Bits behind the prefix are cleared.
    public init?(_ address: IPAddress, prefix: Int) {
        guard (0...address.family.bits).contains(prefix) else { return nil }
        self.address = IPAddress(address.family, address.number & ~Self.hostMask(address.family, prefix))
        self.prefix = prefix
    }

    /// Reads `address/prefix`, or an address alone, which means itself. nil for anything else, and where a
    /// bit is set behind the prefix.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = IPAddress(parts[0]) else { return nil }
        var prefix = address.family.bits
        if parts.count == 2 {
            guard (1...3).contains(parts[1].utf8.count), parts[1].utf8.allSatisfy({ (48...57).contains($0) }),
                parts[1] == "0" || parts[1].utf8.first != 48, let number = Int(parts[1])
            else { return nil }
            prefix = number
        }
        self.init(address, prefix: prefix)
        guard self.address == address else { return nil }
    }

    public var family: IPAddress.Family { address.family }

    private static func hostMask(_ family: IPAddress.Family, _ prefix: Int) -> UInt128 {
        let host = family.bits - prefix
        return host == 128 ? .max : (1 << UInt128(host)) - 1
    }

    /// The highest address.
    public var last: IPAddress { IPAddress(family, address.number | Self.hostMask(family, prefix)) }

    public func contains(_ other: IPAddress) -> Bool {
        other.family == family && other.number >= address.number && other.number <= last.number
    }

    public func contains(_ other: AddressRange) -> Bool { contains(other.address) && other.prefix >= prefix }

    public func overlaps(_ other: AddressRange) -> Bool { contains(other.address) || other.contains(address) }

    public var description: String { "\(address)/\(prefix)" }
}

extension AddressRange {
    /// The range that a literal of ours spells. Traps when it spells none.
    package init(literal text: StaticString) {
        guard let range = AddressRange("\(text)") else { preconditionFailure("not a range: \(text)") }
        self = range
    }
}
