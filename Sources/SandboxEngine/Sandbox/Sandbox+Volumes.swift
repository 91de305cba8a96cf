import Logging
import SandboxModel

extension Sandbox {
    /// Puts on record which volumes a sandbox that is being created has; answers what is to be mounted. What fails leaves
    /// nothing of it.
    func attachVolumes() async throws -> [LayerMount] {
        guard !spec.volumes.isEmpty else { return [] }
        do {
            let attached = try await world.volumes.attach(spec.volumes, to: id)
            spec.volumes = attached.mounts
            publish(ownSnapshot())
            return attached.layers
        } catch {
            let reason = world.boundary.convert(error, during: "attaching volumes")
            await abandon(because: reason)
            throw reason
        }
    }

    /// Publishes what it wrote, once its processes are dead.
    func settleVolumes() async {
        if !spec.volumes.isEmpty { await world.volumes.settle(id) }
    }

    /// It is over: what it wrote is published before anybody is told.
    func settleAndFinish(_ ending: Ending) async {
        // One that ended as it started is settled by those who start it.
        if case .creating = lifecycle {} else { await settleVolumes() }
        do {
            try finish(ending)
        } catch {
            world.logger.error("an ending could not be taken in", metadata: ["sandbox": "\(id)", "error": "\(error)"])
        }
    }
}
