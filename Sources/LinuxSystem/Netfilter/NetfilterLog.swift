import CLinux
import Glibc

/// What nfnetlink_log tells of packets that rules sent to a group.
public enum NetfilterLog {
    private static func message(_ group: UInt16) -> NetlinkMessage {
        var message = NetlinkMessage(UInt16(NFNL_SUBSYS_ULOG) << 8 | UInt16(NFULNL_MSG_CONFIG.rawValue))
        message.put(
            structure: nfgenmsg(
                nfgen_family: UInt8(AF_UNSPEC), version: UInt8(NFNETLINK_V0), res_id: group.bigEndian))
        return message
    }

    public static func configure(group: UInt16, command: UInt8) -> NetlinkMessage {
        var message = message(group)
        message.attribute(Int(NFULA_CFG_CMD.rawValue), [command])
        return message
    }

    /// Packets' first bytes, each told at once.
    public static func configure(group: UInt16, copying bytes: UInt32) -> NetlinkMessage {
        var message = message(group)
        let size = withUnsafeBytes(of: bytes.bigEndian) { Array($0) }
        message.attribute(Int(NFULA_CFG_MODE.rawValue), size + [UInt8(NFULNL_COPY_PACKET), 0])
        message.attribute(Int(NFULA_CFG_QTHRESH.rawValue), big: UInt32(1))
        return message
    }

    /// One packet: the rule's prefix, and where the packet came from and was going.
    public struct Packet: Sendable, Hashable {
        public var prefix: String
        public var source: InternetAddress
        public var destination: InternetAddress
        /// The protocol's number; of IPv6 the last header's that could be found.
        public var transport: UInt8
        /// Of TCP, UDP and their like, where the packet told it.
        public var port: UInt16?
        /// The index of the interface that the packet came in at; 0 where the kernel doesn't say.
        public var interface: UInt32 = 0
    }

    /// The packets in a datagram of the kernel's; what can't be read is left out.
    public static func packets(in datagram: ArraySlice<UInt8>) -> [Packet] {
        (NetlinkAnswer.messages(in: datagram) ?? []).compactMap { answer in
            guard answer.type == UInt16(NFNL_SUBSYS_ULOG) << 8 | UInt16(NFULNL_MSG_PACKET.rawValue) else { return nil }
            let attributes = answer.attributes(after: 4)
            guard let payload = attributes.value(of: Int(NFULA_PAYLOAD.rawValue)),
                var packet = packet(in: payload)
            else { return nil }
            packet.prefix = attributes.value(of: Int(NFULA_PREFIX.rawValue))?.text ?? ""
            if let index = attributes.value(of: Int(NFULA_IFINDEX_INDEV.rawValue)), index.count == 4 {
                packet.interface = UInt32(bigEndian: index.number(at: 0))
            }
            return packet
        }
    }

    /// A packet's head, which somebody inside has written.
    static func packet(in bytes: ArraySlice<UInt8>) -> Packet? {
        switch (bytes.first ?? 0) >> 4 {
        case 4: v4(bytes)
        case 6: v6(bytes)
        default: nil
        }
    }

    private static func v4(_ bytes: ArraySlice<UInt8>) -> Packet? {
        guard bytes.count >= 20 else { return nil }
        let start = bytes.startIndex
        let length = Int(bytes[start] & 0xf) * 4
        let transport = bytes[start + 9]
        // Only the first fragment has ports.
        let isFirst = (UInt16(bytes[start + 6]) << 8 | UInt16(bytes[start + 7])) & 0x1fff == 0
        return Packet(
            prefix: "", source: InternetAddress(Array(bytes[(start + 12)..<(start + 16)])),
            destination: InternetAddress(Array(bytes[(start + 16)..<(start + 20)])), transport: transport,
            port: isFirst ? port(transport, bytes.dropFirst(length)) : nil)
    }

    private static func v6(_ bytes: ArraySlice<UInt8>) -> Packet? {
        guard bytes.count >= 40 else { return nil }
        let start = bytes.startIndex
        var transport = bytes[start + 6]
        var rest = bytes.dropFirst(40)
        // Hop-by-hop, routing and destination options stand before the transport; a few, not many.
        for _ in 0..<8 where [0, 43, 60].contains(transport) && rest.count >= 8 {
            transport = rest[rest.startIndex]
            rest = rest.dropFirst((Int(rest[rest.startIndex + 1]) + 1) * 8)
        }
        return Packet(
            prefix: "", source: InternetAddress(Array(bytes[(start + 8)..<(start + 24)])),
            destination: InternetAddress(Array(bytes[(start + 24)..<(start + 40)])), transport: transport,
            port: port(transport, rest))
    }

    /// TCP, UDP, SCTP, DCCP and UDP-Lite have the destination's port in the same place.
    private static func port(_ transport: UInt8, _ bytes: ArraySlice<UInt8>) -> UInt16? {
        guard [6, 17, 132, 33, 136].contains(transport), bytes.count >= 4 else { return nil }
        return UInt16(bytes[bytes.startIndex + 2]) << 8 | UInt16(bytes[bytes.startIndex + 3])
    }
}
