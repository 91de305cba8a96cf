import CLinux
import Glibc

/// One step of a rule of nf_tables: its kind, and the kernel's attributes of it.
///
/// A rule's steps run in order until one doesn't match. Values go through one register, as `nft` does it.
public struct NetfilterExpression: Sendable, Hashable {
    let kind: String
    let attributes: [UInt8]

    /// The 16-byte register that every step here uses.
    static let register = UInt32(NFT_REG_1.rawValue)

    init(_ kind: String, _ build: (inout NetlinkMessage) -> Void) {
        self.kind = kind
        var message = NetlinkMessage(0)
        let start = message.bytes.count
        build(&message)
        attributes = Array(message.bytes[start...])
    }

    /// As an element of a list of expressions.
    func append(to list: inout NetlinkMessage) {
        list.nested(Int(NFTA_LIST_ELEM.rawValue)) { appendBody(to: &$0) }
    }

    func appendBody(to message: inout NetlinkMessage) {
        message.attribute(Int(NFTA_EXPR_NAME.rawValue), kind)
        message.attribute(Int(NFTA_EXPR_DATA.rawValue) | Int(NLA_F_NESTED), attributes)
    }
}

/// What becomes of a packet.
public enum NetfilterVerdict: Sendable, Hashable {
    case accept
    case drop
    case jump(String)
    case goto(String)
    case leave
}

extension NetfilterExpression {
    // MARK: Loading

    public static func meta(_ key: nft_meta_keys) -> NetfilterExpression {
        NetfilterExpression("meta") {
            $0.attribute(Int(NFTA_META_DREG.rawValue), big: register)
            $0.attribute(Int(NFTA_META_KEY.rawValue), big: UInt32(key.rawValue))
        }
    }

    public static func payload(_ base: nft_payload_bases, at offset: UInt32, length: UInt32) -> NetfilterExpression {
        NetfilterExpression("payload") {
            $0.attribute(Int(NFTA_PAYLOAD_DREG.rawValue), big: register)
            $0.attribute(Int(NFTA_PAYLOAD_BASE.rawValue), big: UInt32(base.rawValue))
            $0.attribute(Int(NFTA_PAYLOAD_OFFSET.rawValue), big: offset)
            $0.attribute(Int(NFTA_PAYLOAD_LEN.rawValue), big: length)
        }
    }

    public static func conntrack(_ key: nft_ct_keys) -> NetfilterExpression {
        NetfilterExpression("ct") {
            $0.attribute(Int(NFTA_CT_DREG.rawValue), big: register)
            $0.attribute(Int(NFTA_CT_KEY.rawValue), big: UInt32(key.rawValue))
        }
    }

    /// The register's value, masked and then changed bit by bit.
    public static func bitwise(mask: [UInt8], xor: [UInt8]) -> NetfilterExpression {
        NetfilterExpression("bitwise") {
            $0.attribute(Int(NFTA_BITWISE_SREG.rawValue), big: register)
            $0.attribute(Int(NFTA_BITWISE_DREG.rawValue), big: register)
            $0.attribute(Int(NFTA_BITWISE_LEN.rawValue), big: UInt32(mask.count))
            $0.nested(Int(NFTA_BITWISE_MASK.rawValue)) { $0.attribute(Int(NFTA_DATA_VALUE.rawValue), mask) }
            $0.nested(Int(NFTA_BITWISE_XOR.rawValue)) { $0.attribute(Int(NFTA_DATA_VALUE.rawValue), xor) }
        }
    }

    /// The interface that the way back to a packet's source would take; 0 when that isn't the one that it
    /// came in on.
    public static let reversePath = NetfilterExpression("fib") {
        $0.attribute(Int(NFTA_FIB_DREG.rawValue), big: register)
        $0.attribute(Int(NFTA_FIB_RESULT.rawValue), big: UInt32(NFT_FIB_RESULT_OIF.rawValue))
        $0.attribute(
            Int(NFTA_FIB_FLAGS.rawValue),
            big: UInt32(NFTA_FIB_F_SADDR.rawValue) | UInt32(NFTA_FIB_F_IIF.rawValue))
    }

    // MARK: Comparing

