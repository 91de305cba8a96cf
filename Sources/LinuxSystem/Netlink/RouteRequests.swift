import CLinux
import Glibc

/// An address as rtnetlink takes it: 4 bytes or 16, in network order.
public struct InternetAddress: Sendable, Hashable {
    public let bytes: [UInt8]

    /// - Precondition: 4 or 16 bytes.
    public init(_ bytes: [UInt8]) {
        precondition(bytes.count == 4 || bytes.count == 16)
        self.bytes = bytes
    }

    var family: UInt8 { UInt8(bytes.count == 4 ? AF_INET : AF_INET6) }
    /// The prefix length that means it alone.
    public var width: Int { bytes.count * 8 }
}

/// Requests of rtnetlink(7).
public enum RouteRequests {
    private static let create = Int32(NLM_F_CREATE | NLM_F_EXCL)
    private static let replace = Int32(NLM_F_CREATE | NLM_F_REPLACE)

    /// One end of a pair.
    public struct PairEnd: Sendable {
        public var name: String
        /// 0 for any.
        public var index: Int32

        public init(name: String, index: Int32) {
            self.name = name
            self.index = index
        }
    }

    /// A virtual Ethernet pair, one end here, the other in the namespace `namespace` (veth(4)).
    ///
    /// Both ends have the same hardware address and ask nobody for the other's (`IFF_NOARP`): what is sent
    /// on one is for the other, so that there is nothing to resolve, and nothing to forge. The other end is down.
    public static func makePair(
        _ here: PairEnd, _ there: PairEnd, in namespace: Int32, hardware: [UInt8], mtu: Int
    ) -> NetlinkMessage {
        var message = NetlinkMessage(UInt16(RTM_NEWLINK), flags: create)
        message.put(structure: header(here, isUp: true))
        describe(&message, here, hardware, mtu)
        message.nested(Int(IFLA_LINKINFO)) { info in
            info.attribute(Int(IFLA_INFO_KIND), "veth")
            info.nested(Int(IFLA_INFO_DATA)) { data in
                data.nested(Int(VETH_INFO_PEER)) { peer in
                    // It has nobody to talk to yet, and can't be up.
                    peer.put(structure: header(there, isUp: false))
                    describe(&peer, there, hardware, mtu)
                    peer.attribute(Int(IFLA_NET_NS_FD), UInt32(bitPattern: namespace))
                }
            }
        }
        return message
    }

    private static func header(_ end: PairEnd, isUp: Bool) -> ifinfomsg {
        let flags = UInt32(IFF_NOARP) | (isUp ? UInt32(IFF_UP) : 0)
        return ifinfomsg(
            ifi_family: 0, __ifi_pad: 0, ifi_type: 0, ifi_index: end.index, ifi_flags: flags, ifi_change: flags)
    }

    private static func describe(_ message: inout NetlinkMessage, _ end: PairEnd, _ hardware: [UInt8], _ mtu: Int) {
        message.attribute(Int(IFLA_IFNAME), end.name)
        message.attribute(Int(IFLA_ADDRESS), hardware)
        message.attribute(Int(IFLA_MTU), UInt32(mtu))
        message.attribute(Int(IFLA_NUM_TX_QUEUES), UInt32(1))
        message.attribute(Int(IFLA_NUM_RX_QUEUES), UInt32(1))
        message.attribute(Int(IFLA_TXQLEN), UInt32(1000))
    }

    public static func setLink(_ index: UInt32, up: Bool) -> NetlinkMessage {
        var message = NetlinkMessage(UInt16(RTM_NEWLINK))
        message.put(
            structure: ifinfomsg(
                ifi_family: 0, __ifi_pad: 0, ifi_type: 0, ifi_index: Int32(index),
                ifi_flags: up ? UInt32(IFF_UP) : 0, ifi_change: UInt32(IFF_UP)))
        return message
    }

    /// Waits for a grace period of the kernel's: not for where somebody waits.
    public static func deleteLink(_ name: String) -> NetlinkMessage {
        var message = NetlinkMessage(UInt16(RTM_DELLINK))
        message.put(
            structure: ifinfomsg(
                ifi_family: 0, __ifi_pad: 0, ifi_type: 0, ifi_index: 0, ifi_flags: 0, ifi_change: 0))
        message.attribute(Int(IFLA_IFNAME), name)
        return message
    }

    /// An address of an interface's, usable at once, that brings no route with it.
    public static func addAddress(_ address: InternetAddress, to index: UInt32) -> NetlinkMessage {
        var message = NetlinkMessage(UInt16(RTM_NEWADDR), flags: replace)
        let flags = UInt32(IFA_F_NODAD) | UInt32(IFA_F_NOPREFIXROUTE) | UInt32(IFA_F_PERMANENT)
        message.put(
            structure: ifaddrmsg(
                ifa_family: address.family, ifa_prefixlen: UInt8(address.width), ifa_flags: 0, ifa_scope: 0,
                ifa_index: index))
        message.attribute(Int(IFA_LOCAL), address.bytes)
        message.attribute(Int(IFA_ADDRESS), address.bytes)
        message.attribute(Int(IFA_FLAGS), flags)
        return message
    }

    /// A route of the main table; without a destination the default one. A gateway needs no address of its
    /// network here (`RTNH_F_ONLINK`).
    public static func addRoute(
        to destination: InternetAddress? = nil, prefix: Int? = nil, via gateway: InternetAddress? = nil,
        on index: UInt32, family: InternetAddress
    ) -> NetlinkMessage {
        var message = NetlinkMessage(UInt16(RTM_NEWROUTE), flags: replace)
        route(&message, destination, prefix, gateway, index, family)
        return message
    }

    public static func deleteRoute(to destination: InternetAddress, on index: UInt32) -> NetlinkMessage {
        var message = NetlinkMessage(UInt16(RTM_DELROUTE))
        route(&message, destination, nil, nil, index, destination)
        return message
    }

    private static func route(
        _ message: inout NetlinkMessage, _ destination: InternetAddress?, _ prefix: Int?, _ gateway: InternetAddress?,
        _ index: UInt32, _ family: InternetAddress
    ) {
        let linkScope = gateway == nil && family.family == UInt8(AF_INET)
        message.put(
            structure: rtmsg(
                rtm_family: family.family, rtm_dst_len: UInt8(prefix ?? destination?.width ?? 0), rtm_src_len: 0,
                rtm_tos: 0, rtm_table: UInt8(RT_TABLE_MAIN.rawValue), rtm_protocol: UInt8(RTPROT_STATIC),
                rtm_scope: UInt8(linkScope ? RT_SCOPE_LINK.rawValue : RT_SCOPE_UNIVERSE.rawValue),
                rtm_type: UInt8(RTN_UNICAST), rtm_flags: gateway == nil ? 0 : UInt32(RTNH_F_ONLINK)))
        if let destination { message.attribute(Int(RTA_DST.rawValue), destination.bytes) }
        if let gateway { message.attribute(Int(RTA_GATEWAY.rawValue), gateway.bytes) }
        message.attribute(Int(RTA_OIF.rawValue), index)
    }
}
