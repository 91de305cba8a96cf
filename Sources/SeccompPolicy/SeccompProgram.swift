/// A compiled filter: what `struct sock_fprog` points to in seccomp(2), for the architecture it was compiled on.
public struct SeccompProgram: Sendable, Hashable {
    /// The kernel's own limit, `BPF_MAXINSNS`.
    public static let maximumInstructionCount = 4096

    /// `struct sock_filter` after `struct sock_filter`, 8 bytes each, in native byte order.
    public let bytes: [UInt8]

    /// How many BPF instructions ``bytes`` holds, between 1 and ``maximumInstructionCount``.
    public var instructionCount: Int { bytes.count / BPFInstruction.size }
}