    public static func compare(_ value: [UInt8], _ operation: nft_cmp_ops = NFT_CMP_EQ) -> NetfilterExpression {
        NetfilterExpression("cmp") {
            $0.attribute(Int(NFTA_CMP_SREG.rawValue), big: register)
            $0.attribute(Int(NFTA_CMP_OP.rawValue), big: UInt32(operation.rawValue))
            $0.nested(Int(NFTA_CMP_DATA.rawValue)) { $0.attribute(Int(NFTA_DATA_VALUE.rawValue), value) }
        }
    }

    public static func lookup(in set: String, inverted: Bool = false) -> NetfilterExpression {
        NetfilterExpression("lookup") {
            $0.attribute(Int(NFTA_LOOKUP_SET.rawValue), set)
            $0.attribute(Int(NFTA_LOOKUP_SREG.rawValue), big: register)
            if inverted { $0.attribute(Int(NFTA_LOOKUP_FLAGS.rawValue), big: UInt32(NFT_LOOKUP_F_INV.rawValue)) }
        }
    }

    /// Goes on with what a verdict map says of the register's value, or to the next rule.
    public static func verdict(from map: String) -> NetfilterExpression {
        NetfilterExpression("lookup") {
            $0.attribute(Int(NFTA_LOOKUP_SET.rawValue), map)
            $0.attribute(Int(NFTA_LOOKUP_SREG.rawValue), big: register)
            $0.attribute(Int(NFTA_LOOKUP_DREG.rawValue), big: UInt32(NFT_REG_VERDICT.rawValue))
        }
    }

    /// A rate. With `over` it matches what exceeds it, else what doesn't.
    public static func limit(perSecond rate: UInt64, burst: UInt32, over: Bool) -> NetfilterExpression {
        NetfilterExpression("limit") {
            $0.attribute(Int(NFTA_LIMIT_RATE.rawValue), big: rate)
            $0.attribute(Int(NFTA_LIMIT_UNIT.rawValue), big: UInt64(1))
            $0.attribute(Int(NFTA_LIMIT_BURST.rawValue), big: burst)
            $0.attribute(Int(NFTA_LIMIT_TYPE.rawValue), big: UInt32(NFT_LIMIT_PKTS.rawValue))
            $0.attribute(Int(NFTA_LIMIT_FLAGS.rawValue), big: over ? UInt32(NFT_LIMIT_F_INV.rawValue) : 0)
        }
    }

    /// Matches while there are more than so many connections (tracked for one key of a dynamic set).
    public static func connections(over count: UInt32) -> NetfilterExpression {
        NetfilterExpression("connlimit") {
            $0.attribute(Int(NFTA_CONNLIMIT_COUNT.rawValue), big: count)
            $0.attribute(Int(NFTA_CONNLIMIT_FLAGS.rawValue), big: UInt32(NFT_CONNLIMIT_F_INV.rawValue))
        }
    }

    /// Finds or makes the element of `set` for the register's value, and asks its own `expression`.
    public static func each(in set: String, timeout: Bool, _ expression: NetfilterExpression) -> NetfilterExpression {
        NetfilterExpression("dynset") {
            let operation = timeout ? NFT_DYNSET_OP_UPDATE : NFT_DYNSET_OP_ADD
            $0.attribute(Int(NFTA_DYNSET_SET_NAME.rawValue), set)
            $0.attribute(Int(NFTA_DYNSET_OP.rawValue), big: UInt32(operation.rawValue))
            $0.attribute(Int(NFTA_DYNSET_SREG_KEY.rawValue), big: register)
            $0.nested(Int(NFTA_DYNSET_EXPR.rawValue)) { expression.appendBody(to: &$0) }
        }
    }

    // MARK: Doing

    public static func verdict(_ verdict: NetfilterVerdict) -> NetfilterExpression {
        NetfilterExpression("immediate") {
            $0.attribute(Int(NFTA_IMMEDIATE_DREG.rawValue), big: UInt32(NFT_REG_VERDICT.rawValue))
            $0.nested(Int(NFTA_IMMEDIATE_DATA.rawValue)) { data in
                data.nested(Int(NFTA_DATA_VERDICT.rawValue)) { append(verdict, to: &$0) }
            }
        }
    }

