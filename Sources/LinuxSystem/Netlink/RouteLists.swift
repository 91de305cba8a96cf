import CLinux
import Glibc

/// A route of any table.
public struct RouteEntry: Sendable, Hashable {
    /// nil for a default route.
    public var destination: InternetAddress?
    public var prefix: Int
    public var isV6: Bool
    public var table: UInt32
    public var interface: UInt32
    public var metric: UInt32
    /// RTN_UNICAST, RTN_LOCAL, …
    public var type: UInt8
}

/// An interface's address.
public struct InterfaceAddress: Sendable, Hashable {
    public var interface: UInt32
    public var address: InternetAddress
}

/// An interface.
public struct LinkEntry: Sendable, Hashable {
    public var index: UInt32
    public var name: String
    public var mtu: UInt32
}

extension NetlinkSocket {
    /// Every route of a family, of every table.
    public func routes(v6: Bool) throws(SystemCallError) -> [RouteEntry] {
        var request = NetlinkMessage(UInt16(RTM_GETROUTE), flags: Int32(NLM_F_DUMP))
        request.put(
            structure: rtmsg(
                rtm_family: UInt8(v6 ? AF_INET6 : AF_INET), rtm_dst_len: 0, rtm_src_len: 0, rtm_tos: 0, rtm_table: 0,
                rtm_protocol: 0, rtm_scope: 0, rtm_type: 0, rtm_flags: 0))
        var routes: [RouteEntry] = []
        try dump(request, "routes") { answer in
            guard answer.payload.count >= 12, answer.type == UInt16(RTM_NEWROUTE) else { return }
            let header = answer.payload
            var entry = RouteEntry(
                destination: nil, prefix: Int(header.number(at: 1, as: UInt8.self)), isV6: v6,
                table: UInt32(header.number(at: 4, as: UInt8.self)), interface: 0, metric: 0,
                type: header.number(at: 7, as: UInt8.self))
            for (type, value) in answer.attributes(after: 12) {
                switch type {
                case Int(RTA_DST.rawValue) where value.count == (v6 ? 16 : 4):
                    entry.destination = InternetAddress(Array(value))
                case Int(RTA_OIF.rawValue): entry.interface = value.number(at: 0)
                case Int(RTA_PRIORITY.rawValue): entry.metric = value.number(at: 0)
                case Int(RTA_TABLE.rawValue): entry.table = value.number(at: 0)
                case Int(RTA_MULTIPATH.rawValue) where entry.interface == 0:
                    // struct rtnexthop: the first way's interface.
                    entry.interface = value.number(at: 4)
                default: break
                }
            }
            routes.append(entry)
        }
        return routes
    }

    /// Every address of every interface.
    public func addresses() throws(SystemCallError) -> [InterfaceAddress] {
        var request = NetlinkMessage(UInt16(RTM_GETADDR), flags: Int32(NLM_F_DUMP))
        request.put(
            structure: ifaddrmsg(ifa_family: 0, ifa_prefixlen: 0, ifa_flags: 0, ifa_scope: 0, ifa_index: 0))
        var addresses: [InterfaceAddress] = []
        try dump(request, "addresses") { answer in
            guard answer.type == UInt16(RTM_NEWADDR) else { return }
            let attributes = answer.attributes(after: 8)
            // On a point-to-point interface the other end's is in IFA_ADDRESS.
            guard let value = attributes.value(of: Int(IFA_LOCAL)) ?? attributes.value(of: Int(IFA_ADDRESS)),
                value.count == 4 || value.count == 16
            else { return }
            addresses.append(
                InterfaceAddress(
                    interface: answer.payload.number(at: 4), address: InternetAddress(Array(value))))
        }
        return addresses
    }

    public func links() throws(SystemCallError) -> [LinkEntry] {
        var request = NetlinkMessage(UInt16(RTM_GETLINK), flags: Int32(NLM_F_DUMP))
        request.put(
            structure: ifinfomsg(ifi_family: 0, __ifi_pad: 0, ifi_type: 0, ifi_index: 0, ifi_flags: 0, ifi_change: 0))
        var links: [LinkEntry] = []
        try dump(request, "links") { answer in
            guard answer.type == UInt16(RTM_NEWLINK) else { return }
            let attributes = answer.attributes(after: 16)
            links.append(
                LinkEntry(
                    index: answer.payload.number(at: 4), name: attributes.value(of: Int(IFLA_IFNAME))?.text ?? "",
                    mtu: attributes.value(of: Int(IFLA_MTU))?.number(at: 0) ?? 1500))
        }
        return links
    }

    /// The names of nf_tables' tables, of whatever family.
    public func tables() throws(SystemCallError) -> [String] {
        var request = NetlinkMessage(
            UInt16(NFNL_SUBSYS_NFTABLES) << 8 | UInt16(NFT_MSG_GETTABLE.rawValue), flags: Int32(NLM_F_DUMP))
        request.put(structure: nfgenmsg(nfgen_family: UInt8(AF_UNSPEC), version: UInt8(NFNETLINK_V0), res_id: 0))
        var names: [String] = []
        try dump(request, "tables") { answer in
            if let name = answer.attributes(after: 4).value(of: Int(NFTA_TABLE_NAME.rawValue)) {
                names.append(name.text)
            }
        }
        return names
    }
}
