import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// Layers that count before they are on disk (`LayerDurability.soon`), until they are.
extension Launcher {
    /// So late that whoever asked for one isn't slowed by it, and one sync does for several.
    private static let syncDelay = Duration.seconds(1)

    /// It was made without waiting for the disk.
    func awaitSync(of layer: LayerName) {
        freshLayers.insert(layer)
        syncSoon()
    }

    private func syncSoon() {
        guard layerSync == nil, !freshLayers.isEmpty else { return }
        guard !isShuttingDown else { return syncFreshLayers() }
        guard syncTimer == nil else { return }
        syncTimer = loop.schedule(after: Self.syncDelay) { [unowned self] in
            self.syncTimer = nil
            self.syncFreshLayers()
        }
    }

    /// In a process of its own: a disk takes its time.
    func syncFreshLayers() {
        guard layerSync == nil, !freshLayers.isEmpty else { return }
        loop.cancel(syncTimer)
        syncTimer = nil
        let (names, layers) = (freshLayers, files.layers)
        do {
            let pid = try LauncherChild.start { Self.sync(names, in: layers) }
            layerSync = LayerSync(pid: pid, names: names)
        } catch {
            log("layers could not be synced yet: \(error)")
            if !isShuttingDown { syncSoon() }
        }
    }

    /// In the child.
    private static func sync(_ names: Set<LayerName>, in layers: Directory) -> Never {
        // A successor must not wait for a disk before it has our locks.
        ConfinedWalk.closeAll(but: [layers.raw])
        do {
            try LayerDurability.sync(names, in: layers)
            _exit(0)
        } catch { _exit(1) }
    }

    /// Whether it was that process that ended.
    func layerSyncEnded(_ pid: pid_t, _ status: Int32) -> Bool {
        guard let sync = layerSync, sync.pid == pid else { return false }
        layerSync = nil
        // One that was killed is done again.
        guard status & 0x7f == 0 else {
            syncSoon()
            return true
        }
        freshLayers.subtract(sync.names)
        if status != 0 {
            let names = sync.names.map(\.text).sorted().joined(separator: " ")
            log("these layers may not be on disk, and would not outlive a loss of power: \(names)")
        }
        syncSoon()
        if isShuttingDown { finishShutDown() }
        return true
    }

    /// Before this process ends because it is told to: the machine may be shutting down.
    func syncAtOnce() {
        guard !freshLayers.isEmpty else { return }
        do {
            try LayerDurability.sync(freshLayers, in: files.layers)
        } catch { log("layers could not be synced: \(error)") }
    }

    /// Goes on with what a predecessor left to be synced, and sets aside what a loss of power has left of layers.
    func sortOutLayers() throws {
        for layer in try layerNames() {
            do {
                switch try LayerDurability.state(of: files.layers.directory(layer.text), bootID: bootID) {
                case .durable: break
                case .fresh: awaitSync(of: layer)
                case .lost:
                    log("layer \(layer) is lost: the machine stopped before it was on disk")
                    try files.layers.move(layer.text, to: files.lost, as: layer.text)
                }
            } catch { log("layer \(layer) is left alone: \(error)") }
        }
    }

    /// Those that were set aside, until the service has heard of it and removes them.
    func lostLayers() throws -> [LayerName] { try files.lost.entries().compactMap { LayerName($0) } }
}

/// A process that waits for the disk.
struct LayerSync {
    let pid: pid_t
    let names: Set<LayerName>
}
