/// One `struct sock_filter` of classic BPF, with the few operations a seccomp filter needs.
///
/// Source: linux/filter.h, linux/bpf_common.h and `struct seccomp_data` in linux/seccomp.h.
struct BPFInstruction: Hashable, Sendable {
    var code: UInt16
    var jumpIfTrue: UInt8 = 0
    var jumpIfFalse: UInt8 = 0
    var operand: UInt32

    static let size = 8

    /// Jump tests; both distances count from the next instruction.
    enum Test: UInt16 {
        case equal = 0x15  // BPF_JMP | BPF_JEQ | BPF_K
        case greater = 0x25  // BPF_JMP | BPF_JGT | BPF_K
        case greaterOrEqual = 0x35  // BPF_JMP | BPF_JGE | BPF_K
    }

    static func load(_ field: SeccompDataField) -> Self { .init(code: 0x20, operand: field.offset) }
    static func and(_ mask: UInt32) -> Self { .init(code: 0x54, operand: mask) }
    static func jump(_ distance: Int) -> Self { .init(code: 0x05, operand: UInt32(distance)) }
    static func giveVerdict(_ action: SeccompAction) -> Self { .init(code: 0x06, operand: action.code) }
    static func jump(if test: Test, _ operand: UInt32, then: UInt8 = 0, else otherwise: UInt8 = 0) -> Self {
        .init(code: test.rawValue, jumpIfTrue: then, jumpIfFalse: otherwise, operand: operand)
    }

    func append(to bytes: inout [UInt8]) {
        withUnsafeBytes(of: code) { bytes.append(contentsOf: $0) }
        bytes.append(jumpIfTrue)
        bytes.append(jumpIfFalse)
        withUnsafeBytes(of: operand) { bytes.append(contentsOf: $0) }
    }
}

/// A 32-bit word of `struct seccomp_data`, the only thing a filter sees. Arguments are 64 bits wide and little-endian
/// on both architectures we compile for.
enum SeccompDataField {
    case systemCallNumber
    case architecture
    case argumentLow(Int)
    case argumentHigh(Int)

    var offset: UInt32 {
        switch self {
        case .systemCallNumber: 0
        case .architecture: 4
        case .argumentLow(let index): UInt32(16 + 8 * index)
        case .argumentHigh(let index): UInt32(20 + 8 * index)
        }
    }
}
