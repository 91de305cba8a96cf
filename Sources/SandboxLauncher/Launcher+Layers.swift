import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// Layers: what sandboxes wrote, kept under a name and never changed again. Each is made in a process of its own,
/// in a temporary directory that a launcher's successor removes.
extension Launcher {
    static let mostWorks = 16

    // MARK: Keeping what a sandbox wrote

    /// Ends a sandbox and makes what it wrote a layer.
    func keep(_ id: SandboxID, as layer: LayerName, answer: @escaping (Result<LayerFacts, Failure>) -> Void) {
        if let facts = facts(of: layer) {
            guard let slot = sandboxes[id] else { return answer(.success(facts)) }
            slot.waiters.append { _ in answer(.success(facts)) }
            return end(slot, "its layer is there already")
        }
        guard let slot = sandboxes[id], !slot.isReclaiming, !slot.isAssigning else {
            return answer(.failure(Failure(.failedPrecondition, "sandbox \(id) does not run")))
        }
        guard !isBeingMade(layer), slot.keep == nil || slot.keep?.layer == layer else {
            return answer(.failure(Failure(.aborted, "layer \(layer) is being made")))
        }
        slot.keep = LayerKeeping(layer: layer, answers: (slot.keep?.answers ?? []) + [answer])
        end(slot, "what it wrote is kept")
    }

    func isBeingMade(_ layer: LayerName) -> Bool { layerWorks.values.contains { $0.layer == layer } }

    /// Moves the writable layers of a sandbox that has ended out of its slot, where they are to be kept.
    func takeLayer(of slot: Slot) {
        guard let keep = slot.keep else { return }
        slot.keep = nil
        do {
            // A layer isn't moved from one file system to another.
            guard slot.kind.diskMiB == 0 else {
                throw Failure(.failedPrecondition, "what a sandbox with a disk of its own wrote is copied, not kept")
            }
            let directory = try newLayer(keep.layer)
            let storage = try files.slots.directory(slot.name)
            var trees = [LayerMaking.Tree(name: "root", source: nil)]
            try storage.directory("r1").move("u", to: directory, as: "root")
            if slot.root.base == .host {
                try storage.directory("r2").move("u", to: directory, as: "usr")
                trees.append(LayerMaking.Tree(name: "usr", source: nil))
            }
            try start(keep.layer, trees, of: slot, isFrozen: false, idOffset: 0, keep.answers)
        } catch { fail(keep.answers, error) }
    }

    // MARK: Copying what a sandbox has written so far

    func copy(_ request: CopyLayer, answer: @escaping (Result<LayerFacts, Failure>) -> Void) {
        if let facts = facts(of: request.layer) { return answer(.success(facts)) }
        do {
            guard let slot = sandboxes[request.id], case .running = slot.state, slot.endTimer == nil else {
                throw Failure(.failedPrecondition, "sandbox \(request.id) does not run")
            }
            if let work = layerWorks.values.first(where: { $0.frozen === slot }) {
                guard work.onNothing != nil else {
                    throw Failure(.unavailable, "a copy of sandbox \(request.id) is being made already")
                }
                // What it writes to a volume is being published: that is over soon.
                loop.schedule(after: .milliseconds(10)) { [unowned self] in self.copy(request, answer: answer) }
                return
            }
            // One of the two would let it go on while the other counts on its standing still.
            guard !mountWorks.values.contains(where: { $0.slot === slot }) else {
                loop.schedule(after: .milliseconds(10)) { [unowned self] in self.copy(request, answer: answer) }
                return
            }
            guard !isBeingMade(request.layer) else {
                throw Failure(.aborted, "layer \(request.layer) is being made")
            }
            guard layerWorks.count < Self.mostWorks else {
                throw Failure(.resourceExhausted, "\(Self.mostWorks) layers are being made")
            }
            // Its end would let the sandbox go on.
            guard !slot.isHeld else { throw Self.held }
            let (trees, offset) =
                request.flattens
                ? (try merged(in: slot), slot.idBase)
                : try request.path.map { (try [seen($0, by: slot)], slot.idBase) } ?? (written(by: slot), 0)
            let directory = try newLayer(request.layer)
            for tree in trees { try directory.makeNew(tree.name, mode: 0o755) }
            try start(request.layer, trees, of: slot, isFrozen: true, idOffset: offset, [answer])
        } catch { fail([answer], error) }
    }