    private static func append(_ verdict: NetfilterVerdict, to message: inout NetlinkMessage) {
        let (code, chain): (Int32, String?) =
            switch verdict {
            case .accept: (1, nil)
            case .drop: (0, nil)
            case .jump(let chain): (Int32(NFT_JUMP.rawValue), chain)
            case .goto(let chain): (Int32(NFT_GOTO.rawValue), chain)
            case .leave: (Int32(NFT_RETURN.rawValue), nil)
            }
        message.attribute(Int(NFTA_VERDICT_CODE.rawValue), big: UInt32(bitPattern: code))
        if let chain { message.attribute(Int(NFTA_VERDICT_CHAIN.rawValue), chain) }
    }

    public static let counter = NetfilterExpression("counter") { _ in }

    /// Sends the packet's first bytes to whoever listens at a group of nfnetlink_log.
    public static func log(_ prefix: String, group: UInt16, bytes: UInt32) -> NetfilterExpression {
        NetfilterExpression("log") {
            $0.attribute(Int(NFTA_LOG_PREFIX.rawValue), prefix)
            $0.attribute(Int(NFTA_LOG_GROUP.rawValue), withUnsafeBytes(of: group.bigEndian) { Array($0) })
            $0.attribute(Int(NFTA_LOG_SNAPLEN.rawValue), big: bytes)
        }
    }

    /// Tells the sender that somebody forbade it (ICMP and ICMPv6).
    public static let prohibit = NetfilterExpression("reject") {
        $0.attribute(Int(NFTA_REJECT_TYPE.rawValue), big: UInt32(NFT_REJECT_ICMPX_UNREACH.rawValue))
        $0.attribute(Int(NFTA_REJECT_ICMP_CODE.rawValue), [UInt8(NFT_REJECT_ICMPX_ADMIN_PROHIBITED.rawValue)])
    }

    public static let resetConnection = NetfilterExpression("reject") {
        $0.attribute(Int(NFTA_REJECT_TYPE.rawValue), big: UInt32(NFT_REJECT_TCP_RST.rawValue))
    }

    public static let masquerade = NetfilterExpression("masq") { _ in }

    private static func immediate(_ value: [UInt8], into register: UInt32) -> NetfilterExpression {
        NetfilterExpression("immediate") {
            $0.attribute(Int(NFTA_IMMEDIATE_DREG.rawValue), big: register)
            $0.nested(Int(NFTA_IMMEDIATE_DATA.rawValue)) { $0.attribute(Int(NFTA_DATA_VALUE.rawValue), value) }
        }
    }

    /// Sends the packet's flow to an address and port of ours.
    public static func redirect(to address: InternetAddress, port: UInt16) -> NetfilterMatch {
        let portRegister = UInt32(NFT_REG_2.rawValue)
        return [
            immediate(address.bytes, into: register),
            immediate([UInt8(port >> 8), UInt8(truncatingIfNeeded: port)], into: portRegister),
            NetfilterExpression("nat") {
                $0.attribute(Int(NFTA_NAT_TYPE.rawValue), big: UInt32(NFT_NAT_DNAT.rawValue))
                $0.attribute(Int(NFTA_NAT_FAMILY.rawValue), big: UInt32(address.family))
                $0.attribute(Int(NFTA_NAT_REG_ADDR_MIN.rawValue), big: register)
                $0.attribute(Int(NFTA_NAT_REG_PROTO_MIN.rawValue), big: portRegister)
            },
        ]
    }

    /// Writes the register into the packet.
    static func write(
        _ base: nft_payload_bases, at offset: UInt32, length: UInt32, checksumAt checksum: UInt32?
    ) -> NetfilterExpression {
        NetfilterExpression("payload") {
            $0.attribute(Int(NFTA_PAYLOAD_SREG.rawValue), big: register)
            $0.attribute(Int(NFTA_PAYLOAD_BASE.rawValue), big: UInt32(base.rawValue))
            $0.attribute(Int(NFTA_PAYLOAD_OFFSET.rawValue), big: offset)
            $0.attribute(Int(NFTA_PAYLOAD_LEN.rawValue), big: length)
            guard let checksum else { return }
            $0.attribute(Int(NFTA_PAYLOAD_CSUM_TYPE.rawValue), big: UInt32(NFT_PAYLOAD_CSUM_INET.rawValue))
            $0.attribute(Int(NFTA_PAYLOAD_CSUM_OFFSET.rawValue), big: checksum)
        }
    }
}
