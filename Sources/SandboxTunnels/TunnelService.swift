import CLinux
import Glibc
import LinuxSystem
import Logging
import NIOCore
import NIOPosix
public import SandboxModel
import Synchronization

/// Listens for sandboxes' clients and joins them to the servers inside. Implements `TunnelHost`.
///
/// Unencrypted connections are relayed on threads of their own; encrypted ones by NIO.
public final class TunnelService: TunnelHost {
    struct State {
        var tunnels: [SandboxID: [OpenTunnel]] = [:]
        /// Ports that a tunnel has, whether it listens there by now or not.
        var ports: Set<UInt16> = []
        var names: [String: OpenTunnel] = [:]
        var nextThread = 0
    }

    public let traffic: TunnelTraffic
    let options: TunnelOptions
    let host: any SandboxHost
    let encryption: TunnelEncryption
    let group: any EventLoopGroup
    let logger: Logger
    let state = Mutex(State())
    private let threads: [LoopThread<RelayLoop>]

    /// Listens at the domain's port, where there is one.
    public init(
        _ options: TunnelOptions, host: any SandboxHost,
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton, logger: Logger
    ) throws {
        self.options = options
        self.host = host
        self.group = group
        self.logger = logger
        traffic = TunnelTraffic(limit: options.maximumConnections)
        encryption = try TunnelEncryption(options)
        threads = try (0..<max(1, min(4, System.coreCount))).map { index in
            try LoopThread(name: "cordon-tunnel-\(index)") { loop in RelayLoop(loop) }
        }
        if options.domain != nil {
            let listener = try listener(at: options.domainPort).release()
            threads[0].perform { loop in
                loop.listen(listener) { [self] client, address in acceptNamed(client, from: address) }
            }
        }
    }

    // MARK: Opening and closing

    public func open(_ tunnels: TunnelSpec, of id: SandboxID) async throws -> TunnelSpec {
        do {
            let placed = try tunnels.placed { port in try place(for: port) }
            let opened = placed.ports.map { OpenTunnel($0, of: id, spec: placed) }
            state.withLock { state in
                state.tunnels[id] = opened
                for tunnel in opened {
                    if case .name(let name) = tunnel.port.place { state.names[name] = tunnel }
                }
            }
            for tunnel in opened { try listen(tunnel, mustSucceed: !tunnels.ports.contains(tunnel.port)) }
            return placed
        } catch {
            close(id)
            throw error
        }
    }

    public func endpoints(of id: SandboxID) -> [TunnelEndpoint] {
        let tunnels = state.withLock { $0.tunnels[id] ?? [] }
        return tunnels.map { tunnel in
            let port = tunnel.port
            switch port.place {
            case .name(let name):
                return TunnelEndpoint(
                    port: port.port, kind: port.kind, host: "\(name).\(options.domain ?? "")",
                    hostPort: options.domainPort)
            case .port(let number):
                return TunnelEndpoint(port: port.port, kind: port.kind, host: options.host, hostPort: number)
            case nil:
                return TunnelEndpoint(port: port.port, kind: port.kind, host: options.host, hostPort: 0)
            }
        }
    }

    public func close(_ id: SandboxID) {
        let tunnels = state.withLock { state in
            let tunnels = state.tunnels.removeValue(forKey: id) ?? []
            for tunnel in tunnels {
                if case .name(let name) = tunnel.port.place { state.names[name] = nil }
            }
            return tunnels
        }
        for tunnel in tunnels { close(tunnel) }
    }

    private func close(_ tunnel: OpenTunnel) {
        tunnel.close()
        for thread in threads.dropFirst() { thread.perform { $0.close(tunnel) } }
        threads[0].perform { [self] loop in
            loop.close(tunnel)
            // The port is another tunnel's to take once nobody listens there any more.
            if case .port(let number) = tunnel.port.place { state.withLock { _ = $0.ports.remove(number) } }
        }
    }

    // MARK: Listening

    /// Listens at the tunnel's port, later when somebody else does now and it needn't be at once.
    private func listen(_ tunnel: OpenTunnel, mustSucceed: Bool) throws {
        guard case .port(let number) = tunnel.port.place else { return }
        do {
            let listener = try listener(at: number).release()
            threads[0].perform { loop in
                loop.listen(listener, for: tunnel) { [self] client, address in
                    accept(client, from: address, through: tunnel)
                }
            }
        } catch {
            if mustSucceed { throw error }
            logger.error(
                "a tunnel's port is taken: it is tried again",
                metadata: ["sandbox": "\(tunnel.sandbox)", "port": "\(number)", "error": "\(error)"])
            listenLater(tunnel)
        }
    }

    /// Ends when the port is had, or the tunnel is closed.
    private func listenLater(_ tunnel: OpenTunnel) {
        Task {
            while !tunnel.isClosed {
                try? await Task.sleep(for: .seconds(1))
                if (try? listen(tunnel, mustSucceed: true)) != nil { return }
            }
        }
    }

    func listener(at port: UInt16) throws(SystemCallError) -> Descriptor {
        let bytes = options.address.bytes
        return Descriptor(
            owning: try check(cordon_tcp_listen(bytes, Int32(bytes.count), port, 1024), "listen", "port \(port)"))
    }

    // MARK: Clients

    private func accept(_ client: Int32, from address: IPAddress, through tunnel: OpenTunnel) {
        guard let use = TunnelUse(traffic),
            use.enter(tunnel, from: address, limit: options.maximumConnectionsPerTunnel)
        else { return refuse(client) }
        if tunnel.port.kind == .unencrypted {
            relay(client, through: tunnel, use)
        } else {
            encryption.serve(client, on: group, to: .known(tunnel), using: use, of: self)
        }
    }

    private func acceptNamed(_ client: Int32, from address: IPAddress) {
        guard let use = TunnelUse(traffic) else { return refuse(client) }
        encryption.serve(
            client, on: group,
            to: .named { [self] name in
                guard let tunnel = state.withLock({ $0.names[name] }),
                    use.enter(tunnel, from: address, limit: options.maximumConnectionsPerTunnel)
                else { return nil }
                return tunnel
            }, using: use, of: self)
    }

    private func refuse(_ client: Int32) {
        cordon_tcp_reset_on_close(client, true)
        Glibc.close(client)
    }

    /// A connection to the tunnel's server, and the lease that comes with it.
    func connect(_ tunnel: OpenTunnel, _ use: TunnelUse) async throws -> SandboxConnection {
        let server = try await host.connect(to: tunnel.port.port, of: tunnel.sandbox, within: .seconds(10))
        use.hold(try host.lease(on: tunnel.sandbox))
        return server
    }

    /// Joins a client to the server inside; one that nobody serves is closed at once.
    private func relay(_ client: Int32, through tunnel: OpenTunnel, _ use: TunnelUse) {
        let thread = state.withLock { state in
            state.nextThread = (state.nextThread + 1) % threads.count
            return threads[state.nextThread]
        }
        // Ends with the connection's setup, which has a limit of time.
        Task {
            do {
                let server = try await connect(tunnel, use).take()
                thread.perform { loop in loop.join(client, server, tunnel: tunnel, use: use) }
            } catch {
                refuse(client)
                use.finish(inward: 0, outward: 0)
            }
        }
    }
}