    func written(by slot: Slot) throws -> [LayerMaking.Tree] {
        let storage = try readableStorage(of: slot)
        var trees = [LayerMaking.Tree(name: "root", source: try storage.directory("r1/u"))]
        if slot.root.base == .host {
            trees.append(LayerMaking.Tree(name: "usr", source: try storage.directory("r2/u")))
        }
        return trees
    }

    /// What a sandbox shows of its layers and of what it has written, with both.
    private func merged(in slot: Slot) throws -> [LayerMaking.Tree] {
        guard slot.mounts.isEmpty else {
            throw Failure(
                .failedPrecondition,
                "its layers have to become one, which can't be while something is mounted in it: unmount it first")
        }
        return try written(by: slot).map { tree in
            var layers = try slot.root.layers.map { layer in
                let directory = try files.layers.directory(layer.text)
                return directory.exists(tree.name) ? try directory.directory(tree.name) : nil
            }
            layers.append(tree.source)
            return LayerMaking.Tree(
                name: tree.name, source: try seen(tree.name == "usr" ? "/usr" : "/", by: slot).source,
                layers: layers.compactMap(\.self))
        }
    }

    /// A directory as the sandbox sees it, by its own links and mounts.
    private func seen(_ path: String, by slot: Slot) throws -> LayerMaking.Tree {
        let root = Directory(owning: try ofInit("root", of: slot, O_RDONLY | O_DIRECTORY), name: "/")
        // Where a bucket is mounted, no way may lead through it: this process would wait for whoever serves it.
        let hasBuckets = slot.mounts.values.contains(where: \.isBucket)
        let raw = withExtendedLifetime(root) {
            cordon_openat2(
                root.raw, path, UInt64(O_RDONLY | O_DIRECTORY), 0,
                UInt64(
                    CORDON_RESOLVE_IN_ROOT | CORDON_RESOLVE_NO_MAGICLINKS | (hasBuckets ? CORDON_RESOLVE_NO_XDEV : 0)))
        }
        guard raw >= 0 else {
            guard errno != EXDEV else {
                throw Failure(
                    .failedPrecondition,
                    "\(path) leads into a mount, which can't be copied from a sandbox with a bucket")
            }
            let isMissing = errno == ENOENT || errno == ENOTDIR
            throw Failure(isMissing ? .notFound : .failedPrecondition, "\(path) is no directory of the sandbox's")
        }
        let directory = Directory(owning: Descriptor(owning: raw), name: path)
        guard cordon_is_overlay(directory.raw) else {
            throw Failure(.failedPrecondition, "\(path) lies on a file system of the kernel's")
        }
        return LayerMaking.Tree(name: "root", source: directory)
    }

    // MARK: The process that makes one

    func newLayer(_ layer: LayerName) throws -> Directory {
        let name = LayerMaking.temporary(layer)
        if files.layers.exists(name) { try files.layers.move(name, to: files.trash, as: "\(name)-\(trashNumber())") }
        try files.layers.makeNew(name, mode: 0o755)
        return try files.layers.directory(name)
    }

    private func trashNumber() -> UInt64 { cordon_boottime_ns() }

    private func start(
        _ layer: LayerName, _ trees: [LayerMaking.Tree], of slot: Slot, isFrozen: Bool, idOffset: UInt32,
        _ answers: [(Result<LayerFacts, Failure>) -> Void]
    ) throws {
        let frozen = isFrozen ? slot : nil
        let liesOnHost = trees.contains { $0.name == "usr" } && !slot.hostPrint.isEmpty
        let hostPrint = liesOnHost ? slot.hostPrint : nil
        let making = LayerMaking(
            layer: layer, layers: files.layers, empty: try files.images.directory("\(bareName)/root/sys"),
            group: frozen?.group, trees: trees, idOffset: idOffset, hostPrint: hostPrint,
            reserve: configuration.diskReserveMiB << 20,
            durability: isFrozen ? .soon(bootID: bootID) : .atOnce(with: freshLayers))
        try start(layer, frozen: frozen, answers, onNothing: nil) { try making.run() }
    }

