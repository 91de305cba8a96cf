import LinuxSystem
import SandboxModel

/// What programs that serve buckets may connect to: the internet, what the configuration opens, and resolvers.
package struct BucketReach {
    /// Parts of the private ranges, or of the host's loopback ones.
    let opened: [AddressRange]
    let resolvers: [IPAddress]
    /// The host's own, on every interface: what listens there may be meant for nobody else.
    let hostAddresses: [IPAddress]

    /// Without `resolvers`, those that the host asks.
    package init(opened: [AddressRange], hostAddresses: [IPAddress], resolvers: [IPAddress]? = nil) {
        self.opened = opened
        self.hostAddresses = hostAddresses
        self.resolvers = resolvers ?? Self.hostResolvers()
    }

    package var filter: AddressFilter {
        let loopback = [AddressRange(literal: "127.0.0.0/8"), AddressRange(literal: "::1/128")]
        let isLoopback = { (range: AddressRange) in loopback.contains { $0.contains(range) } }
        var rules = resolvers.map {
            AddressFilter.Rule($0.bytes, prefix: $0.family.bits, port: 53, isAllowed: true)
        }
        rules += opened.filter(isLoopback).map { Self.rule($0, isAllowed: true) }
        // One of the host's own is opened by itself, not as a part of a range.
        for address in hostAddresses where !opened.contains(where: { $0.isOnly(address) }) {
            rules.append(AddressFilter.Rule(address.bytes, prefix: address.family.bits, isAllowed: false))
        }
        rules += ClosedRanges.always.map { Self.rule($0.range, isAllowed: false) }
        rules += opened.filter { !isLoopback($0) }.map { Self.rule($0, isAllowed: true) }
        rules += ClosedRanges.privately.map { Self.rule($0, isAllowed: false) }
        return AddressFilter(rules)
    }

    private static func rule(_ range: AddressRange, isAllowed: Bool) -> AddressFilter.Rule {
        AddressFilter.Rule(range.address.bytes, prefix: range.prefix, isAllowed: isAllowed)
    }

    /// As Go's resolver reads them, and its default without any (resolv.conf(5)).
    private static func hostResolvers() -> [IPAddress] {
        let text = ((try? KernelFile.read("/etc/resolv.conf")) ?? nil) ?? ""
        let found = text.split(separator: "\n").compactMap { line -> IPAddress? in
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            guard words.count >= 2, words[0] == "nameserver" else { return nil }
            return IPAddress(words[1])
        }
        return found.isEmpty ? [IPAddress(v4: 0x7f00_0001)] : Array(found.prefix(3))
    }
}

extension AddressRange {
    fileprivate func isOnly(_ address: IPAddress) -> Bool {
        self.address == address && prefix == address.family.bits
    }
}
