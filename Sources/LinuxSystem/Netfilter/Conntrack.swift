import CLinux
import Glibc

/// The kernel's memory of connections, of one network namespace (nf_conntrack over netlink).
public enum Conntrack {
    private static func message(_ kind: cntl_msg_types, family: UInt8, flags: Int32) -> NetlinkMessage {
        var message = NetlinkMessage(UInt16(NFNL_SUBSYS_CTNETLINK) << 8 | UInt16(kind.rawValue), flags: flags)
        message.put(structure: nfgenmsg(nfgen_family: family, version: UInt8(NFNETLINK_V0), res_id: 0))
        return message
    }

    /// Forgets every connection that one of these addresses began. Looks through all that there are, and so takes
    /// its time where there are many.
    public static func forget(from sources: Set<InternetAddress>, on socket: NetlinkSocket) throws(SystemCallError) {
        var deletions: [NetlinkMessage] = []
        let request = message(IPCTNL_MSG_CT_GET, family: UInt8(AF_UNSPEC), flags: Int32(NLM_F_DUMP))
        try socket.dump(request, "connections") { answer in
            let attributes = answer.attributes(after: 4)
            guard let tuple = attributes.value(of: Int(CTA_TUPLE_ORIG.rawValue)), let source = source(of: tuple),
                sources.contains(source)
            else { return }
            var deletion = message(
                IPCTNL_MSG_CT_DELETE, family: answer.payload.number(at: 0, as: UInt8.self), flags: 0)
            deletion.attribute(Int(CTA_TUPLE_ORIG.rawValue) | Int(NLA_F_NESTED), tuple)
            if let zone = attributes.value(of: Int(CTA_ZONE.rawValue)) {
                deletion.attribute(Int(CTA_ZONE.rawValue), zone)
            }
            deletions.append(deletion)
        }
        for deletion in deletions {
            do throws(SystemCallError) {
                try socket.perform([deletion], "a connection")
            } catch  where error.errno == ENOENT {
                // It was over meanwhile.
            }
        }
    }

    private static func source(of tuple: ArraySlice<UInt8>) -> InternetAddress? {
        guard let addresses = NetlinkAttributes(tuple).value(of: Int(CTA_TUPLE_IP.rawValue)) else { return nil }
        let attributes = NetlinkAttributes(addresses)
        guard
            let value = attributes.value(of: Int(CTA_IP_V4_SRC.rawValue))
                ?? attributes.value(of: Int(CTA_IP_V6_SRC.rawValue)),
            value.count == 4 || value.count == 16
        else { return nil }
        return InternetAddress(Array(value))
    }
}
