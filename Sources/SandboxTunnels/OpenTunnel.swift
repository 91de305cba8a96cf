import NIOCore
import SandboxModel
import Synchronization

/// One tunnel that listens.
final class OpenTunnel: Sendable {
    let sandbox: SandboxID
    let port: TunnelPort
    let spec: TunnelSpec

    private struct State {
        var isClosed = false
        var uses = 0
        /// The clients' sides of encrypted connections.
        var channels: [ObjectIdentifier: any Channel] = [:]
    }

    private let state = Mutex(State())

    /// - Parameter port: with its place.
    init(_ port: TunnelPort, of sandbox: SandboxID, spec: TunnelSpec) {
        self.port = port
        self.sandbox = sandbox
        self.spec = spec
    }

    var isClosed: Bool { state.withLock(\.isClosed) }

    /// Counts a connection, unless there are too many, or the tunnel is closed.
    func enter(limit: Int) -> Bool {
        state.withLock { state in
            guard !state.isClosed, state.uses < limit else { return false }
            state.uses += 1
            return true
        }
    }

    func leave() { state.withLock { $0.uses -= 1 } }

    /// Closes the channel with the tunnel: now, when that was closed before.
    func keep(_ channel: any Channel) {
        let isClosed = state.withLock { state in
            if !state.isClosed { state.channels[ObjectIdentifier(channel)] = channel }
            return state.isClosed
        }
        if isClosed { channel.close(promise: nil) }
        channel.closeFuture.whenComplete { [weak self, id = ObjectIdentifier(channel)] _ in
            self?.state.withLock { $0.channels[id] = nil }
        }
    }

    func close() {
        let channels = state.withLock { state in
            state.isClosed = true
            defer { state.channels = [:] }
            return Array(state.channels.values)
        }
        for channel in channels { channel.close(promise: nil) }
    }
}
