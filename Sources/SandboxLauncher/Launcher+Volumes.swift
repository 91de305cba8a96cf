import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// Volumes: what sandboxes write over them becomes layers, while they run and once they have ended.
extension Launcher {
    private static let retry = Duration.milliseconds(10)
    /// How often a commit is tried again while something else is made of its sandbox, or it ends.
    private static let mostRetries = 6000

    // MARK: Committing

    func commit(
        _ order: VolumeCommitOrder, retries: Int = 0, answer: @escaping (Result<LayerFacts?, Failure>) -> Void
    ) {
        if let facts = facts(of: order.layer) { return answer(.success(facts)) }
        do {
            guard let source = try source(of: order), layerWorks.count < Self.mostWorks else {
                guard retries < Self.mostRetries else {
                    throw Failure(.unavailable, "something else is made of sandbox \(order.sandbox) all the time")
                }
                loop.schedule(after: Self.retry) { [unowned self] in
                    self.commit(order, retries: retries + 1, answer: answer)
                }
                return
            }
            // Its end would let the sandbox go on.
            guard source.slot?.isHeld != true else { throw Self.held }
            let time = source.slot?.group.processorTime()
            if !order.isAwaited, let quiet = source.slot?.quietSince[order.path], let time,
                quiet == Slot.Quiet(time: time, published: order.published)
            {
                return answer(.success(nil))
            }
            for layer in order.head where !files.layers.exists(layer.text) {
                throw Failure(.failedPrecondition, "layer \(layer) is not here")
            }
            let making = making(of: order, source)
            let directory = try newLayer(order.layer)
            try directory.makeNew("root", mode: 0o755)
            let key = LeftWrites(sandbox: order.sandbox, path: order.path)
            let finish = { [unowned self] (result: Result<LayerFacts?, Failure>) in
                self.leftInWork.remove(key)
                if let slot = source.slot, let time, case .success(let facts) = result {
                    // Without any time on a processor since, nothing can have been written.
                    let published = facts == nil ? order.published : order.layer
                    slot.quietSince[order.path] = Slot.Quiet(time: time, published: published)
                }
                answer(result)
            }
            let nothing = { finish(.success(nil)) }
            try start(order.layer, frozen: source.slot, [{ finish($0.map { $0 }) }], onNothing: nothing) {
                if try !making.run() { _exit(VolumeMaking.nothing) }
            }
            if source.slot == nil { leftInWork.insert(key) }
        } catch { answer(.failure(error as? Failure ?? Failure(.internal, "\(error)"))) }
    }

    /// Where a sandbox's writes are.
    private struct Source {
        let storage: String
        let layers: [LayerName]
        /// nil once it has ended.
        let slot: Slot?
    }

    /// nil while that can't be said, or something else is made of it.
    private func source(of order: VolumeCommitOrder) throws -> Source? {
        let key = LeftWrites(sandbox: order.sandbox, path: order.path)
        let storage = "\(configuration.dataDirectory)/storage"
        if let left = left[key] {
            let path = "\(storage)/left/\(left.name)"
            guard !isBeingMade(order.layer), !leftInWork.contains(key) else { return nil }
            return Source(storage: path, layers: left.layers, slot: nil)
        }
        guard let slot = sandboxes[order.sandbox] else {
            throw Failure(.notFound, "nothing is left of what sandbox \(order.sandbox) wrote at \(order.path)")
        }
        guard case .running = slot.state, slot.endTimer == nil, let shown = slot.mounts[order.path], shown.isKept else {
            guard slot.isReclaiming || slot.endTimer != nil || slot.isAssigning else {
                throw Failure(.notFound, "no volume is mounted at \(order.path) of sandbox \(order.sandbox)")
            }
            return nil
        }
        let isBusy =
            shown.id == 0 || shown.next != nil || layerWorks.values.contains { $0.frozen === slot }
            || mountWorks.values.contains { $0.slot === slot }
        return isBusy
            ? nil
            : Source(
                storage: "\(storage)/slots/\(slot.name)/mounts/\(shown.storage)", layers: shown.layers, slot: slot)
    }

    private func making(of order: VolumeCommitOrder, _ source: Source) -> VolumeMaking {
        let storage = "\(configuration.dataDirectory)/storage"
        return VolumeMaking(
            layer: order.layer, layers: "\(storage)/layers", empty: "\(storage)/images/\(bareName)/root",
            storage: source.storage, base: source.layers, head: order.head, published: order.published,
            group: source.slot?.group, isAwaited: order.isAwaited, method: overlayMethod,
            reserve: configuration.diskReserveMiB << 20)
    }

    // MARK: Showing other layers

