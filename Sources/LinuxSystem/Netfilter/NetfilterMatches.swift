import CLinux
import Glibc

/// A protocol family as rules of an `inet` table tell them apart.
public enum InternetFamily: Sendable, Hashable, CaseIterable {
    case v4
    case v6

    /// NFPROTO_IPV4, NFPROTO_IPV6.
    var number: UInt8 { self == .v4 ? 2 : 10 }
}

/// Steps that belong together: what a rule asks of a packet or does with it, in the words of `nft`.
public struct NetfilterMatch: Sendable, Hashable, ExpressibleByArrayLiteral {
    public let steps: [NetfilterExpression]

    public init(_ steps: [NetfilterExpression]) { self.steps = steps }
    public init(arrayLiteral steps: NetfilterExpression...) { self.steps = steps }

    public static func + (first: NetfilterMatch, second: NetfilterMatch) -> NetfilterMatch {
        NetfilterMatch(first.steps + second.steps)
    }

    /// A number as the machine keeps it.
    private static func native(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number) { Array($0) } }
}

extension NetfilterMatch {
    public static func family(_ family: InternetFamily) -> NetfilterMatch {
        [.meta(NFT_META_NFPROTO), .compare([family.number])]
    }

    /// Came in at an interface, or at any other.
    public static func from(interface index: UInt32, _ operation: nft_cmp_ops = NFT_CMP_EQ) -> NetfilterMatch {
        [.meta(NFT_META_IIF), .compare(native(index), operation)]
    }

    /// Goes out at an interface, or at any other.
    public static func to(interface index: UInt32, _ operation: nft_cmp_ops = NFT_CMP_EQ) -> NetfilterMatch {
        [.meta(NFT_META_OIF), .compare(native(index), operation)]
    }

    public static func from(interfaceNamed name: String, _ operation: nft_cmp_ops = NFT_CMP_EQ) -> NetfilterMatch {
        [.meta(NFT_META_IIFNAME), .compare(padded(name), operation)]
    }

    public static func to(interfaceNamed name: String, _ operation: nft_cmp_ops = NFT_CMP_EQ) -> NetfilterMatch {
        [.meta(NFT_META_OIFNAME), .compare(padded(name), operation)]
    }

    /// Goes out at an interface whose name begins so.
    public static func to(interfacePrefix prefix: String, _ operation: nft_cmp_ops = NFT_CMP_EQ) -> NetfilterMatch {
        [.meta(NFT_META_OIFNAME), .compare(Array(prefix.utf8), operation)]
    }

    private static func padded(_ name: String) -> [UInt8] {
        let bytes = Array(name.utf8.prefix(15))
        return bytes + [UInt8](repeating: 0, count: 16 - bytes.count)
    }

    public static func source(_ family: InternetFamily) -> NetfilterMatch {
        .family(family) + [address(family, v4: 12, v6: 8)]
    }

    public static func destination(_ family: InternetFamily) -> NetfilterMatch {
        .family(family) + [address(family, v4: 16, v6: 24)]
    }

    private static func address(_ family: InternetFamily, v4: UInt32, v6: UInt32) -> NetfilterExpression {
        family == .v4
            ? .payload(NFT_PAYLOAD_NETWORK_HEADER, at: v4, length: 4)
            : .payload(NFT_PAYLOAD_NETWORK_HEADER, at: v6, length: 16)
    }

    public static func source(in set: String, _ family: InternetFamily, not: Bool = false) -> NetfilterMatch {
        .source(family) + [.lookup(in: set, inverted: not)]
    }

    public static func destination(in set: String, _ family: InternetFamily, not: Bool = false) -> NetfilterMatch {
        .destination(family) + [.lookup(in: set, inverted: not)]
    }

    public static func source(is address: InternetAddress) -> NetfilterMatch {
        .source(address.width == 32 ? .v4 : .v6) + [.compare(address.bytes)]
    }

    public static func destination(is address: InternetAddress) -> NetfilterMatch {
        .destination(address.width == 32 ? .v4 : .v6) + [.compare(address.bytes)]
    }

    /// A source of a network, or of none of it.
    public static func source(
        _ network: InternetAddress, prefix: Int, _ operation: nft_cmp_ops = NFT_CMP_EQ
    ) -> NetfilterMatch {
        .source(network.width == 32 ? .v4 : .v6) + masked(network, prefix, operation)
    }

    public static func destination(_ network: InternetAddress, prefix: Int) -> NetfilterMatch {
        .destination(network.width == 32 ? .v4 : .v6) + masked(network, prefix, NFT_CMP_EQ)
    }

