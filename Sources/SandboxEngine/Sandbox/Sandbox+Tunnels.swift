import Logging
import SandboxModel

extension Sandbox {
    /// Opens the tunnels of a sandbox that is being created. What fails leaves nothing of it.
    func openTunnels() async throws {
        guard !spec.tunnels.isEmpty else { return }
        do {
            spec.tunnels = try await world.tunnels.open(spec.tunnels, of: id)
        } catch {
            let reason = world.boundary.convert(error, during: "opening tunnels")
            await abandon(because: reason)
            throw reason
        }
        publish(ownSnapshot())
    }

    /// Opens the tunnels of a sandbox that runs, where they were before.
    func reopenTunnels() async {
        guard lifecycle.isAccepting, !spec.tunnels.isEmpty else { return }
        do {
            let placed = try await world.tunnels.open(spec.tunnels, of: id)
            guard !lifecycle.isOver else { return closeTunnels() }
            guard placed != spec.tunnels else { return }
            spec.tunnels = placed
            publish(ownSnapshot())
            world.journal.write([.tunnels(id, spec: spec)])
        } catch {
            world.logger.error(
                "tunnels could not be opened again", metadata: ["sandbox": "\(id)", "error": "\(error)"])
        }
    }

    func closeTunnels() {
        if !spec.tunnels.isEmpty { world.tunnels.close(id) }
    }

    func tunnelEndpoints() async throws -> [TunnelEndpoint] {
        try await requireRunning()
        return world.tunnels.endpoints(of: id)
    }
}
