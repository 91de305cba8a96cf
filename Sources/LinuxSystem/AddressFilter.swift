import CLinux
import Glibc

/// Where sockets of a group's processes may go: rules of which the first that fits holds; without one they may.
///
/// The kernel asks at every connect(2), and at every sending without it, whatever made the process ask: names that
/// resolve to something else the second time, and redirections, meet the same rules.
public struct AddressFilter: Sendable {
    public struct Rule: Sendable, Hashable {
        /// 4 or 16 bytes, in network order.
        public var address: [UInt8]
        /// How many bits of it count.
        public var prefix: Int
        /// nil for all.
        public var port: UInt16?
        public var isAllowed: Bool

        public init(_ address: [UInt8], prefix: Int, port: UInt16? = nil, isAllowed: Bool) {
            self.address = address
            self.prefix = prefix
            self.port = port
            self.isAllowed = isAllowed
        }
    }

    public var rules: [Rule]

    public init(_ rules: [Rule]) { self.rules = rules }

    /// Has the kernel judge by them in a group and below it, besides all filters that are there already.
    public func attach(to group: ControlGroup) throws(SystemCallError) {
        let raw = try check(cordon_open(AT_FDCWD, group.unified, O_RDONLY | O_DIRECTORY, 0), "open", group.path)
        let directory = Descriptor(owning: raw)
        for isV6 in [false, true] {
            let program = program(ofWords: isV6 ? 4 : 1)
            try check(
                cordon_attach_address_filter(directory.raw, isV6, program, UInt32(program.count)), "bpf",
                "address filter")
        }
    }

    /// The instructions for addresses of so many words (Documentation/bpf/standardization/instruction-set.rst).
    func program(ofWords words: Int) -> [UInt64] {
        // struct bpf_sock_addr: user_family, user_ip4, user_ip6[4], user_port; all in network order.
        var program: [Instruction] = []
        for word in 0..<words {
            let field: Int16 = words == 1 ? 4 : 8 + 4 * Int16(word)
            program += [.load(Self.word(word), at: field), .toBigEndian(Self.word(word), bits: 32)]
        }
        program += [.load(Self.port, at: 24), .toBigEndian(Self.port, bits: 16)]
        for rule in rules where rule.address.count == 4 * words { program += Self.block(for: rule) }
        program += [.set(Self.result, to: 1), .exit]
        return program.map(\.encoded)
    }

    // Registers: 0 is what is answered, 1 points at what is asked.
    private static let result: UInt8 = 0
    private static let port: UInt8 = 6
    private static let scratch: UInt8 = 7
    private static func word(_ index: Int) -> UInt8 { UInt8(2 + index) }

    /// Answers where the rule fits, and goes on behind itself where it doesn't.
    private static func block(for rule: Rule) -> [Instruction] {
        var tests: [[Instruction]] = []
        for index in 0..<(rule.address.count / 4) {
            let bits = min(32, max(0, rule.prefix - 32 * index))
            guard bits > 0 else { break }
            let mask = bits == 32 ? UInt32.max : ~(UInt32.max >> UInt32(bits))
            let value = rule.address[(4 * index)..<(4 * index + 4)].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            tests.append([.copy(word(index), to: scratch), .mask(scratch, mask), .unlessEqual(scratch, value & mask)])
        }
        if let port = rule.port { tests.append([.unlessEqual(self.port, UInt32(port))]) }
        var block = tests.joined() + [.set(result, to: rule.isAllowed ? 1 : 0), .exit]
        for index in block.indices where block[index].jumps { block[index].offset = Int16(block.count - index - 1) }
        return block
    }
}

/// One instruction of the kernel's machine.
private struct Instruction {
    var operation: UInt8
    var destination: UInt8
    var source: UInt8 = 0
    var offset: Int16 = 0
    var value: UInt32 = 0
    var jumps = false

    static func load(_ register: UInt8, at offset: Int16) -> Instruction {
        Instruction(operation: 0x61, destination: register, source: 1, offset: offset)
    }
    static func toBigEndian(_ register: UInt8, bits: UInt32) -> Instruction {
        Instruction(operation: 0xdc, destination: register, value: bits)
    }
    static func copy(_ from: UInt8, to register: UInt8) -> Instruction {
        Instruction(operation: 0xbc, destination: register, source: from)
    }
    static func mask(_ register: UInt8, _ bits: UInt32) -> Instruction {
        Instruction(operation: 0x54, destination: register, value: bits)
    }
    /// Leaves its block unless the register holds the value.
    static func unlessEqual(_ register: UInt8, _ value: UInt32) -> Instruction {
        Instruction(operation: 0x56, destination: register, value: value, jumps: true)
    }
    static func set(_ register: UInt8, to value: UInt32) -> Instruction {
        Instruction(operation: 0xb7, destination: register, value: value)
    }
    static let exit = Instruction(operation: 0x95, destination: 0)

    /// operation u8, destination and source u4, offset i16, value i32, lowest first.
    var encoded: UInt64 {
        UInt64(operation) | UInt64(destination | source << 4) << 8 | UInt64(UInt16(bitPattern: offset)) << 16
            | UInt64(value) << 32
    }
}
