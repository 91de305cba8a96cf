import LinuxSystem
import SandboxModel

extension TunnelService {
    /// The place that a port has, if this configuration serves it, or a new one.
    func place(for port: TunnelPort) throws -> TunnelPlace {
        switch port.place {
        case .port(let number):
            state.withLock { _ = $0.ports.insert(number) }
            return .port(number)
        case .name(let name) where options.domain != nil: return .name(name)
        default: break
        }
        // As many random characters as nobody guesses.
        if port.kind != .unencrypted, options.domain != nil { return .name(String(AppID.mint().text.dropFirst(3))) }
        return .port(try freePort())
    }

    /// A port that no tunnel has and that can be listened at, from a random one on.
    private func freePort() throws -> UInt16 {
        let count = Int(options.ports.upperBound - options.ports.lowerBound) + 1
        let start = Int.random(in: 0..<count)
        for step in 0..<count {
            let port = options.ports.lowerBound + UInt16((start + step) % count)
            guard state.withLock({ $0.ports.insert(port).inserted }) else { continue }
            do {
                // Given back at once: what is kept is a record of it, and listening there comes next.
                _ = try listener(at: port)
                return port
            } catch { state.withLock { _ = $0.ports.remove(port) } }
        }
        throw CordonError(
            .resourceExhausted, "no port is left for a tunnel",
            rule: "end a sandbox with tunnels, or let the service have more ports (tunnel_ports)")
    }
}
