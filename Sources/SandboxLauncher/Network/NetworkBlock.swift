import LinuxSystem
import SandboxModel

/// An instance's addresses: what the router has, and what each sandbox gets by its number.
struct NetworkBlock {
    /// Numbers of sandboxes.
    static let numbers: Range<UInt32> = 16..<8176
    static let interfaceBase = NetworkPlace.interfaceBase

    let v4: AddressRange
    /// A prefix of 64 bits for unique local addresses (RFC 4193); nil where sandboxes have no IPv6.
    let v6: AddressRange?

    func place(_ number: UInt32) -> NetworkPlace {
        NetworkPlace(v4: IPAddress(.v4, v4.address.number + UInt128(number)), v6: v6.map { Self.host($0, number) })
    }

    private static func host(_ prefix: AddressRange, _ number: UInt32) -> IPAddress {
        IPAddress(v6: prefix.address.number + UInt128(number))
    }

    /// The router's address of IPv6, which is every sandbox's gateway.
    var routerV6: IPAddress? { v6.map { Self.host($0, 1) } }
    /// What the host's and the router's routes to each other go through: nobody has to have them.
    var towardsRouter: IPAddress { IPAddress(.v4, v4.address.number + 1) }
    var towardsHost: IPAddress { IPAddress(.v4, v4.address.number + 2) }
    var towardsHostV6: IPAddress? { v6.map { Self.host($0, 2) } }

    static func interface(_ number: UInt32) -> UInt32 { interfaceBase + number }
    static func interfaceName(_ number: UInt32) -> String { "s\(number)" }

    /// Locally administered, the same at both ends of a pair, and no other pair's.
    static func hardware(_ number: UInt32) -> [UInt8] {
        [0x02, 0x63, 0x6f, 0x00, UInt8(truncatingIfNeeded: number >> 8), UInt8(truncatingIfNeeded: number)]
    }
}

extension IPAddress {
    /// As netlink takes it.
    var internet: InternetAddress { InternetAddress(bytes) }
}

extension [AddressRange] {
    /// First and last addresses, in order, with what overlaps or touches made one: as the kernel's sets of
    /// intervals take them.
    func merged(_ family: IPAddress.Family) -> [(first: [UInt8], last: [UInt8])] {
        var merged: [(first: UInt128, last: UInt128)] = []
        for range in filter({ $0.family == family }).sorted(by: { $0.address.number < $1.address.number }) {
            let (first, last) = (range.address.number, range.last.number)
            if let latest = merged.last, latest.last == .max || first <= latest.last + 1 {
                merged[merged.count - 1].last = Swift.max(latest.last, last)
            } else {
                merged.append((first, last))
            }
        }
        return merged.map { (IPAddress(family, $0.first).bytes, IPAddress(family, $0.last).bytes) }
    }
}

extension IPAddress.Family {
    var inet: InternetFamily { self == .v4 ? .v4 : .v6 }
    /// A set's name with this family at its end.
    func set(_ name: String) -> String { name + (self == .v4 ? "4" : "6") }
}
