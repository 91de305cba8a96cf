import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// The instance's network: the host's part, the router, and each sandbox's place.
final class LauncherNetwork {
    /// A sandbox's end of its pair.
    static let memberInterface: UInt32 = 64
    static let memberName = "eth0"

    let configuration: NetworkConfiguration
    let host: HostNetwork
    let router: Router
    let block: NetworkBlock
    let mtu: UInt32
    private(set) var numbers = NumberPool(NetworkBlock.numbers)
    private let hostWatch: NetlinkSocket
    private let linkWatch: NetlinkSocket
    private let loop: EventLoop
    private var gate: ConnectionGate?
    private var gateTimer: Int?
    private var refreshTimer: Int?
    private var flushTimer: Int?
    /// Numbers whose interfaces are gone, while the kernel may remember connections of theirs.
    private var forgotten: [UInt32] = []
    private let flush = ConnectionFlush()
    private let log: (String) -> Void
    /// Interfaces that the log names already.
    private var told: Set<String> = []

    /// Takes over the router that living sandboxes hold, or makes one.
    init(
        _ configuration: NetworkConfiguration, instance: String, files: LauncherFiles, owner: String,
        router held: NetworkNamespace?, loop: EventLoop, log: @escaping (String) -> Void
    ) throws {
        self.configuration = configuration
        self.loop = loop
        self.log = log
        let registry = try NetworkRegistry(owner: owner)
        host = try HostNetwork(instance: instance, registry: registry)
        router = try Router(held, home: host.home)
        let exit = try host.exit(v6: false)
        let exitV6 = configuration.ipv6 == .off ? nil : try host.exit(v6: true)
        let canV6 = exitV6.map(host.canForwardV6) ?? false
        if configuration.ipv6 == .on, !canV6 {
            throw Failure(
                .failedPrecondition,
                "network_ipv6 is on, and the host has no default route of IPv6, or can't forward it without becoming a router"
            )
        }
        mtu = min(max(exit?.mtu ?? exitV6?.mtu ?? 1500, 1280), 65_535)
        block = try Self.block(configuration, files: files, registry: registry, host: host, hasV6: canV6)
        hostWatch = try NetlinkSocket(NETLINK_ROUTE)
        linkWatch = try router.linkWatch()
        try build(exit: exit, exitV6: canV6 ? exitV6 : nil)
        gate = try ConnectionGate(router, most: configuration.maximumConnectionsInAll)
        try watch()
        tendGate()
    }

    /// The block of before, or another; with it a prefix of IPv6 of the instance's own.
    private static func block(
        _ configuration: NetworkConfiguration, files: LauncherFiles, registry: NetworkRegistry, host: HostNetwork,
        hasV6: Bool
    ) throws -> NetworkBlock {
        let v4 = try registry.claimBlock(of: configuration.pool, avoiding: try host.routedRanges())
        guard hasV6 else { return NetworkBlock(v4: v4, v6: nil) }
        let kept = try files.run.read("prefix").map { String(decoding: $0, as: UTF8.self) }
        if let kept, let prefix = AddressRange(kept), prefix.family == .v6, prefix.prefix == 64 {
            return NetworkBlock(v4: v4, v6: prefix)
        }
        // RFC 4193: fd, and 40 bits of chance.
        let number = UInt128(0xfd) << 120 | UInt128(UInt64.random(in: 0..<(1 << 40))) << 80
        guard let prefix = AddressRange(IPAddress(v6: number), prefix: 64) else {
            throw Failure(.internal, "no prefix")
        }
        try files.run.replace("prefix", with: Array(prefix.description.utf8), mode: 0o644)
        return NetworkBlock(v4: v4, v6: prefix)
    }

    private func build(exit: HostNetwork.Exit?, exitV6: HostNetwork.Exit?) throws {
        let found = try router.numbers()
        for number in found { numbers.adopt(number, isUsed: false) }
        // The floor is there before the first way out, and before the first way in.
        try router.loadFloor(
            RouterFloor(uplink: Router.uplink, block: block, configuration: configuration),
            hostAddresses: try host.addresses())
        try router.configure()
        if try !router.isConnected() {
            try host.makeUplink(to: router, index: Router.uplink, mtu: mtu)
        }
        try router.connect(block)
        try host.loadTable(block, closing: [])
        try host.routeBack(to: block)
        try openExits(exit, exitV6)
    }

