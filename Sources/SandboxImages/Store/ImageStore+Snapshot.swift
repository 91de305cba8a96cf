import SandboxModel

extension ImageStore {
    public func snapshot(
        of sandbox: SandboxID, _ spec: SandboxSpec, _ order: SnapshotOrder
    ) async throws -> ImageRecord {
        try await operation("making a snapshot") {
            let id = order.key.map { ImageID(snapshot: $0) }
            if let id, let made = try await records.image(id) {
                let same = try Self.same(made, sandbox, order)
                return await observed([same]).first ?? same
            }
            let layer = LayerNaming.snapshot(of: sandbox, order)
            let flattens = order.path == nil && spec.root.layers.count >= limits.layers
            let root = try Self.root(of: spec, order, layer, flattens: flattens)
            let pinned = try await pins.pin(root.layers)
            defer { withExtendedLifetime(pinned) {} }
            let parent = try await parent(of: spec)
            let facts =
                flattens
                ? try await builders.layers.flatten(sandbox, as: layer)
                : try await builders.layers.copy(sandbox, path: order.path, as: layer)
            let config = order.path == nil ? parent?.config ?? spec.inheritedConfig : .none
            var image = ImageRecord(
                id: id ?? ImageID(root: root, config: config), kind: .snapshot, root: root, config: config,
                parent: parent?.id, sandbox: sandbox, createdAt: .now(),
                expiresAt: order.timeToLive.map {
                    Timestamp(microseconds: Timestamp.now().microseconds + $0.microseconds)
                })
            if flattens {
                image.hostPrint = parent?.hostPrint
            } else if order.path == nil, let parent {
                image.add(parent)
            }
            image.add(facts)
            let saved = try await records.save(image, names: order.names)
            return await observed([saved]).first ?? saved
        }
    }

    /// What a repeat is answered with; the same id for something else is refused.
    private static func same(
        _ image: ImageRecord, _ sandbox: SandboxID, _ order: SnapshotOrder
    ) throws(CordonError) -> ImageRecord {
        guard image.sandbox == sandbox, image.root.layers.last == LayerNaming.snapshot(of: sandbox, order) else {
            throw CordonError(
                .alreadyExists, "that snapshot_id stands for another snapshot", field: "snapshot_id",
                value: order.key, rule: "one for each snapshot")
        }
        return image
    }

    private static func root(
        of spec: SandboxSpec, _ order: SnapshotOrder, _ layer: LayerName, flattens: Bool
    ) throws(CordonError) -> RootImage {
        guard order.path == nil else { return try RootImage(base: .nothing, layers: [layer]) }
        guard !flattens else { return try RootImage(base: spec.root.base, layers: [layer]) }
        return try spec.root.adding(layer)
    }

    private func parent(of spec: SandboxSpec) async throws -> ImageRecord? {
        guard let id = spec.imageID else { return nil }
        return try await records.image(id)
    }

    // MARK: Showing one in a sandbox that runs

    public func mount(_ order: MountOrder, in sandbox: SandboxID) async throws {
        try await during("mounting an image") {
            guard let name = order.image else {
                return try await builders.layers.mount(
                    LayerMount(path: order.path, layers: [], isReadOnly: order.isReadOnly), in: sandbox)
            }
            try await withImage(name) { image in
                guard image.root.base == .nothing else {
                    throw CordonError(
                        .failedPrecondition, "image \(name) stands on the host's own /usr and is no directory",
                        field: "image", value: name.description, rule: "a directory's snapshot, or a whole image")
                }
                try await builders.layers.mount(
                    LayerMount(path: order.path, layers: image.root.layers, isReadOnly: order.isReadOnly), in: sandbox)
            }
        }
    }

    public func unmount(_ path: FilePath, in sandbox: SandboxID) async throws {
        try await during("unmounting an image") { try await builders.layers.unmount(path, in: sandbox) }
    }
}

extension SandboxSpec {
    /// What is left of its image's configuration where that image has been removed meanwhile.
    fileprivate var inheritedConfig: ImageConfig {
        var config = ImageConfig()
        config.environment = imageEnvironment
        config.user = imageID == nil ? nil : user
        return config
    }
}

extension ImageRecord {
    /// Counts what a layer holds.
    mutating func add(_ facts: LayerFacts) {
        bytes += facts.bytes
        entries += facts.entries
        leftOut = Array((leftOut + facts.leftOut).prefix(Self.maximumLeftOut))
        leftOutCount += facts.leftOutCount
        // What lies lowest was made first: whatever came later was made on the same, or on what had changed already.
        hostPrint = hostPrint ?? facts.hostPrint
    }

    /// Counts what an image below holds.
    mutating func add(_ below: ImageRecord) {
        add(
            LayerFacts(
                bytes: below.bytes, entries: below.entries, leftOut: below.leftOut, leftOutCount: below.leftOutCount,
                hostPrint: below.hostPrint))
    }
}
