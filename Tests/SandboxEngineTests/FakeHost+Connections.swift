import Glibc
import SandboxModel
import Synchronization

extension FakeHost {
    func connect(to port: UInt16, of id: SandboxID, within limit: Duration) async throws -> SandboxConnection {
        guard with({ $0.listening.contains(port) }) else { throw CordonError.nobodyListens(on: port, of: id) }
        return SandboxConnection(owning: socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0))
    }

    func lease(on id: SandboxID) throws -> any SandboxLease {
        with { $0.leases += 1 }
        return FakeLease { self.with { $0.leases -= 1 } }
    }
}

/// A lease that tells of its release, once.
private final class FakeLease: SandboxLease {
    private let onRelease: Mutex<(@Sendable () -> Void)?>

    init(onRelease: @escaping @Sendable () -> Void) { self.onRelease = Mutex(onRelease) }

    func release() {
        let action = onRelease.withLock { action in
            defer { action = nil }
            return action
        }
        action?()
    }
}
