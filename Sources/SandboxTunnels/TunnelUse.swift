import SandboxModel
import Synchronization

/// How many connections there are through all tunnels, and what came of those that were.
public final class TunnelTraffic: Sendable {
    private struct State {
        var connections = 0
        var accepted: UInt64 = 0
        var refused: UInt64 = 0
        var bytesInward: UInt64 = 0
        var bytesOutward: UInt64 = 0
    }

    private let limit: Int
    private let state = Mutex(State())

    init(limit: Int) { self.limit = limit }

    /// Open now.
    public var connections: Int { state.withLock(\.connections) }
    /// That reached a server inside.
    public var accepted: UInt64 { state.withLock(\.accepted) }
    /// That were closed before they reached one.
    public var refused: UInt64 { state.withLock(\.refused) }
    /// Of connections that are over: from clients into sandboxes, and out to clients.
    public var bytesInward: UInt64 { state.withLock(\.bytesInward) }
    public var bytesOutward: UInt64 { state.withLock(\.bytesOutward) }

    func begin() -> Bool {
        state.withLock { state in
            guard state.connections < limit else {
                state.refused += 1
                return false
            }
            state.connections += 1
            return true
        }
    }

    func end(reachedServer: Bool, inward: UInt64, outward: UInt64) {
        state.withLock { state in
            state.connections -= 1
            if reachedServer { state.accepted += 1 } else { state.refused += 1 }
            state.bytesInward += inward
            state.bytesOutward += outward
        }
    }
}

/// One connection through a tunnel, as it counts; it keeps its sandbox awake.
final class TunnelUse: Sendable {
    private struct State {
        var tunnel: OpenTunnel?
        var lease: (any SandboxLease)?
        var isOver = false
    }

    private let traffic: TunnelTraffic
    private let state = Mutex(State())

    /// nil when there are too many already.
    init?(_ traffic: TunnelTraffic) {
        self.traffic = traffic
        guard traffic.begin() else { return nil }
    }

    deinit { finish(inward: 0, outward: 0) }

    /// Whether a client of that address may come through a tunnel now; then it counts there.
    func enter(_ tunnel: OpenTunnel, from address: IPAddress, limit: Int) -> Bool {
        guard tunnel.spec.admits(address), tunnel.enter(limit: limit) else { return false }
        state.withLock { $0.tunnel = tunnel }
        return true
    }

    /// It has reached a server.
    func hold(_ lease: any SandboxLease) {
        let isOver = state.withLock { state in
            if !state.isOver { state.lease = lease }
            return state.isOver
        }
        if isOver { lease.release() }
    }

    var hasReachedServer: Bool { state.withLock { $0.lease != nil } }

    /// It is over; once.
    func finish(inward: UInt64, outward: UInt64) {
        let last: State? = state.withLock { state in
            guard !state.isOver else { return nil }
            defer { state = State(isOver: true) }
            return state
        }
        guard let last else { return }
        last.lease?.release()
        last.tunnel?.leave()
        traffic.end(reachedServer: last.lease != nil, inward: inward, outward: outward)
    }
}
