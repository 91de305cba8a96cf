import CLinux
import Glibc
import LinuxSystem
import SandboxModel

/// The instance's router: a network namespace between the host's and those of sandboxes.
///
/// Shims of sandboxes with a network hold it open, and so it is there for as long as one lives, whoever
/// else dies; with the last holder the kernel takes it apart, its interfaces and the host's end of the uplink.
final class Router {
    /// The uplink's number inside.
    static let uplink: UInt32 = 10

    let namespace: NetworkNamespace
    let home: NetworkNamespace
    let route: NetlinkSocket
    private let filter: NetlinkSocket

    /// A new router, or the one that `namespace` is.
    init(_ namespace: NetworkNamespace?, home: NetworkNamespace) throws {
        let namespace = try namespace ?? NetworkNamespace.make(from: home)
        self.namespace = namespace
        self.home = home
        route = try namespace.run(from: home) { () throws(SystemCallError) in try NetlinkSocket(NETLINK_ROUTE) }
        filter = try namespace.run(from: home) { () throws(SystemCallError) in try NetlinkSocket(NETLINK_NETFILTER) }
    }

    /// Whether it still has its uplink.
    func isConnected() throws -> Bool { try route.links().contains { $0.index == Self.uplink } }

    /// The numbers of sandboxes that have an interface here.
    func numbers() throws -> Set<UInt32> {
        Set(
            try route.links().compactMap { link in
                link.index >= NetworkBlock.interfaceBase ? link.index - NetworkBlock.interfaceBase : nil
            })
    }

    /// Settings that interfaces are born with, and that everything here depends on.
    func configure() throws {
        try namespace.run(from: home) { () throws(SystemCallError) in
            for (setting, value) in [
                ("ipv4/conf/all/rp_filter", "0"), ("ipv4/conf/default/rp_filter", "0"),
                ("ipv4/conf/all/accept_redirects", "0"), ("ipv4/conf/default/accept_redirects", "0"),
                ("ipv4/conf/all/send_redirects", "0"), ("ipv4/conf/default/send_redirects", "0"),
                // Refusals are limited by the floor, for all alike, and not by whom they go to.
                ("ipv4/icmp_ratelimit", "0"), ("ipv4/ip_forward", "1"),
            ] {
                try KernelFile.write(value, to: "/proc/sys/net/\(setting)")
            }
            // Some kernels keep these for the whole host, and have other names for them.
            for (setting, value) in [
                ("ipv4/icmp_msgs_per_sec", "10000"), ("ipv4/icmp_msgs_burst", "1000"), ("ipv6/icmp/ratelimit", "0"),
            ] {
                try? KernelFile.write(value, to: "/proc/sys/net/\(setting)")
            }
            // A kernel may have no IPv6 at all.
            for (setting, value) in [
                ("default/addr_gen_mode", "1"), ("default/accept_ra", "0"), ("default/accept_redirects", "0"),
                ("all/forwarding", "1"),
            ] {
                try? KernelFile.write(value, to: "/proc/sys/net/ipv6/conf/\(setting)")
            }
        }
    }

    /// Addresses and the way out; the uplink is there.
    func connect(_ block: NetworkBlock) throws {
        let v4 = NetworkPlace.routerAddress.internet
        var requests = [
            RouteRequests.setLink(1, up: true), RouteRequests.addAddress(v4, to: 1),
            RouteRequests.addRoute(via: block.towardsHost.internet, on: Self.uplink, family: v4),
        ]
        if let router = block.routerV6, let gateway = block.towardsHostV6 {
            requests += [
                RouteRequests.addAddress(router.internet, to: 1),
                RouteRequests.addRoute(via: gateway.internet, on: Self.uplink, family: gateway.internet),
            ]
        }
        try route.perform(requests, "router")
    }

    /// Loads the floor, in place of an earlier version's.
    func loadFloor(_ floor: RouterFloor, hostAddresses: [IPAddress]) throws {
        if try filter.tables().contains(RouterFloor.table) {
            // What lives here must not be without one in between.
            try floor.transaction(hostAddresses: hostAddresses, replacing: true).commit(on: filter, "floor")
        } else {
            try floor.transaction(hostAddresses: hostAddresses).commit(on: filter, "floor")
        }
    }

    func setGate(isClosed: Bool) throws {
        var table = NetfilterTransaction(RouterFloor.table)
        RouterFloor.setGate(isClosed: isClosed, in: &table)
        try table.commit(on: filter, "the gate of connections")
    }

    func setHostAddresses(_ addresses: [IPAddress]) throws {
        var table = NetfilterTransaction(RouterFloor.table)
        RouterFloor.setHostAddresses(addresses, in: &table)
        try table.commit(on: filter, "the host's addresses")
    }

    /// A socket that hears of links that go.
    func linkWatch() throws -> NetlinkSocket {
        let socket = try namespace.run(from: home) { () throws(SystemCallError) in try NetlinkSocket(NETLINK_ROUTE) }
        try socket.join(UInt32(RTNLGRP_LINK.rawValue))
        return socket
    }
}
