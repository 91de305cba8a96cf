import FrontConnections
import NIOCore
import NIOPosix
import SandboxModel
import Synchronization

/// What one exchange holds: its places, and a lease that keeps the sandbox from being idle. Given back once,
/// whoever is first: the end of the exchange, or of the attempt to connect.
final class ExchangeResources: Sendable {
    private struct State {
        var lease: (any SandboxLease)?
        var isReleased = false
    }

    private let front: FrontState
    private let sandbox: SandboxID
    private let state = Mutex(State())

    /// nil where there is no place.
    init?(_ front: FrontState, _ grant: ConnectGrant) {
        guard front.requests.take() else { return nil }
        guard front.takePlace(in: grant.sandbox) else {
            front.requests.giveBack()
            return nil
        }
        self.front = front
        sandbox = grant.sandbox
    }

    /// A connection to the grant's port, on the handler's event loop, from which nothing is read before it is asked for.
    func connect(
        _ ports: any SandboxPorts, _ grant: ConnectGrant, to handler: NIOLoopBound<SandboxHandler>
    ) async throws -> any Channel {
        hold(try await ports.lease(on: grant.sandbox))
        let connection = try await ports.connect(to: grant.port, of: grant.sandbox)
        return try await ClientBootstrap(group: handler.eventLoop)
            .channelOption(.autoRead, value: false)
            .channelOption(.allowRemoteHalfClosure, value: true)
            // From the first on: a server that closes at once is heard.
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(handler.value)
                }
            }
            .withConnectedSocket(connection.take()).get()
    }

    private func hold(_ lease: any SandboxLease) {
        let isLate = state.withLock { state in
            if !state.isReleased { state.lease = lease }
            return state.isReleased
        }
        if isLate { lease.release() }
    }

    func release() {
        let lease = state.withLock { state -> (any SandboxLease)?? in
            guard !state.isReleased else { return nil }
            state.isReleased = true
            return .some(state.lease)
        }
        guard let lease else { return }
        lease?.release()
        front.giveBackPlace(in: sandbox)
        front.requests.giveBack()
    }
}
