import CLinux
import Glibc

/// Changes to one `inet` table of nf_tables that happen together or not at all.
public struct NetfilterTransaction {
    /// Where a chain sees packets.
    public struct Hook: Sendable {
        public var place: Place
        public var priority: Int32
        /// What becomes of a packet that no rule decided.
        public var accepts: Bool
        /// `filter` or `nat`.
        public var type: String

        /// The kernel's NF_INET_… numbers.
        public enum Place: UInt32, Sendable {
            case prerouting = 0
            case input = 1
            case forward = 2
            case output = 3
            case postrouting = 4
        }

        public init(_ place: Place, priority: Int32, accepts: Bool = true, type: String = "filter") {
            self.place = place
            self.priority = priority
            self.accepts = accepts
            self.type = type
        }
    }

    /// What a set is keyed by, with the number that `nft` shows it by.
    public enum Key: Sendable, Hashable {
        case address(InternetFamily)
        case interface

        var length: Int { self == .address(.v6) ? 16 : 4 }
        var type: UInt32 {
            switch self {
            case .address(.v4): 7
            case .address(.v6): 8
            case .interface: 20
            }
        }
    }

    /// How a set's elements come and go.
    public enum SetKind: Sendable, Hashable {
        /// Ranges that stay.
        case intervals
        /// Single values, each of which may have its time.
        case timed(most: UInt32)
        /// Values that rules put there, forgotten after this many milliseconds (0: when they mean nothing).
        case dynamic(most: UInt32, milliseconds: UInt64)
    }

    /// NFPROTO_INET: IPv4 and IPv6.
    private static let inet: UInt8 = 1

    public let table: String
    private var messages: [NetlinkMessage] = []
    private var nextSet: UInt32 = 1

    public init(_ table: String) { self.table = table }

    public var isEmpty: Bool { messages.isEmpty }

    private static func type(_ message: nf_tables_msg_types) -> UInt16 {
        UInt16(NFNL_SUBSYS_NFTABLES) << 8 | UInt16(message.rawValue)
    }

    private mutating func add(
        _ kind: nf_tables_msg_types, flags: Int32 = 0, _ build: (inout NetlinkMessage) -> Void
    ) {
        var message = NetlinkMessage(Self.type(kind), flags: flags)
        message.put(structure: nfgenmsg(nfgen_family: Self.inet, version: UInt8(NFNETLINK_V0), res_id: 0))
        build(&message)
        messages.append(message)
    }

    private static let create = Int32(NLM_F_CREATE)

    // MARK: Tables and chains

    /// Makes the table unless it is there.
    public mutating func makeTable() {
        add(NFT_MSG_NEWTABLE, flags: Self.create) { [table] in
            $0.attribute(Int(NFTA_TABLE_NAME.rawValue), table)
            $0.attribute(Int(NFTA_TABLE_FLAGS.rawValue), big: UInt32(0))
        }
    }

    /// Removes the table with everything in it; it must be there. Waits for a grace period of the kernel's.
    public mutating func removeTable() {
        add(NFT_MSG_DELTABLE) { [table] in $0.attribute(Int(NFTA_TABLE_NAME.rawValue), table) }
    }

    /// Makes a chain, at a hook or to be jumped to, unless it is there.
    public mutating func makeChain(_ name: String, at hook: Hook? = nil) {
        add(NFT_MSG_NEWCHAIN, flags: Self.create) { [table] in
            $0.attribute(Int(NFTA_CHAIN_TABLE.rawValue), table)
            $0.attribute(Int(NFTA_CHAIN_NAME.rawValue), name)
            guard let hook else { return }
            $0.nested(Int(NFTA_CHAIN_HOOK.rawValue)) {
                $0.attribute(Int(NFTA_HOOK_HOOKNUM.rawValue), big: hook.place.rawValue)
                $0.attribute(Int(NFTA_HOOK_PRIORITY.rawValue), big: UInt32(bitPattern: hook.priority))
            }
            $0.attribute(Int(NFTA_CHAIN_POLICY.rawValue), big: UInt32(hook.accepts ? 1 : 0))
            $0.attribute(Int(NFTA_CHAIN_TYPE.rawValue), hook.type)
        }
    }

    /// Removes a chain's rules.
    public mutating func flushChain(_ name: String) {
        add(NFT_MSG_DELRULE) { [table] in
            $0.attribute(Int(NFTA_RULE_TABLE.rawValue), table)
            $0.attribute(Int(NFTA_RULE_CHAIN.rawValue), name)
        }
    }

    /// Appends a rule.
    public mutating func addRule(to chain: String, _ match: NetfilterMatch) {
        add(NFT_MSG_NEWRULE, flags: Self.create | Int32(NLM_F_APPEND)) { [table] in
            $0.attribute(Int(NFTA_RULE_TABLE.rawValue), table)
            $0.attribute(Int(NFTA_RULE_CHAIN.rawValue), chain)
            $0.nested(Int(NFTA_RULE_EXPRESSIONS.rawValue)) { list in
                for step in match.steps { step.append(to: &list) }
            }
        }
    }

    // MARK: Sets

