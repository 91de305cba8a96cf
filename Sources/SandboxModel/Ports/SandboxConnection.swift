import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A connected, non-blocking TCP socket whose other end is a server inside of a sandbox.
///
/// Whoever holds it owns the descriptor, and closes it soon after its sandbox has ended: the socket
/// alone keeps the sandbox's network namespace.
public final class SandboxConnection: Sendable {
    private let descriptor: Mutex<Int32>

    /// Takes over a connected socket.
    public init(owning descriptor: Int32) { self.descriptor = Mutex(descriptor) }

    deinit {
        let raw = take()
        if raw >= 0 { close(raw) }
    }

    /// Gives the descriptor away: the caller closes it. -1 when it was given away before.
    public func take() -> Int32 {
        descriptor.withLock { raw in
            defer { raw = -1 }
            return raw
        }
    }
}

/// Keeps a sandbox from being idle until it is released.
public protocol SandboxLease: Sendable {
    /// Ends the lease; fine to call twice.
    func release()
}