    func reload(_ request: ReloadVolume, answer: @escaping (Result<VolumeReloaded, Failure>) -> Void) {
        do {
            let slot = try running(request.id)
            guard let shown = slot.mounts[request.path], shown.isVolume, shown.id > 0, !shown.storage.isEmpty else {
                throw Failure(.notFound, "no volume is mounted at \(request.path) of sandbox \(request.id)")
            }
            guard !slot.isHeld else { throw Self.held }
            try checkIdle(request.path, in: slot)
            guard !layerWorks.values.contains(where: { $0.frozen === slot }) else {
                throw Failure(.unavailable, "something is made of sandbox \(request.id)")
            }
            for layer in request.layers where !files.layers.exists(layer.text) {
                throw Failure(.failedPrecondition, "layer \(layer) is not here")
            }
            let mount = LayerMount(
                path: request.path, layers: request.layers, isReadOnly: shown.isReadOnly, isVolume: true,
                subPath: shown.subPath)
            let making = try making(of: mount, in: slot)
            let old = VolumeMaking(
                layer: request.layers.last ?? request.published ?? .none, layers: making.layers, empty: making.empty,
                storage: "\(configuration.dataDirectory)/storage/slots/\(slot.name)/mounts/\(shown.storage)",
                base: shown.layers, head: shown.layers, published: request.published, group: nil, isAwaited: true,
                method: overlayMethod, reserve: 0)
            let swap = VolumeSwap(
                making: making, old: shown.isReadOnly ? nil : old, oldID: shown.id, group: slot.group,
                namespace: SharedDescriptor(try ofInit("ns/mnt", of: slot)))
            let fresh = ShownLayers(id: 0, making)
            slot.mounts[request.path]?.next = ShownLayers.Next(storage: fresh.storage, layers: fresh.layers)
            recordMounts(of: slot)
            let finish = { [unowned self] (result: Result<[UInt64], Failure>) in
                if !slot.isHeld { try? slot.group.freeze(false) }
                self.settleNext(of: slot, at: request.path)
                self.recordMounts(of: slot)
                answer(result.map { VolumeReloaded(isDone: !$0.isEmpty) })
            }
            do {
                try start(slot, [request.path], finish) { _ in try swap.run().map { [$0] } ?? [] }
            } catch {
                slot.mounts[request.path]?.next = nil
                recordMounts(of: slot)
                throw error
            }
        } catch { answer(.failure(error as? Failure ?? Failure(.internal, "\(error)"))) }
    }

    /// Finds out whether what was to take a mount's place has, as a launcher that was killed can't tell its successor.
    func settleNext(of slot: Slot, at path: FilePath) {
        guard var shown = slot.mounts[path], let next = shown.next,
            let mounts = try? files.slots.directory(slot.name).directory("mounts")
        else { return }
        shown.next = nil
        var discarded = next.storage
        if let bytes = try? mounts.directory(next.storage).read(VolumeSwap.marker),
            let id = UInt64(String(decoding: bytes, as: UTF8.self))
        {
            discarded = shown.storage
            (shown.id, shown.storage, shown.layers) = (id, next.storage, next.layers)
        }
        slot.mounts[path] = shown
        if mounts.exists(discarded) {
            try? mounts.move(discarded, to: files.trash, as: "\(slot.name)-\(discarded)")
            sweepTrash()
        }
    }

    // MARK: What ended sandboxes have left

    /// Takes writable layers over volumes out of a slot whose sandbox has ended.
    func keepWrites(of slot: Slot) {
        guard let id = slot.sandbox, slot.mounts.values.contains(where: \.isVolume) else { return }
        for path in slot.mounts.keys { settleNext(of: slot, at: path) }
        for (path, shown) in slot.mounts where shown.isKept {
            let name = "\(id)-\(shown.storage)"
            do {
                try files.slots.directory(slot.name).directory("mounts").move(shown.storage, to: files.left, as: name)
                left[LeftWrites(sandbox: id, path: path)] = Left(name: name, layers: shown.layers)
            } catch { log("what \(id) wrote at \(path) could not be kept: \(error)") }
        }
        slot.mounts = [:]
    }

    /// One of them.
    struct Left {
        let name: String
        let layers: [LayerName]
    }

    /// What a predecessor kept. Nobody knows what a loss of power made of it: such is dropped.
    func adoptLeftWrites() throws {
        for name in try files.left.entries() {
            let bytes = try files.left.directory(name).read(LeftRecord.name)
            if let record = bytes.flatMap({ try? LeftRecord(record: $0) }), record.bootID == bootID {
                left[record.left] = Left(name: name, layers: record.layers)
            } else {
                try files.left.move(name, to: files.trash, as: name)
            }
        }
    }

    func release(_ writes: LeftWrites) throws {
        guard let found = left[writes] else { return }
        guard !leftInWork.contains(writes) else {
            throw Failure(.unavailable, "a layer is being made of what \(writes.sandbox) wrote")
        }
        try files.left.move(found.name, to: files.trash, as: found.name)
        left[writes] = nil
        sweepTrash()
    }

    // MARK: Merging

    func merge(_ request: MergeLayers, answer: @escaping (Result<LayerFacts, Failure>) -> Void) {
        if let facts = facts(of: request.layer) { return answer(.success(facts)) }
        do {
            guard layerWorks.count < Self.mostWorks, !isBeingMade(request.layer) else {
                throw Failure(.unavailable, "too many layers are being made")
            }
            for layer in request.layers where !files.layers.exists("\(layer)/root") {
                throw Failure(.failedPrecondition, "layer \(layer) is not here")
            }
            let directory = try newLayer(request.layer)
            try directory.makeNew("root", mode: 0o755)
            let making = LayerMerging(
                layer: request.layer, merged: request.layers,
                layers: "\(configuration.dataDirectory)/storage/layers",
                empty: try files.images.directory("\(bareName)/root/sys"), reserve: configuration.diskReserveMiB << 20)
            try start(request.layer, frozen: nil, [answer], onNothing: nil) { try making.run() }
        } catch { answer(.failure(error as? Failure ?? Failure(.internal, "\(error)"))) }
    }
}
