import CLinux
import Glibc
import LinuxSystem
import Testing

@Suite("nf_tables over netlink")
struct NetfilterTests {
    @Test("rules, sets and chains are in the kernel what nft says that they are")
    func rules() throws {
        let listed = try inOwnNetwork {
            let socket = try NetlinkSocket(NETLINK_NETFILTER)
            var table = NetfilterTransaction("box")
            table.makeTable()
            table.makeSet("ranges", of: .address(.v4), .intervals)
            table.addRanges(
                [([10, 0, 0, 0], [10, 0, 0, 255]), ([224, 0, 0, 0], [255, 255, 255, 255])], to: "ranges")
            table.makeSet("names", of: .address(.v6), .timed(most: 10))
            table.makeSet("rates", of: .interface, .dynamic(most: 100, milliseconds: 60_000))
            table.makeChain("deny")
            table.addRule(to: "deny", [.counter, .log("no", group: 3, bytes: 64), .prohibit])
            table.makeChain("in", at: .init(.prerouting, priority: -150))
            for (index, rule) in Self.rules.enumerated() { table.addRule(to: "in", rule.match + Self.mark(index)) }
            table.makeChain("nat", at: .init(.postrouting, priority: 100, accepts: false, type: "nat"))
            table.addRule(to: "nat", .to(interfacePrefix: "up", NFT_CMP_NEQ) + [.masquerade])
            try table.commit(on: socket, "box")
            return try said("/usr/sbin/nft list ruleset")
        }
        for rule in Self.rules { #expect(listed.contains(rule.text), "\(rule.text) is missing in \(listed)") }
        for text in [
            "elements = { 10.0.0.0/24, 224.0.0.0/3 }", "type filter hook prerouting priority mangle; policy accept;",
            "log prefix \"no\" group 3 snaplen 64 reject with icmpx admin-prohibited",
            "type nat hook postrouting priority srcnat; policy drop;", "oifname != \"up*\" masquerade",
        ] {
            #expect(listed.contains(text), "\(text) is missing in \(listed)")
        }
        // In the order in which they were added.
        let places = Self.rules.compactMap { listed.range(of: $0.text)?.lowerBound }
        #expect(places == places.sorted())
    }

    private static func mark(_ index: Int) -> NetfilterMatch {
        index % 2 == 0 ? [.verdict(.accept)] : [.verdict(.drop)]
    }

    private static let rules: [(match: NetfilterMatch, text: String)] = [
        (.from(interface: 1), "iif \"lo\" accept"),
        (.to(interface: 1, NFT_CMP_NEQ), "oif != \"lo\" drop"),
        (.source(InternetAddress([192, 168, 0, 0]), prefix: 17), "ip saddr 192.168.0.0/17 accept"),
        (
            .destination(InternetAddress([0xfd] + [UInt8](repeating: 0, count: 15)), prefix: 9),
            "ip6 daddr fd00::/9 drop"
        ),
        (.destination(in: "ranges", .v4), "ip daddr @ranges accept"),
        (.source(in: "names", .v6, not: true), "ip6 saddr != @names drop"),
        (.source(is: InternetAddress([1, 2, 3, 4])), "ip saddr 1.2.3.4 accept"),
        (.destination(port: 443, of: Int32(IPPROTO_TCP)), "tcp dport 443 drop"),
        (.source(port: 53, of: Int32(IPPROTO_UDP)), "udp sport 53 accept"),
        (NetfilterMatch.isNew, "ct state new drop"),
        (NetfilterMatch.isKnown, "ct state established,related accept"),
        (NetfilterMatch.isRedirected, "ct status dnat drop"),
        (.marked(63, .v4), "ip dscp 0x3f accept"),
        (.marked(59, .v6), "ip6 dscp 0x3b drop"),
        (.mark(63, .v4), "ip dscp set 0x3f accept"),
        (.mark(59, .v6), "ip6 dscp set 0x3b drop"),
        ([.reversePath, .compare([0, 0, 0, 0])], "fib saddr . iif oif 0 accept"),
        (
            [.meta(NFT_META_IIF), .each(in: "rates", timeout: true, .limit(perSecond: 7, burst: 9, over: true))],
            "update @rates { iif limit rate over 7/second burst 9 packets } drop"
        ),
    ]

    @Test("a transaction that fails changes nothing, and says why")
    func failure() throws {
        try inOwnNetwork {
            let socket = try NetlinkSocket(NETLINK_NETFILTER)
            var table = NetfilterTransaction("box")
            table.makeTable()
            table.makeChain("in")
            table.addRule(to: "in", [.verdict(.jump("nowhere"))])
            let error = #expect(throws: SystemCallError.self) { try table.commit(on: socket, "box") }
            #expect(error?.errno == ENOENT)
            #expect(try socket.tables().isEmpty)
            // The socket goes on.
            var other = NetfilterTransaction("other")
            other.makeTable()
            try other.commit(on: socket, "other")
            #expect(try socket.tables() == ["other"])
        }
    }

    @Test("a timed value that is added again lasts as long as was said last")
    func timedValues() throws {
        let listed = try inOwnNetwork {
            let socket = try NetlinkSocket(NETLINK_NETFILTER)
            var table = NetfilterTransaction("box")
            table.makeTable()
            table.makeSet("names", of: .address(.v4), .timed(most: 10))
            table.addTimed([[1, 1, 1, 1]], to: "names", milliseconds: 5_000)
            try table.commit(on: socket, "box")
            var again = NetfilterTransaction("box")
            again.addTimed([[1, 1, 1, 1], [2, 2, 2, 2]], to: "names", milliseconds: 3_600_000)
            try again.commit(on: socket, "again")
            return try said("/usr/sbin/nft list set inet box names")
        }
        #expect(listed.contains("1.1.1.1 timeout 1h"), "\(listed)")
        #expect(listed.contains("2.2.2.2 timeout 1h"), "\(listed)")
    }
}
