import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// What an instance has in the host's network namespace: one interface, one table, two routes, and the
/// switches that forwarding needs. Nothing else of the host's is touched.
final class HostNetwork {
    /// Where the host itself sends what is for the internet.
    struct Exit: Hashable {
        var interface: String
        var mtu: UInt32
    }

    /// Names of uplinks of all instances begin so.
    static let prefix = "cordon-"

    let home: NetworkNamespace
    let name: String
    private let route: NetlinkSocket
    private let filter: NetlinkSocket
    private let registry: NetworkRegistry
    /// Interfaces that forward for the sake of instances alone.
    private var turned: Set<String> = []
    /// Those that the table closes to others.
    private var loaded: Set<String>?

    init(instance: String, registry: NetworkRegistry) throws {
        home = try .current()
        name = "\(Self.prefix)\(instance)"
        route = try NetlinkSocket(NETLINK_ROUTE)
        filter = try NetlinkSocket(NETLINK_NETFILTER)
        self.registry = registry
    }

    // MARK: Looking

    /// The interface of the default route that holds, if there is one.
    func exit(v6: Bool) throws -> Exit? {
        let links = try route.links()
        let main = UInt32(RT_TABLE_MAIN.rawValue)
        let candidates = try route.routes(v6: v6)
            .filter { $0.destination == nil && $0.prefix == 0 && $0.table == main && $0.type == UInt8(RTN_UNICAST) }
            .sorted { $0.metric < $1.metric }
        for candidate in candidates {
            guard let link = links.first(where: { $0.index == candidate.interface }), link.name != "lo" else {
                continue
            }
            return Exit(interface: link.name, mtu: link.mtu)
        }
        return nil
    }

    /// Where routes of the host lead, but for default ones and our own.
    func routedRanges() throws -> [AddressRange] {
        let own = try route.links().first { $0.name == name }?.index
        return try route.routes(v6: false).compactMap { entry in
            guard entry.interface != own || own == nil, entry.prefix > 0,
                let destination = entry.destination.flatMap({ IPAddress(bytes: $0.bytes) })
            else { return nil }
            return AddressRange(destination, prefix: entry.prefix)
        }
    }

    /// Every address that is the host's own.
    func addresses() throws -> [IPAddress] { try route.addresses().compactMap { IPAddress(bytes: $0.address.bytes) } }

    // MARK: Making

    /// Makes the uplink: one end here, the other in the router, where it has the number `index`. The pair of
    /// a router that is gone went with it.
    func makeUplink(to router: Router, index: UInt32, mtu: UInt32) throws {
        if cordon_interface_index(name) != 0 { try route.perform([RouteRequests.deleteLink(name)], "old uplink") }
        // From the router's side, where numbers can be chosen.
        try router.route.perform(
            [
                RouteRequests.makePair(
                    .init(name: "uplink", index: Int32(index)), .init(name: name, index: 0), in: home.raw,
                    hardware: NetworkBlock.hardware(0), mtu: Int(mtu))
            ], "uplink")
        // It has no address and wants none, and listens to nobody who says that he is a router.
        for (setting, value) in [("addr_gen_mode", "1"), ("accept_ra", "0"), ("accept_redirects", "0")] {
            try? KernelFile.write(value, to: "/proc/sys/net/ipv6/conf/\(name)/\(setting)")
        }
        try route.perform([RouteRequests.setLink(cordon_interface_index(name), up: true)], "uplink up")
    }

    /// Routes to the sandboxes. Nobody has the addresses that they go through: the pair has two ends.
    func routeBack(to block: NetworkBlock) throws {
        let index = cordon_interface_index(name)
        var requests = [
            RouteRequests.addRoute(
                to: block.v4.address.internet, prefix: block.v4.prefix, via: block.towardsRouter.internet, on: index,
                family: block.v4.address.internet)
        ]
        if let v6 = block.v6, let gateway = block.routerV6 {
            requests.append(
                RouteRequests.addRoute(
                    to: v6.address.internet, prefix: v6.prefix, via: gateway.internet, on: index,
                    family: v6.address.internet))
        }
        try route.perform(requests, "routes to sandboxes")
    }

