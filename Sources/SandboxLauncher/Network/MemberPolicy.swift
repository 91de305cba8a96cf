import CLinux
import Glibc
import LinuxSystem
import SandboxModel

/// A sandbox's policy as a table in its own network namespace, which nothing inside can change, since the
/// namespace belongs to the host.
///
/// It keeps no state and judges both directions, by where a packet goes and by where one comes from: a policy
/// that is replaced cuts the flows that it no longer allows, with their next packet. What is denied on its way
/// out is marked; the router tells of it, and refuses.
struct MemberPolicy {
    static let table = "policy"
    /// How many addresses names may have opened at a time.
    static let mostNamed: UInt32 = 4096

    /// Puts a policy in the place of whatever is there. `open` leaves nothing that judges.
    static func transaction(for policy: NetworkPolicy) -> NetfilterTransaction {
        var table = NetfilterTransaction(table)
        table.makeTable()
        for family in IPAddress.Family.allCases {
            table.makeSet(family.set("ranges"), of: .address(family.inet), .intervals)
            table.makeSet(family.set("names"), of: .address(family.inet), .timed(most: mostNamed))
            table.flushSet(family.set("ranges"))
            table.flushSet(family.set("names"))
        }
        table.makeChain("out", at: .init(.output, priority: 0))
        table.makeChain("in", at: .init(.input, priority: 0))
        table.flushChain("out")
        table.flushChain("in")
        switch policy {
        case .open: break
        case .blocked: close(&table)
        case .allowlist(let list):
            for family in IPAddress.Family.allCases {
                table.addRanges(list.ranges.merged(family), to: family.set("ranges"))
            }
            allow(list, &table)
        }
        return table
    }

    private static let lo: UInt32 = 1

    private static func close(_ table: inout NetfilterTransaction) {
        for (chain, match) in [
            ("out", NetfilterMatch.to(interface: lo, NFT_CMP_NEQ)), ("in", .from(interface: lo, NFT_CMP_NEQ)),
        ] {
            table.addRule(to: chain, match + [.counter, .verdict(.drop)])
        }
    }

    private static func allow(_ list: NetworkAllowlist, _ table: inout NetfilterTransaction) {
        let accept: NetfilterMatch = [.verdict(.accept)]
        let router = NetworkPlace.routerAddress.internet
        table.addRule(to: "out", .to(interface: lo) + accept)
        table.addRule(to: "in", .from(interface: lo) + accept)
        if !list.isEmpty {
            for transport in [Int32(IPPROTO_UDP), Int32(IPPROTO_TCP)] {
                table.addRule(to: "out", .destination(is: router) + .destination(port: 53, of: transport) + accept)
                table.addRule(to: "in", .source(is: router) + .source(port: 53, of: transport) + accept)
            }
        }
        for family in IPAddress.Family.allCases {
            table.addRule(to: "out", .destination(in: family.set("ranges"), family.inet) + accept)
            table.addRule(to: "in", .source(in: family.set("ranges"), family.inet) + accept)
            if !list.domains.isEmpty { allowNames(family, &table) }
        }
        // What tells a sender of packets that may go out that they didn't arrive, or were too big: the router
        // lets through what belongs to a connection from inside, and nothing else.
        table.addRule(to: "in", .icmp(.v4, types: 3...3) + accept)
        table.addRule(to: "in", .icmp(.v4, types: 11...12) + accept)
        table.addRule(to: "in", .icmp(.v6, types: 1...4) + accept)
        table.addRule(to: "in", NetfilterMatch.reset + accept)
        table.addRule(to: "in", [.counter, .verdict(.drop)])
        for family in IPAddress.Family.allCases {
            table.addRule(to: "out", .mark(PacketMark.denied, family.inet) + [.counter, .verdict(.accept)])
        }
        table.addRule(to: "out", [.counter, .verdict(.drop)])
    }

    /// Addresses of permitted names: what can be asked for the name it wants goes through the name proxy.
    private static func allowNames(_ family: IPAddress.Family, _ table: inout NetfilterTransaction) {
        let named = NetfilterMatch.destination(in: family.set("names"), family.inet)
        for port in [80, 443] as [UInt16] {
            table.addRule(
                to: "out",
                named + .destination(port: port, of: Int32(IPPROTO_TCP)) + .mark(PacketMark.named, family.inet)
                    + [.verdict(.accept)])
            // The same in QUIC can't be asked.
            table.addRule(
                to: "out",
                named + .destination(port: port, of: Int32(IPPROTO_UDP)) + .mark(PacketMark.denied, family.inet)
                    + [.verdict(.accept)])
        }
        table.addRule(to: "out", named + [.verdict(.accept)])
        table.addRule(to: "in", .source(in: family.set("names"), family.inet) + [.verdict(.accept)])
    }
}
