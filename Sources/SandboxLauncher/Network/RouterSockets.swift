import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

extension LauncherNetwork {
    /// A socket of the router's, for the service, which has no right to make one.
    func open(_ socket: RouterSocket) throws -> Descriptor {
        let router = NetworkPlace.routerAddress
        switch socket {
        case .resolverUDP: return try bind(SOCK_DGRAM, router, 53)
        case .resolverTCP: return try bind(SOCK_STREAM, router, 53)
        case .proxy: return try bind(SOCK_STREAM, router, NetworkPlace.proxyPort)
        case .proxyV6:
            guard let address = block.routerV6 else {
                throw Failure(.failedPrecondition, "sandboxes have no IPv6 here")
            }
            return try bind(SOCK_STREAM, address, NetworkPlace.proxyPort)
        case .denials: return try denialSocket()
        }
    }

    private func bind(_ type: __socket_type, _ address: IPAddress, _ port: UInt16) throws -> Descriptor {
        let bytes = address.bytes
        let raw = try router.namespace.run(from: host.home) { () throws(SystemCallError) in
            try check(
                cordon_bound_socket(Int32(type.rawValue), bytes, UInt32(bytes.count), port, true), "bind",
                "\(address):\(port)")
        }
        return Descriptor(owning: raw)
    }

    /// Bound to the group that the floor tells of denials. A group has one listener: a service's socket that
    /// is still there when its successor asks has to go first, as it does with that service.
    private func denialSocket() throws -> Descriptor {
        let socket = try router.namespace.run(from: host.home) { () throws(SystemCallError) in
            try NetlinkSocket(NETLINK_NETFILTER)
        }
        try socket.perform(DenialLog.bindRequests, "the log of denials")
        return try socket.duplicate()
    }
}

extension DenialLog {
    /// Binds a socket of nfnetlink_log to the group: packets' first bytes, at once, no more than a few waiting.
    static var bindRequests: [NetlinkMessage] {
        [
            NetfilterLog.configure(group: group, command: UInt8(NFULNL_CFG_CMD_BIND.rawValue)),
            NetfilterLog.configure(group: group, copying: bytes),
        ]
    }
}