    private static func forwarding(_ interface: String, v6: Bool) -> String {
        v6
            ? "/proc/sys/net/ipv6/conf/\(interface)/force_forwarding"
            : "/proc/sys/net/ipv4/conf/\(interface)/forwarding"
    }

    /// Whether IPv6 can be forwarded without turning the host into a router, which would stop it from
    /// learning its own routes.
    func canForwardV6(_ exit: Exit) -> Bool {
        access(Self.forwarding(exit.interface, v6: true), W_OK) == 0 || Self.forwardsV6
    }

    private static var forwardsV6: Bool {
        (try? KernelFile.read("/proc/sys/net/ipv6/conf/all/forwarding")) ?? nil == "1"
    }

    /// Has what comes in at the uplink and at the exits forwarded. `close` is called with the exits that
    /// forward nothing by themselves, before they do.
    func forward(v4: Exit?, v6: Exit?, close: (Set<String>) throws -> Void) throws -> Set<String> {
        var switches: [(path: String, interface: String)] = []
        if let v4 { switches.append((Self.forwarding(v4.interface, v6: false), v4.interface)) }
        if let v6, !Self.forwardsV6 { switches.append((Self.forwarding(v6.interface, v6: true), v6.interface)) }
        let off = try switches.filter { try registry.isOff($0.path) }
        turned.formUnion(off.map(\.interface))
        try close(turned)
        try KernelFile.write("1", to: Self.forwarding(name, v6: false))
        if v6 != nil, !Self.forwardsV6 { try KernelFile.write("1", to: Self.forwarding(name, v6: true)) }
        for (path, _) in off { try registry.turnOn(path) }
        return Set(off.map(\.interface))
    }

    // MARK: The table

    /// Loads the table, in place of the one that is there, unless that is the same.
    func loadTable(_ block: NetworkBlock, closing turned: Set<String>) throws {
        guard loaded != turned else { return }
        var table = NetfilterTransaction(name)
        table.makeTable()
        table.removeTable()
        table.makeTable()
        // Nothing of the host's own is for sandboxes, whichever of its addresses they know.
        table.makeChain("input", at: .init(.input, priority: 0))
        table.addRule(to: "input", .from(interfaceNamed: name) + [.counter, .verdict(.drop)])
        makeForward(&table, block, turned)
        table.makeChain("postrouting", at: .init(.postrouting, priority: 100, type: "nat"))
        for range in [block.v4, block.v6] {
            guard let range else { continue }
            table.addRule(
                to: "postrouting",
                .source(range.address.internet, prefix: range.prefix) + .to(interfaceNamed: name, NFT_CMP_NEQ)
                    + [.masquerade])
        }
        try table.commit(on: filter, "table \(name)")
        loaded = turned
    }

    private func makeForward(_ table: inout NetfilterTransaction, _ block: NetworkBlock, _ turned: Set<String>) {
        table.makeChain("forward", at: .init(.forward, priority: 0))
        table.addRule(
            to: "forward",
            .from(interfaceNamed: name) + .to(interfacePrefix: Self.prefix) + [.counter, .verdict(.drop)])
        for range in [block.v4, block.v6] {
            guard let range else { continue }
            table.addRule(
                to: "forward",
                .from(interfaceNamed: name) + .source(range.address.internet, prefix: range.prefix)
                    + [.verdict(.accept)])
        }
        table.addRule(to: "forward", .from(interfaceNamed: name) + [.counter, .verdict(.drop)])
        table.addRule(to: "forward", .to(interfaceNamed: name) + NetfilterMatch.isKnown + [.verdict(.accept)])
        table.addRule(to: "forward", .to(interfaceNamed: name) + [.counter, .verdict(.drop)])
        // These forwarded nothing before we came: the host becomes nobody else's router.
        for interface in turned.sorted() {
            table.addRule(
                to: "forward",
                .from(interfaceNamed: interface) + .to(interfacePrefix: Self.prefix, NFT_CMP_NEQ)
                    + [.counter, .verdict(.drop)])
        }
    }

    /// Takes everything back.
    func remove() {
        var table = NetfilterTransaction(name)
        table.makeTable()
        table.removeTable()
        try? table.commit(on: filter, "table \(name)")
        try? route.perform([RouteRequests.deleteLink(name)], "uplink")
        registry.release()
    }
}
