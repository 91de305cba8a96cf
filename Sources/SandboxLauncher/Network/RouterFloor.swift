import CLinux
import Glibc
import LinuxSystem
import SandboxModel

/// The router's table: what holds for every sandbox whatever its policy says. Loaded once, keyed by
/// interface and address, and beyond the reach of whatever is inside.
struct RouterFloor {
    static let table = "floor"
    private static let gate = "gate"
    let uplink: UInt32
    let block: NetworkBlock
    let configuration: NetworkConfiguration

    private var families: [IPAddress.Family] { block.v6 == nil ? [.v4] : [.v4, .v6] }

    /// The whole table, in one transaction.
    func transaction(hostAddresses: [IPAddress], replacing: Bool = false) -> NetfilterTransaction {
        var table = NetfilterTransaction(Self.table)
        table.makeTable()
        if replacing {
            table.removeTable()
            table.makeTable()
        }
        makeSets(&table, hostAddresses)
        // A chain is there before a rule leads to it.
        makeRefusal(&table)
        for rule in [
            "spoofed", "policy", "sandbox", "host", "closed", "private", "rate", "connections", "crowded", "router",
        ] {
            makeDenial(&table, rule)
        }
        makeStarts(&table)
        makeEntry(&table)
        makeRedirection(&table)
        makeInput(&table)
        makeForward(&table)
        return table
    }

    // MARK: Sets

    private func makeSets(_ table: inout NetfilterTransaction, _ hostAddresses: [IPAddress]) {
        for family in IPAddress.Family.allCases {
            for (name, ranges) in [
                ("closed", ClosedRanges.always.map(\.range)), ("private", ClosedRanges.privately),
                ("opened", configuration.opened),
            ] {
                table.makeSet(family.set(name), of: .address(family.inet), .intervals)
                let merged = ranges.merged(family)
                if !merged.isEmpty { table.addRanges(merged, to: family.set(name)) }
            }
            table.makeSet(family.set("host"), of: .address(family.inet), .timed(most: 65_535))
        }
        Self.setHostAddresses(hostAddresses, in: &table, isNew: true)
        for name in ["packets", "starts", "told"] {
            table.makeSet(name, of: .interface, .dynamic(most: 16_384, milliseconds: 60_000))
        }
        table.makeSet("connections", of: .interface, .dynamic(most: 16_384, milliseconds: 0))
    }

    /// Addresses that are the host's own: public ones too are its services'.
    static func setHostAddresses(_ addresses: [IPAddress], in table: inout NetfilterTransaction, isNew: Bool = false) {
        for family in IPAddress.Family.allCases {
            if !isNew { table.flushSet(family.set("host")) }
            let values = Set(addresses.filter { $0.family == family }).map(\.bytes).prefix(1000)
            table.addValues(Array(values), to: family.set("host"))
        }
    }

    // MARK: Denials

    private static func refuse(_ rule: String) -> NetfilterMatch { [.verdict(.goto("deny-\(rule)"))] }

    /// Counts, tells as far as the sandbox's share of telling goes, and refuses.
    private func makeDenial(_ table: inout NetfilterTransaction, _ rule: String) {
        let chain = "deny-\(rule)"
        table.makeChain(chain)
        table.addRule(
            to: chain,
            [
                .counter, .meta(NFT_META_IIF),
                .each(
                    in: "told", timeout: true,
                    .limit(perSecond: DenialLog.perSecond, burst: DenialLog.burst, over: false)),
                .log(rule, group: DenialLog.group, bytes: DenialLog.bytes),
            ])
        // Nobody is told anything who isn't where the packet says.
        table.addRule(to: chain, [.verdict(rule == "spoofed" ? .drop : .goto("refuse"))])
    }

    private func makeRefusal(_ table: inout NetfilterTransaction) {
        table.makeChain("refuse")
        // A flow that has been cut ends at once; one that would begin is told why it can't.
        table.addRule(
            to: "refuse", .transport(Int32(IPPROTO_TCP)) + NetfilterMatch.isKnown + [.resetConnection])
        table.addRule(to: "refuse", [.limit(perSecond: 1000, burst: 200, over: false), .prohibit])
        table.addRule(to: "refuse", [.verdict(.drop)])
    }

    // MARK: Chains