    /// Makes a layer in a process of its own, out of its temporary directory, which is there.
    func start(
        _ layer: LayerName, frozen: Slot?, _ answers: [(Result<LayerFacts, Failure>) -> Void],
        onNothing: (() -> Void)?, _ work: () throws -> Void
    ) throws {
        let pid = try LauncherChild.start {
            do {
                try work()
                _exit(0)
            } catch {
                let directory = try? files.layers.directory(LayerMaking.temporary(layer))
                let failure = error as? Failure ?? Failure(.internal, "\(error)")
                try? directory?.replace(LayerRecord.failureName, with: failure.record)
                _exit(1)
            }
        }
        layerWorks[pid] = LayerWork(layer: layer, frozen: frozen, answers: answers, onNothing: onNothing)
    }

    /// Whether it was such a process that ended.
    func layerWorkEnded(_ pid: pid_t, _ status: Int32) -> Bool {
        guard let work = layerWorks.removeValue(forKey: pid) else { return false }
        if let slot = work.frozen, !slot.isReclaiming { try? slot.group.freeze(false) }
        if status == 0, let record = record(of: work.layer) {
            if record.unsyncedSince != nil { awaitSync(of: work.layer) }
            for answer in work.answers { answer(.success(record.facts)) }
        } else {
            let name = LayerMaking.temporary(work.layer)
            let bytes = (try? files.layers.directory(name).read(LayerRecord.failureName)) ?? nil
            let failure = bytes.flatMap { try? Failure(record: $0) } ?? Failure(.aborted, "making the layer broke off")
            try? files.layers.move(name, to: files.trash, as: "\(name)-\(trashNumber())")
            sweepTrash()
            if status == VolumeMaking.nothing << 8, let onNothing = work.onNothing {
                onNothing()
            } else {
                fail(work.answers, failure)
            }
        }
        if isShuttingDown { finishShutDown() }
        return true
    }

    private func fail(_ answers: [(Result<LayerFacts, Failure>) -> Void], _ error: any Error) {
        let failure = error as? Failure ?? Failure(.internal, "\(error)")
        for answer in answers { answer(.failure(withoutPlaces(failure))) }
    }

    func facts(of layer: LayerName) -> LayerFacts? { record(of: layer)?.facts }

    private func record(of layer: LayerName) -> LayerRecord? {
        guard files.layers.exists(layer.text),
            let bytes = try? files.layers.directory(layer.text).read(LayerRecord.name)
        else { return nil }
        return try? LayerRecord(record: bytes)
    }

    /// What a launcher that was killed had begun.
    func discardUnfinishedLayers() throws {
        for name in try files.layers.entries() where name.hasPrefix(".") {
            try files.layers.move(name, to: files.trash, as: "\(name)-\(trashNumber())")
        }
    }

    // MARK: All of them

    func layerNames() throws -> [LayerName] { try files.layers.entries().compactMap { LayerName($0) } }

    /// Removes those that no sandbox uses, and what is left of lost ones; the others are answered.
    func removeLayers(_ layers: [LayerName]) throws -> [LayerName] {
        let unwanted = Set(layers)
        let awaited = Set(queue.map(\.kind))
        // Prepared ones are nobody's yet, and those that are being built for nobody.
        for slot in slots.values where slot.state.isNobodys && !unwanted.isDisjoint(with: slot.root.layers) {
            guard !awaited.contains(slot.kind) else { continue }
            pool.forget(slot.kind)
            drop(slot)
        }
        let used = Set(
            slots.values.filter { $0.state.isUsing }.flatMap { slot in
                slot.root.layers + slot.mounts.values.flatMap { $0.layers + ($0.next?.layers ?? []) }
            }
        )
        .union(awaited.flatMap(\.root.layers)).union(queue.flatMap { $0.mounts.flatMap(\.layers) })
        .union(left.values.flatMap(\.layers))
        var kept: [LayerName] = []
        for layer in layers {
            if used.contains(layer) {
                kept.append(layer)
            } else {
                freshLayers.remove(layer)
                for place in [files.layers, files.lost] where place.exists(layer.text) {
                    try place.move(layer.text, to: files.trash, as: "\(layer)-\(trashNumber())")
                }
            }
        }
        sweepTrash()
        return kept
    }
}

extension Slot.State {
    fileprivate var isNobodys: Bool {
        switch self {
        case .building, .prepared: true
        case .dropped, .assigning, .running, .reclaiming: false
        }
    }

    /// Whether a sandbox of this state needs its layers: one that is being removed doesn't.
    fileprivate var isUsing: Bool {
        switch self {
        case .building, .prepared, .assigning, .running: true
        case .dropped, .reclaiming: false
        }
    }
}
