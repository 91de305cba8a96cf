import NIOPosix
public import SandboxModel
import ShimProtocol

extension LocalHost: SandboxNetworkHost {
    func learnPlaces(_ list: InventoryList) {
        known.withLock { known in for item in list.places { known.network.put(item.id, at: item.place) } }
    }

    public func setNetwork(of id: SandboxID, to policy: NetworkPolicy) async throws {
        _ = try link(id)
        let answer = try await launcher.ask(SetNetwork(id: id, policy: policy), for: NetworkSet.self)
        known.withLock { known in
            guard known.links[id] != nil else { return }
            if let place = answer.place { known.network.put(id, at: place) } else { known.network.remove(id) }
        }
    }

    public func sandbox(at address: IPAddress) -> SandboxID? { known.withLock { $0.network.owner(of: address) } }

    /// The sandbox whose pair has this end in the router.
    func sandbox(behind interface: UInt32) -> SandboxID? {
        known.withLock { $0.network.owner(behind: interface) }
    }

    public func open(_ addresses: [IPAddress], of id: SandboxID, for duration: Duration) async throws {
        _ = try await launcher.ask(
            OpenAddresses(id: id, addresses: addresses, duration: duration), for: Done.self)
    }

    public func routerSockets() async throws -> RouterSockets {
        let source = routerSocketSource
        return try await NIOThreadPool.singleton.runIfActive { try source.allForNames() }
    }

    public func deny(_ denial: NetworkDenial, of id: SandboxID) { denials.note(denial, of: id) }
}
