import SandboxModel
import ShimProtocol
import Synchronization

extension LocalHost {
    public func connect(
        to port: UInt16, of id: SandboxID, within limit: Duration
    ) async throws -> SandboxConnection {
        _ = try link(id)
        return try await sockets.connect(to: port, of: id, within: limit)
    }

    public func lease(on id: SandboxID) throws -> any SandboxLease {
        let link = try link(id)
        link.hold()
        return LinkLease(link)
    }
}

/// One of those who keep a sandbox awake, over its shim's connection.
private final class LinkLease: SandboxLease {
    private let link: Mutex<ShimLink?>

    init(_ link: ShimLink) { self.link = Mutex(link) }

    deinit { release() }

    func release() {
        let link = link.withLock { link in
            defer { link = nil }
            return link
        }
        link?.letGo()
    }
}
