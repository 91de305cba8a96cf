import CLinux
import Glibc

/// A file descriptor that this value owns: it is closed with it.
public struct Descriptor: ~Copyable, Sendable {
    /// The number, for calls; it stays this value's.
    public let raw: Int32

    /// Takes over a descriptor that nobody else will close.
    public init(owning raw: Int32) { self.raw = raw }

    deinit { Glibc.close(raw) }

    /// Gives the descriptor away: the caller closes it.
    public consuming func release() -> Int32 {
        let raw = self.raw
        discard self
        return raw
    }

    /// A second descriptor of the same open file.
    public borrowing func duplicated() throws(SystemCallError) -> Descriptor {
        Descriptor(owning: try check(cordon_duplicate(raw), "dup"))
    }
}

/// A descriptor with shared ownership, for values that must be copied or kept in collections.
public final class SharedDescriptor: Sendable {
    private let descriptor: Descriptor
    public init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }
    public var raw: Int32 { descriptor.raw }
}

/// Writes all of `bytes`, waiting where the descriptor blocks.
public func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) throws(SystemCallError) {
    var rest = bytes
    while !rest.isEmpty {
        let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
        if count < 0 && errno == EINTR { continue }
        try check(count, "write")
        rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
    }
}