    /// What forwards nothing without us drops what isn't ours before it forwards anything.
    private func openExits(_ exit: HostNetwork.Exit?, _ exitV6: HostNetwork.Exit?) throws {
        let turned = try host.forward(v4: exit, v6: exitV6) { turned in
            try host.loadTable(block, closing: turned)
        }
        for interface in turned.subtracting(told).sorted() {
            log("\(interface) forwards what comes from sandboxes or answers them")
        }
        told = turned
    }

    // MARK: Watching

    private func watch() throws {
        for group in [RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE] {
            try hostWatch.join(UInt32(group.rawValue))
        }
        try loop.watch(hostWatch.raw, for: .readable) { [unowned self] _ in
            _ = self.hostWatch.notifications()
            self.refreshSoon()
        }
        try loop.watch(linkWatch.raw, for: .readable) { [unowned self] _ in self.hearLinks() }
    }

    /// Keeps sandboxes together within their share of the kernel's memory of connections.
    private func tendGate() {
        guard let gate else { return }
        if gate.look() {
            log(
                "sandboxes have \(gate.isClosed ? "" : "no longer ")\(gate.most) connections, as many as they may together"
            )
            do { try router.setGate(isClosed: gate.isClosed) } catch { log("\(error)") }
        }
        loop.cancel(gateTimer)
        gateTimer = loop.schedule(
            after: gate.pause(sandboxes: numbers.used.count, perSecond: configuration.connectionsPerSecond)
        ) { [unowned self] in self.tendGate() }
    }

    private func refreshSoon() {
        guard refreshTimer == nil else { return }
        refreshTimer = loop.schedule(after: .milliseconds(100)) { [unowned self] in
            self.refreshTimer = nil
            do {
                try self.router.setHostAddresses(try self.host.addresses())
                try self.openExits(
                    try self.host.exit(v6: false), self.block.v6 == nil ? nil : try self.host.exit(v6: true))
            } catch { self.log("the host's network has changed, and not all of it could be followed: \(error)") }
        }
    }

    /// Interfaces of sandboxes that are gone, and their namespaces with them.
    private func hearLinks() {
        guard let notifications = linkWatch.notifications() else {
            // Some were lost: whoever has no interface any more is looked up.
            let living = (try? router.numbers()) ?? numbers.resting
            for number in numbers.resting where !living.contains(number) { forget(number) }
            return
        }
        for notification in notifications where notification.type == UInt16(RTM_DELLINK) {
            let index: UInt32 = notification.payload.number(at: 4)
            guard index > NetworkBlock.interfaceBase, notification.payload.number(at: 0, as: UInt8.self) == 0 else {
                continue
            }
            forget(index - NetworkBlock.interfaceBase)
        }
    }

    /// The kernel forgets a number's connections before another sandbox gets it.
    private func forget(_ number: UInt32) {
        guard numbers.resting.contains(number) else { return }
        forgotten.append(number)
        flushSoon()
    }

    private func flushSoon() {
        guard flushTimer == nil, !flush.isRunning, !forgotten.isEmpty else { return }
        flushTimer = loop.schedule(after: .seconds(1)) { [unowned self] in
            self.flushTimer = nil
            let due = self.forgotten
            self.forgotten = []
            guard !self.flush.start(due, self) else { return }
            self.forgotten += due
            self.flushSoon()
        }
    }

    /// A child has ended; false when it is none of the network's.
    func childEnded(_ pid: pid_t, _ status: Int32) -> Bool {
        guard let (flushed, isDone) = flush.ended(pid, status) else { return false }
        if isDone { for number in flushed { numbers.release(number) } } else { forgotten += flushed }
        flushSoon()
        return true
    }

    // MARK: Members

    /// A number for a sandbox; `attach` or `release` follows.
    func reserve() throws(Failure) -> UInt32 { try numbers.take() }

    /// Marks an adopted sandbox's number. False when its interface is gone.
    func adopt(_ number: UInt32) -> Bool {
        numbers.adopt(number, isUsed: true)
        return numbers.used.contains(number)
    }

