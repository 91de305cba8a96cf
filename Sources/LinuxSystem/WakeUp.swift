import CLinux
import Glibc
import Synchronization

/// Lets other threads wake an event loop's.
public final class WakeUp: Sendable {
    private let reader: Descriptor
    private let writer: Descriptor
    private let isPending = Mutex(false)

    public init() throws(SystemCallError) {
        var pair: [Int32] = [-1, -1]
        try check(cordon_pipe(&pair, true), "pipe2")
        reader = Descriptor(owning: pair[0])
        writer = Descriptor(owning: pair[1])
    }

    /// Calls `handler` on the loop's thread, once or more after each signal.
    public func watch(on loop: EventLoop, handler: @escaping () -> Void) throws(SystemCallError) {
        try loop.watch(reader.raw, for: .readable) { [unowned self] _ in
            var byte: UInt8 = 0
            // Before the handler: what is signalled while it runs must come again.
            self.isPending.withLock { isPending in
                isPending = false
                _ = read(self.reader.raw, &byte, 1)
            }
            handler()
        }
    }

    /// Wakes the loop; cheap when it has been woken and hasn't looked yet.
    public func signal() {
        isPending.withLock { isPending in
            guard !isPending else { return }
            isPending = true
            // At most one byte is ever in the pipe: it doesn't block.
            _ = write(writer.raw, [1], 1)
        }
    }
}
