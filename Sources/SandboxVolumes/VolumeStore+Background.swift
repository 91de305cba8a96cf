import LayerKeeping
import Logging
import SandboxModel

/// What nobody waits for: commits while sandboxes run, and chains of layers that become one.
extension VolumeStore {
    private static let tick = Duration.milliseconds(500)

    /// Publishes and merges, until cancelled.
    public func run() async {
        let places = Permits(limits.works)
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled {
                for (sandbox, isOver) in publishing.takeDue() {
                    group.addTask { await self.publishNow(sandbox, isOver: isOver, places) }
                }
                for volume in publishing.takeMerges() {
                    group.addTask { await self.mergeNow(volume, places) }
                }
                await agents.endIdle()
                do { try await Task.sleep(for: Self.tick) } catch { break }
            }
            group.cancelAll()
        }
        await agents.endAll()
    }

    private func publishNow(_ sandbox: SandboxID, isOver: Bool, _ places: Permits) async {
        let start = ContinuousClock.now
        do {
            try await places.hold {
                if isOver { return await settle(sandbox) }
                try await sandboxTurns.hold(sandbox) {
                    for mount in try await records.mounts(of: sandbox) where !mount.isReadOnly {
                        _ = try await publish(mount, isAwaited: false)
                    }
                }
            }
        } catch is CancellationError {
        } catch {
            // It may have ended just now; what it wrote is published with its end, or by the next try.
            logger.debug(
                "volumes could not be published yet", metadata: ["sandbox": "\(sandbox)", "error": "\(error)"])
        }
        publishing.done(sandbox, after: ContinuousClock.now - start)
    }

    private func mergeNow(_ id: VolumeID, _ places: Permits) async {
        do {
            try await places.hold { try await merge(id) }
        } catch {
            logger.warning("a volume's layers could not be merged", metadata: ["volume": "\(id)", "error": "\(error)"])
        }
        publishing.merged(id)
    }

    /// Puts one layer in the place of all that there are now; what is committed meanwhile lies on it.
    func merge(_ id: VolumeID) async throws {
        guard let volume = try await records.volume(.id(id)), volume.layers.count > 1 else { return }
        let layer = LayerName.mintForVolume()
        let pinned = try await pins.pin(volume.layers + [layer])
        defer { withExtendedLifetime(pinned) {} }
        _ = try await machine.merge(volume.layers, as: layer)
        _ = try await records.replace(volume.layers, of: id, with: layer)
    }
}