    private static func masked(
        _ network: InternetAddress, _ prefix: Int, _ operation: nft_cmp_ops
    ) -> NetfilterMatch {
        let mask = network.bytes.indices.map { index in
            UInt8(truncatingIfNeeded: 0xff00 >> min(8, max(0, prefix - index * 8)))
        }
        let zero = [UInt8](repeating: 0, count: mask.count)
        return [.bitwise(mask: mask, xor: zero), .compare(network.bytes, operation)]
    }

    public static func transport(_ number: Int32) -> NetfilterMatch {
        [.meta(NFT_META_L4PROTO), .compare([UInt8(truncatingIfNeeded: number)])]
    }

    public static func destination(port: UInt16, of transport: Int32) -> NetfilterMatch {
        self.transport(transport) + [.payload(NFT_PAYLOAD_TRANSPORT_HEADER, at: 2, length: 2), .compare(big(port))]
    }

    public static func source(port: UInt16, of transport: Int32) -> NetfilterMatch {
        self.transport(transport) + [.payload(NFT_PAYLOAD_TRANSPORT_HEADER, at: 0, length: 2), .compare(big(port))]
    }

    private static func big(_ port: UInt16) -> [UInt8] { [UInt8(port >> 8), UInt8(truncatingIfNeeded: port)] }

    /// A TCP segment that ends its connection at once.
    public static let reset: NetfilterMatch =
        .transport(Int32(IPPROTO_TCP)) + [
            .payload(NFT_PAYLOAD_TRANSPORT_HEADER, at: 13, length: 1), .bitwise(mask: [4], xor: [0]),
            .compare([0], NFT_CMP_NEQ),
        ]

    /// ICMP of one family, of one of these types.
    public static func icmp(_ family: InternetFamily, types: ClosedRange<UInt8>) -> NetfilterMatch {
        .family(family) + .transport(family == .v4 ? Int32(IPPROTO_ICMP) : Int32(IPPROTO_ICMPV6)) + [
            .payload(NFT_PAYLOAD_TRANSPORT_HEADER, at: 0, length: 1), .compare([types.lowerBound], NFT_CMP_GTE),
            .compare([types.upperBound], NFT_CMP_LTE),
        ]
    }

    // MARK: Connections

    /// Of a connection that is new.
    public static let isNew = state(1 << 3)
    /// Of one that is there, or about one.
    public static let isKnown = state(1 << 1 | 1 << 2)
    /// Of no connection that there could be.
    public static let isInvalid = state(1 << 0)

    private static func state(_ bits: UInt32) -> NetfilterMatch {
        let zero = [UInt8](repeating: 0, count: 4)
        return [
            .conntrack(NFT_CT_STATE), .bitwise(mask: native(bits), xor: zero),
            .compare(zero, NFT_CMP_NEQ),
        ]
    }

    /// Of a connection whose destination was changed (IPS_DST_NAT).
    public static let isRedirected: NetfilterMatch = [
        .conntrack(NFT_CT_STATUS), .bitwise(mask: native(1 << 5), xor: [0, 0, 0, 0]),
        .compare([0, 0, 0, 0], NFT_CMP_NEQ),
    ]

    // MARK: Marks in the packet itself

    /// Carries a mark (a code point of RFC 2474) that an earlier table put there.
    public static func marked(_ codePoint: UInt8, _ family: InternetFamily) -> NetfilterMatch {
        switch family {
        case .v4:
            .family(.v4) + [
                .payload(NFT_PAYLOAD_NETWORK_HEADER, at: 1, length: 1), .bitwise(mask: [0xfc], xor: [0]),
                .compare([codePoint << 2]),
            ]
        case .v6:
            .family(.v6) + [
                .payload(NFT_PAYLOAD_NETWORK_HEADER, at: 0, length: 2), .bitwise(mask: [0x0f, 0xc0], xor: [0, 0]),
                .compare([codePoint >> 2, codePoint << 6]),
            ]
        }
    }

    /// Puts a mark into the packet, which later namespaces see too; the rule goes on.
    public static func mark(_ codePoint: UInt8, _ family: InternetFamily) -> NetfilterMatch {
        switch family {
        case .v4:
            .family(.v4) + [
                .payload(NFT_PAYLOAD_NETWORK_HEADER, at: 0, length: 2),
                .bitwise(mask: [0xff, 0x03], xor: [0, codePoint << 2]),
                .write(NFT_PAYLOAD_NETWORK_HEADER, at: 0, length: 2, checksumAt: 10),
            ]
        case .v6:
            .family(.v6) + [
                .payload(NFT_PAYLOAD_NETWORK_HEADER, at: 0, length: 2),
                .bitwise(mask: [0xf0, 0x3f], xor: [codePoint >> 2, codePoint << 6]),
                .write(NFT_PAYLOAD_NETWORK_HEADER, at: 0, length: 2, checksumAt: nil),
            ]
        }
    }
}