    /// What comes from sandboxes, before anything is decided about where it goes.
    private func makeEntry(_ table: inout NetfilterTransaction) {
        let chain = "entry"
        table.makeChain(chain, at: .init(.prerouting, priority: -150))
        table.addRule(to: chain, .from(interface: uplink) + [.verdict(.accept)])
        table.addRule(to: chain, .from(interface: 1) + [.verdict(.accept)])
        // The way back to the source must lead to where it came from: each sandbox has its address alone.
        table.addRule(to: chain, [.reversePath, .compare([0, 0, 0, 0])] + Self.refuse("spoofed"))
        table.addRule(
            to: chain,
            [
                .meta(NFT_META_IIF),
                .each(
                    in: "packets", timeout: true,
                    .limit(
                        perSecond: UInt64(configuration.packetsPerSecond),
                        burst: configuration.packetsPerSecond / 4 + 5,
                        over: true)), .counter, .verdict(.drop),
            ])
        // What every kernel says of itself to its link, and nobody asked for.
        table.addRule(
            to: chain,
            .family(.v6) + .transport(Int32(IPPROTO_ICMPV6))
                + .destination(InternetAddress([0xff] + [UInt8](repeating: 0, count: 15)), prefix: 8)
                + [.verdict(.drop)])
        for family in families {
            table.addRule(to: chain, .marked(PacketMark.denied, family.inet) + Self.refuse("policy"))
        }
        table.addRule(to: chain, .destination(is: NetworkPlace.routerAddress.internet) + [.verdict(.goto("starts"))])
        if let router = block.routerV6 {
            table.addRule(to: chain, .destination(is: router.internet) + [.verdict(.goto("starts"))])
        }
        table.addRule(
            to: chain, .destination(block.v4.address.internet, prefix: block.v4.prefix) + Self.refuse("sandbox"))
        if let v6 = block.v6 {
            table.addRule(to: chain, .destination(v6.address.internet, prefix: v6.prefix) + Self.refuse("sandbox"))
        }
        for family in families {
            for rule in ["host", "closed"] {
                table.addRule(
                    to: chain, .destination(in: family.set(rule), family.inet) + Self.refuse(rule))
            }
            table.addRule(
                to: chain, .destination(in: family.set("opened"), family.inet) + [.verdict(.goto("starts"))])
            table.addRule(
                to: chain, .destination(in: family.set("private"), family.inet) + Self.refuse("private"))
        }
        table.addRule(to: chain, [.verdict(.goto("starts"))])
    }

    /// How many connections there may be, and how fast new ones.
    private func makeStarts(_ table: inout NetfilterTransaction) {
        table.makeChain("starts")
        table.makeChain(Self.gate)
        table.addRule(to: "starts", NetfilterMatch.isNew + [.verdict(.jump(Self.gate))])
        table.addRule(
            to: "starts",
            NetfilterMatch.isNew
                + ofEachInterface(
                    "starts", timeout: true,
                    .limit(
                        perSecond: UInt64(configuration.connectionsPerSecond),
                        burst: configuration.connectionsPerSecond, over: true)) + Self.refuse("rate"))
        table.addRule(
            to: "starts",
            NetfilterMatch.isNew
                + ofEachInterface("connections", timeout: false, .connections(over: configuration.maximumConnections))
                + Self.refuse("connections"))
    }

    /// Refuses every new connection, or leaves them to the other rules.
    static func setGate(isClosed: Bool, in table: inout NetfilterTransaction) {
        table.flushChain(gate)
        if isClosed { table.addRule(to: gate, refuse("crowded")) }
    }

    /// Asks a thing that is kept for the interface that a packet came in at.
    private func ofEachInterface(_ set: String, timeout: Bool, _ expression: NetfilterExpression) -> NetfilterMatch {
        [.meta(NFT_META_IIF), .each(in: set, timeout: timeout, expression)]
    }

    /// What goes to an address for its name's sake goes to the name proxy.
    private func makeRedirection(_ table: inout NetfilterTransaction) {
        let chain = "redirection"
        table.makeChain(chain, at: .init(.prerouting, priority: -100, type: "nat"))
        let proxies: [(IPAddress.Family, IPAddress?)] = [(.v4, NetworkPlace.routerAddress), (.v6, block.routerV6)]
        for (family, address) in proxies {
            guard let address else { continue }
            for port in [80, 443] as [UInt16] {
                table.addRule(
                    to: chain,
                    .from(interface: uplink, NFT_CMP_NEQ) + .marked(PacketMark.named, family.inet)
                        + .destination(port: port, of: Int32(IPPROTO_TCP))
                        + NetfilterExpression.redirect(to: address.internet, port: NetworkPlace.proxyPort))
            }
        }
    }

    /// What of the router sandboxes reach: its resolver, its name proxy through a redirection, and an echo.
    private func makeInput(_ table: inout NetfilterTransaction) {
        let chain = "input"
        table.makeChain(chain, at: .init(.input, priority: 0, accepts: false))
        table.addRule(to: chain, .from(interface: 1) + [.verdict(.accept)])
        table.addRule(to: chain, NetfilterMatch.isKnown + [.verdict(.accept)])
        table.addRule(to: chain, .from(interface: uplink) + [.verdict(.drop)])
        for transport in [IPPROTO_UDP, IPPROTO_TCP] {
            table.addRule(
                to: chain,
                .destination(is: NetworkPlace.routerAddress.internet)
                    + .destination(port: 53, of: Int32(transport)) + [.verdict(.accept)])
        }
        table.addRule(
            to: chain,
            NetfilterMatch.isRedirected + .destination(port: NetworkPlace.proxyPort, of: Int32(IPPROTO_TCP))
                + [.verdict(.accept)])
        for (family, type) in [(InternetFamily.v4, UInt8(8)), (.v6, 128)] {
            table.addRule(
                to: chain,
                .icmp(family, types: type...type) + [.limit(perSecond: 100, burst: 20, over: false), .verdict(.accept)])
        }
        table.addRule(to: chain, Self.refuse("router"))
    }

    /// Out to the host, and back what belongs to a connection from inside. Nothing else.
    private func makeForward(_ table: inout NetfilterTransaction) {
        let chain = "forward"
        table.makeChain(chain, at: .init(.forward, priority: 0, accepts: false))
        table.addRule(to: chain, .from(interface: uplink) + NetfilterMatch.isKnown + [.verdict(.accept)])
        table.addRule(to: chain, .from(interface: uplink) + [.counter, .verdict(.drop)])
        table.addRule(to: chain, .to(interface: uplink) + [.verdict(.accept)])
        table.addRule(to: chain, Self.refuse("sandbox"))
    }
}