    /// Connects a sandbox's namespace: what may go through is decided before anything can.
    func attach(_ number: UInt32, namespace: Int32, _ policy: NetworkPolicy) throws {
        if case .allowlist = policy { try load(policy, namespace: namespace) }
        let place = block.place(number)
        let index = NetworkBlock.interface(number)
        var routes = [
            RouteRequests.makePair(
                .init(name: NetworkBlock.interfaceName(number), index: Int32(index)),
                .init(name: Self.memberName, index: Int32(Self.memberInterface)), in: namespace,
                hardware: NetworkBlock.hardware(number), mtu: Int(mtu)),
            RouteRequests.addRoute(to: place.v4.internet, on: index, family: place.v4.internet),
        ]
        if let v6 = place.v6?.internet { routes.append(RouteRequests.addRoute(to: v6, on: index, family: v6)) }
        try router.route.perform(routes, "a sandbox's pair")
        try inside(namespace, NETLINK_ROUTE).perform(memberSetup(place), "a sandbox's addresses")
        // There is one more to begin connections.
        tendGate()
    }

    private func memberSetup(_ place: NetworkPlace) -> [NetlinkMessage] {
        let router = NetworkPlace.routerAddress.internet
        var requests = [
            RouteRequests.setLink(Self.memberInterface, up: true),
            RouteRequests.addAddress(place.v4.internet, to: Self.memberInterface),
            RouteRequests.addRoute(via: router, on: Self.memberInterface, family: router),
        ]
        if let v6 = place.v6, let gateway = block.routerV6 {
            requests += [
                RouteRequests.addAddress(v6.internet, to: Self.memberInterface),
                RouteRequests.addRoute(via: gateway.internet, on: Self.memberInterface, family: gateway.internet),
            ]
        }
        return requests
    }

    private func inside(_ namespace: Int32, _ family: Int32) throws -> NetlinkSocket {
        try NetworkNamespace.run(in: namespace, from: host.home) { () throws(SystemCallError) in
            try NetlinkSocket(family)
        }
    }

    /// Gives a sandbox another policy.
    func load(_ policy: NetworkPolicy, namespace: Int32) throws {
        try MemberPolicy.transaction(for: policy).commit(on: inside(namespace, NETLINK_NETFILTER), "a sandbox's policy")
    }

    /// Takes a sandbox's interface down, or up again with everything that went with it.
    func setUp(_ isUp: Bool, _ number: UInt32, namespace: Int32) throws {
        try inside(namespace, NETLINK_ROUTE).perform(
            isUp ? memberSetup(block.place(number)) : [RouteRequests.setLink(Self.memberInterface, up: false)],
            "a sandbox's interface")
    }

    func open(_ addresses: [IPAddress], milliseconds: UInt64, namespace: Int32) throws {
        var table = NetfilterTransaction(MemberPolicy.table)
        for family in IPAddress.Family.allCases {
            table.addTimed(
                addresses.filter { $0.family == family }.map(\.bytes), to: family.set("names"),
                milliseconds: milliseconds)
        }
        try table.commit(on: inside(namespace, NETLINK_NETFILTER), "addresses of names")
    }

    /// The sandbox is over: nothing that comes from its place is forwarded any more, and the place rests until
    /// its namespace is gone.
    func leave(_ number: UInt32) {
        let place = block.place(number)
        let index = NetworkBlock.interface(number)
        numbers.rest(number)
        var requests = [RouteRequests.deleteRoute(to: place.v4.internet, on: index)]
        if let v6 = place.v6 { requests.append(RouteRequests.deleteRoute(to: v6.internet, on: index)) }
        do {
            try router.route.perform(requests, "a sandbox's routes")
        } catch {
            // Where there is no route there was no interface, or none is left.
            if (try? router.numbers().contains(number)) == false { forget(number) }
        }
    }

    /// Everything that the host has of it goes.
    func remove() {
        loop.unwatch(hostWatch.raw)
        loop.unwatch(linkWatch.raw)
        loop.cancel(gateTimer)
        gate = nil
        host.remove()
    }
}