    /// Makes a set unless it is there.
    public mutating func makeSet(_ name: String, of key: Key, _ kind: SetKind) {
        let number = nextSet
        nextSet += 1
        add(NFT_MSG_NEWSET, flags: Self.create) { [table] in
            $0.attribute(Int(NFTA_SET_TABLE.rawValue), table)
            $0.attribute(Int(NFTA_SET_NAME.rawValue), name)
            $0.attribute(Int(NFTA_SET_ID.rawValue), big: number)
            $0.attribute(Int(NFTA_SET_KEY_TYPE.rawValue), big: key.type)
            $0.attribute(Int(NFTA_SET_KEY_LEN.rawValue), big: UInt32(key.length))
            switch kind {
            case .intervals:
                $0.attribute(Int(NFTA_SET_FLAGS.rawValue), big: UInt32(NFT_SET_INTERVAL.rawValue))
            case .timed(let most):
                $0.attribute(Int(NFTA_SET_FLAGS.rawValue), big: UInt32(NFT_SET_TIMEOUT.rawValue))
                $0.nested(Int(NFTA_SET_DESC.rawValue)) { $0.attribute(Int(NFTA_SET_DESC_SIZE.rawValue), big: most) }
            case .dynamic(let most, let milliseconds):
                let timed = milliseconds > 0 ? UInt32(NFT_SET_TIMEOUT.rawValue) : 0
                $0.attribute(Int(NFTA_SET_FLAGS.rawValue), big: UInt32(NFT_SET_EVAL.rawValue) | timed)
                if milliseconds > 0 { $0.attribute(Int(NFTA_SET_TIMEOUT.rawValue), big: milliseconds) }
                $0.nested(Int(NFTA_SET_DESC.rawValue)) { $0.attribute(Int(NFTA_SET_DESC_SIZE.rawValue), big: most) }
            }
        }
    }

    /// Empties a set; it must be there.
    public mutating func flushSet(_ name: String) {
        add(NFT_MSG_DELSETELEM) { [table] in
            $0.attribute(Int(NFTA_SET_ELEM_LIST_TABLE.rawValue), table)
            $0.attribute(Int(NFTA_SET_ELEM_LIST_SET.rawValue), name)
        }
    }

    /// Adds ranges, first and last address each, to a set of intervals. They are in order and apart.
    public mutating func addRanges(_ ranges: [(first: [UInt8], last: [UInt8])], to set: String) {
        for piece in stride(from: 0, to: ranges.count, by: Self.elementsInMessage) {
            let part = ranges[piece..<min(piece + Self.elementsInMessage, ranges.count)]
            addElements(to: set) { list in
                for range in part {
                    Self.append(range.first, to: &list)
                    // The end is the first address that isn't in; a range to the last of all has none.
                    if let end = Self.successor(of: range.last) { Self.append(end, isEnd: true, to: &list) }
                }
            }
        }
    }

    /// An attribute is at most 64 KiB long.
    private static let elementsInMessage = 500

    /// Adds values that stay until they are removed.
    public mutating func addValues(_ values: [[UInt8]], to set: String) {
        guard !values.isEmpty else { return }
        addElements(to: set) { list in for value in values { Self.append(value, to: &list) } }
    }

    /// Opens values of a timed set for so long from now, whether they are there or not.
    public mutating func addTimed(_ values: [[UInt8]], to set: String, milliseconds: UInt64) {
        guard !values.isEmpty else { return }
        func list(_ list: inout NetlinkMessage) {
            for value in values { Self.append(value, milliseconds: milliseconds, to: &list) }
        }
        // An element keeps its time when it is added again: it goes and comes, in one transaction.
        addElements(to: set, list)
        addElements(NFT_MSG_DELSETELEM, to: set) { list in for value in values { Self.append(value, to: &list) } }
        addElements(to: set, list)
    }

    private mutating func addElements(
        _ kind: nf_tables_msg_types = NFT_MSG_NEWSETELEM, to set: String, _ build: (inout NetlinkMessage) -> Void
    ) {
        add(kind, flags: kind == NFT_MSG_NEWSETELEM ? Self.create : 0) { [table] in
            $0.attribute(Int(NFTA_SET_ELEM_LIST_TABLE.rawValue), table)
            $0.attribute(Int(NFTA_SET_ELEM_LIST_SET.rawValue), set)
            $0.nested(Int(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue), build)
        }
    }

    private static func append(
        _ key: [UInt8], isEnd: Bool = false, milliseconds: UInt64? = nil, to list: inout NetlinkMessage
    ) {
        list.nested(Int(NFTA_LIST_ELEM.rawValue)) { element in
            if isEnd {
                element.attribute(Int(NFTA_SET_ELEM_FLAGS.rawValue), big: UInt32(NFT_SET_ELEM_INTERVAL_END.rawValue))
            }
            element.nested(Int(NFTA_SET_ELEM_KEY.rawValue)) { $0.attribute(Int(NFTA_DATA_VALUE.rawValue), key) }
            if let milliseconds {
                element.attribute(Int(NFTA_SET_ELEM_TIMEOUT.rawValue), big: milliseconds)
            }
        }
    }

    static func successor(of address: [UInt8]) -> [UInt8]? {
        var next = address
        for index in next.indices.reversed() {
            next[index] &+= 1
            if next[index] != 0 { return next }
        }
        return nil
    }

    // MARK: Committing

    /// Asks the kernel, in the network namespace of the socket, to make all of it true.
    public func commit(on socket: NetlinkSocket, _ subject: @autoclosure () -> String) throws(SystemCallError) {
        guard !messages.isEmpty else { return }
        try socket.perform(
            [Self.frame(NFNL_MSG_BATCH_BEGIN)] + messages + [Self.frame(NFNL_MSG_BATCH_END)], framed: true,
            subject())
    }

    private static func frame(_ type: Int32) -> NetlinkMessage {
        var message = NetlinkMessage(UInt16(type))
        message.put(
            structure: nfgenmsg(
                nfgen_family: UInt8(AF_UNSPEC), version: UInt8(NFNETLINK_V0),
                res_id: UInt16(NFNL_SUBSYS_NFTABLES).bigEndian))
        return message
    }
}
