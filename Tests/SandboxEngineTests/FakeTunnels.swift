import SandboxModel
import Synchronization

/// Tunnels that are open in a dictionary alone.
final class FakeTunnels: TunnelHost {
    struct State {
        var open: [SandboxID: TunnelSpec] = [:]
        var nextPort: UInt16 = 20_000
        var failure: (any Error)?
    }

    private let state = Mutex(State())

    func with<Value: Sendable>(_ body: (inout State) -> Value) -> Value { state.withLock { body(&$0) } }

    func open(_ tunnels: TunnelSpec, of id: SandboxID) async throws -> TunnelSpec {
        if let failure = with({ $0.failure }) { throw failure }
        return with { state in
            let placed = tunnels.placed { port in
                state.nextPort += 1
                return port.place ?? .port(state.nextPort)
            }
            state.open[id] = placed
            return placed
        }
    }

    func endpoints(of id: SandboxID) -> [TunnelEndpoint] {
        with { $0.open[id]?.ports ?? [] }.map { port in
            guard case .port(let number) = port.place else {
                return TunnelEndpoint(port: port.port, kind: port.kind, host: "h", hostPort: 0)
            }
            return TunnelEndpoint(port: port.port, kind: port.kind, host: "h", hostPort: number)
        }
    }

    func close(_ id: SandboxID) { with { _ = $0.open.removeValue(forKey: id) } }
}
