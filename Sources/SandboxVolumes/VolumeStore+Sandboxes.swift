import LayerKeeping
import Logging
import SandboxModel

/// The volumes of sandboxes: given to them, published from them, shown anew, and taken back.
extension VolumeStore {
    public func attach(_ mounts: [VolumeMount], to sandbox: SandboxID) async throws -> AttachedVolumes {
        guard !mounts.isEmpty else { return .none }
        return try await during("attaching volumes") {
            var resolved: [VolumeMount] = []
            for mount in mounts {
                var mount = mount
                mount.volume = .id(try await find(mount.volume).snapshot.id)
                resolved.append(mount)
            }
            // A volume that lies in another one is mounted after it.
            resolved.sort { $0.path.text < $1.path.text }
            let attached = try await records.attach(resolved.compactMap { MountedVolume($0, of: sandbox) })
            if attached.contains(where: { !$0.isReadOnly }) { publishing.begin(sandbox) }
            return AttachedVolumes(mounts: resolved, layers: attached.map { LayerMount($0) })
        }
    }

    public func abandon(_ sandbox: SandboxID) async {
        publishing.end(sandbox)
        do {
            for mount in try await records.mounts(of: sandbox) {
                try await machine.release(LeftWrites(sandbox: sandbox, path: mount.path))
            }
            try await records.detach(sandbox, path: nil)
        } catch {
            // The next start of the service does it.
            logger.warning(
                "volumes of a sandbox that never ran could not be taken back",
                metadata: ["sandbox": "\(sandbox)", "error": "\(error)"])
        }
    }

    public func settle(_ sandbox: SandboxID) async {
        // Whoever asked may have gone away: what was written is published all the same.
        await Task { [self] in
            do {
                try await sandboxTurns.hold(sandbox) { try await settleNow(sandbox) }
                publishing.end(sandbox)
            } catch {
                publishing.owe(sandbox)
                logger.error(
                    "what an ended sandbox wrote to its volumes could not be published yet",
                    metadata: ["sandbox": "\(sandbox)", "error": "\(error)"])
            }
        }.value
    }

    func settleNow(_ sandbox: SandboxID) async throws {
        for mount in try await records.mounts(of: sandbox) {
            let left = LeftWrites(sandbox: sandbox, path: mount.path)
            if !mount.isReadOnly {
                do {
                    _ = try await publish(mount, isAwaited: true)
                } catch let error as CordonError where error.code == .notFound {
                    // The machine was restarted, or nothing was ever mounted: there is nothing to publish.
                }
                try await machine.release(left)
            }
            try await records.detach(sandbox, path: mount.path)
        }
    }

    public func recover(living: Set<SandboxID>) async throws {
        var known: Set<LeftWrites> = []
        var over: Set<SandboxID> = []
        for mount in try await records.mounts() {
            known.insert(LeftWrites(sandbox: mount.sandbox, path: mount.path))
            if living.contains(mount.sandbox) {
                if !mount.isReadOnly { publishing.begin(mount.sandbox) }
            } else {
                over.insert(mount.sandbox)
            }
        }
        for sandbox in over { await settle(sandbox) }
        // What nobody had asked to publish: half of a change from outside.
        for left in try await machine.leftWrites() where !known.contains(left) { try await machine.release(left) }
    }

    // MARK: Publishing

    public func commitVolumes(of sandbox: SandboxID) async throws -> [VolumeCommit] {
        try await during("committing volumes") {
            try await sandboxTurns.hold(sandbox) {
                var commits: [VolumeCommit] = []
                for mount in try await records.mounts(of: sandbox) where !mount.isReadOnly {
                    commits.append(try await publish(mount, isAwaited: true))
                }
                return commits
            }
        }
    }

    /// Publishes what a sandbox has written since it last did. The caller holds the sandbox's turn.
    func publish(_ mount: MountedVolume, isAwaited: Bool) async throws -> VolumeCommit {
        try await volumeTurns.hold(mount.volume) {
            let volume = try await find(.id(mount.volume))
            var commit = VolumeCommit(
                volume: mount.volume, path: mount.path, version: volume.snapshot.version, isChanged: false)
            let published = try await publish(
                from: mount.sandbox, at: mount.path, published: mount.published, to: volume, mount: mount,
                isAwaited: isAwaited)
            if let published { (commit.version, commit.isChanged) = (published.snapshot.version, true) }
            return commit
        }
    }

