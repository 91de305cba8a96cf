import LayerKeeping
import Logging
import SandboxModel
import Synchronization

/// Makes layers: what a sandbox of its own wrote. Hostile archives and files are touched there, and nowhere else.
struct Builders: Sendable {
    /// How much longer a builder lives than its work may take.
    private static let margin = Duration.seconds(60)

    let host: any SandboxHost
    let layers: any LayerHost
    private let follower: any NetworkFollower
    let node: NodeName
    let limits: ImageLimits
    let logger: Logger
    private let places: Permits
    private let networks = BuilderNetworks()

    init(
        host: any SandboxHost, layers: any LayerHost, follower: any NetworkFollower, node: NodeName,
        limits: ImageLimits, logger: Logger
    ) {
        self.host = host
        self.layers = layers
        self.follower = follower
        self.node = node
        self.limits = limits
        self.logger = logger
        places = Permits(limits.builders)
    }

    /// Does `work` in a sandbox made from `root`, and keeps what that wrote as a layer.
    func layer(
        _ name: LayerName, on root: RootImage, network: NetworkPolicy = .blocked,
        _ work: (SandboxID) async throws -> Void
    ) async throws -> LayerFacts {
        try await places.hold {
            let id = try await start(root, network)
            do {
                try await work(id)
                let facts = try await layers.keep(id, as: name)
                await end(id)
                return facts
            } catch {
                await end(id)
                throw error
            }
        }
    }

    /// Does `work` in a sandbox made from `root`, of which nothing is kept. It takes no place: what is made meanwhile
    /// does.
    func scratch<Value>(on root: RootImage, _ work: (SandboxID) async throws -> Value) async throws -> Value {
        let id = try await start(root, .blocked)
        do {
            let value = try await work(id)
            await end(id)
            return value
        } catch {
            await end(id)
            throw error
        }
    }

    /// A sandbox that is on nobody's record: a service that finds one after a restart ends it.
    private func start(_ root: RootImage, _ network: NetworkPolicy) async throws -> SandboxID {
        let id = SandboxID.mint(lead: node.text)
        let spec = SandboxSpec(timeout: limits.stepTime + Self.margin, network: network)
        networks.set(network, of: id)
        do {
            _ = try await host.launch(
                LaunchOrder(id: id, spec: spec, hostname: "builder", root: root, isBounded: false))
        } catch {
            networks.remove(id)
            throw error
        }
        return id
    }

    /// Whoever asked may have gone away: a builder is ended all the same. One whose layer was kept is over, but it may
    /// take a moment until nothing of it is left.
    private func end(_ id: SandboxID) async {
        networks.remove(id)
        await Task { [host, follower, logger] in
            do {
                _ = try await host.terminate(id, detail: "its work is over")
                try await host.forget(id)
            } catch {
                // Its lifetime ends it, and the next start of the service forgets it.
                logger.warning("a builder could not be ended", metadata: ["sandbox": "\(id)", "error": "\(error)"])
            }
            follower.networkLeft(by: id)
        }.value
    }

    /// Where a builder may go; nil for sandboxes that are none.
    func networkPolicy(of id: SandboxID) -> NetworkPolicy? { networks.policy(of: id) }
}

/// The network policies of the builders that live.
private final class BuilderNetworks: Sendable {
    private let policies = Mutex<[SandboxID: NetworkPolicy]>([:])

    func set(_ policy: NetworkPolicy, of id: SandboxID) { policies.withLock { $0[id] = policy } }
    func remove(_ id: SandboxID) { policies.withLock { _ = $0.removeValue(forKey: id) } }
    func policy(of id: SandboxID) -> NetworkPolicy? { policies.withLock { $0[id] } }
}