    /// Makes a layer of what was written, and puts it on the volume. The caller holds the volume's turn.
    func publish(
        from sandbox: SandboxID, at path: FilePath, published: LayerName?, to volume: StoredVolume,
        mount: MountedVolume?, isAwaited: Bool
    ) async throws -> (snapshot: VolumeSnapshot, layer: LayerName)? {
        guard volume.layers.count < limits.mostLayers else {
            publishing.wantMerge(volume.snapshot.id)
            throw CordonError(
                .unavailable, "volume \(volume.snapshot.name) was committed too often: its layers are being merged",
                retryAfter: .seconds(1))
        }
        let layer = LayerName.mintForVolume()
        let pinned = try await pins.pin([layer])
        defer { withExtendedLifetime(pinned) {} }
        let facts = try await machine.commit(
            VolumeCommitOrder(
                sandbox: sandbox, path: path, head: volume.layers, published: published, layer: layer,
                isAwaited: isAwaited))
        guard facts != nil else { return nil }
        guard let next = try await records.publish(layer, to: volume.snapshot.id, from: mount, at: .now()) else {
            throw CordonError(.failedPrecondition, "volume \(volume.snapshot.name) is the sandbox's no more")
        }
        if volume.layers.count + 1 > limits.mergedBeyond { publishing.wantMerge(next.id) }
        return (next, layer)
    }

    // MARK: Showing what has become of them

    public func reloadVolumes(of sandbox: SandboxID) async throws {
        try await during("reloading volumes") {
            try await sandboxTurns.hold(sandbox) {
                for mount in try await records.mounts(of: sandbox) { try await reload(mount) }
            }
        }
    }

    private static let reloadTries = 5

    private func reload(_ mount: MountedVolume) async throws {
        for _ in 0..<Self.reloadTries {
            if !mount.isReadOnly { _ = try await publish(mount.refreshed(records), isAwaited: true) }
            let current = try await mount.refreshed(records)
            let volume = try await find(.id(mount.volume))
            let pinned = try await pins.pin(volume.layers)
            defer { withExtendedLifetime(pinned) {} }
            if current.published == nil, current.base == volume.layers { return }
            guard
                try await machine.reload(
                    mount.path, in: mount.sandbox, published: current.published, to: volume.layers)
            else { continue }
            return try await records.reloaded(mount, to: volume.layers)
        }
        throw CordonError(
            .failedPrecondition, "the volume at \(mount.path) is being written to all the time", field: "path",
            value: mount.path.text, rule: "a volume is reloaded while nothing of it is open")
    }
}

extension MountedVolume {
    init?(_ mount: VolumeMount, of sandbox: SandboxID) {
        guard case .id(let id) = mount.volume else { return nil }
        self.init(
            sandbox: sandbox, path: mount.path, volume: id, isReadOnly: mount.isReadOnly, subPath: mount.subPath)
    }

    /// As it stands on record now.
    fileprivate func refreshed(_ records: any VolumeRecords) async throws -> MountedVolume {
        guard let now = try await records.mounts(of: sandbox).first(where: { $0.path == path }) else {
            throw CordonError(.failedPrecondition, "sandbox \(sandbox) has no volume at \(path) any more")
        }
        return now
    }
}

extension LayerMount {
    init(_ mount: MountedVolume) {
        self.init(
            path: mount.path, layers: mount.base, isReadOnly: mount.isReadOnly, isVolume: true, subPath: mount.subPath)
    }
}

extension LayerName {
    /// The name of a layer that is like no other.
    static func mintForVolume() -> LayerName {
        let text = "v" + VolumeID.mint().text.dropFirst(VolumeID.prefix.utf8.count)
        guard let name = LayerName(text) else { preconditionFailure("\(text) is no layer's name") }
        return name
    }
}
