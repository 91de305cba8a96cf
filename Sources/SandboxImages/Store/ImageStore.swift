public import LayerKeeping
public import Logging
public import SandboxModel

/// The images of this machine: fetched, imported and built in sandboxes, kept as layers, found by name.
public final class ImageStore: ImageService, ImageSource {
    /// How often expired images, unused layers and old downloads are looked for.
    private static let collectInterval = Duration.seconds(600)

    let records: any ImageRecords
    let registries: RegistryOptions
    let limits: ImageLimits
    let builders: Builders
    let unpacker: LayerUnpacker
    let blobs: BlobStore
    let contexts: ContextStore
    let pins: PinBoard
    private let layersElsewhere: @Sendable () async throws -> Set<LayerName>
    let places: Permits
    let collecting = Permits(1)
    /// Comparisons at a time: each holds the names that may differ.
    let comparisons = Permits(2)
    let transport: RegistryTransport
    let logger: Logger

    /// - Parameters:
    ///   - host: Starts the sandboxes in which layers are made, of which nobody else knows.
    ///   - directory: Where downloads and uploads are; made where there is none.
    ///   - follower: Hears when one of them is gone.
    ///   - node: Leads the ids of those sandboxes.
    ///   - pins: Layers that others are making, and this store.
    ///   - layersElsewhere: What stands on layers and is no image.
    public init(
        host: any SandboxHost, layers: any LayerHost, records: any ImageRecords, directory: String, node: NodeName,
        pins: PinBoard = PinBoard(), layersElsewhere: @escaping @Sendable () async throws -> Set<LayerName> = { [] },
        follower: any NetworkFollower = Unfollowed(), registries: RegistryOptions = RegistryOptions(),
        limits: ImageLimits = ImageLimits(), logger: Logger
    ) throws {
        self.records = records
        self.pins = pins
        self.layersElsewhere = layersElsewhere
        self.registries = registries
        self.limits = limits
        self.logger = logger
        builders = Builders(
            host: host, layers: layers, follower: follower, node: node, limits: limits, logger: logger)
        unpacker = LayerUnpacker(builders: builders, records: records, limits: limits)
        blobs = try BlobStore(directory: directory + "/blobs", reserveBytes: limits.reserveBytes)
        contexts = try ContextStore(directory: directory + "/contexts", limits: limits)
        places = Permits(limits.operations)
        transport = try RegistryTransport(trust: registries.trust)
    }

    /// Collects what nothing refers to, now and then, until cancelled.
    public func run() async {
        while !Task.isCancelled {
            do {
                let collected = try await collect()
                logger.debug("images collected", metadata: ["layers": "\(collected.layers)"])
            } catch { logger.warning("images could not be collected", metadata: ["error": "\(error)"]) }
            do { try await Task.sleep(for: Self.collectInterval) } catch { return }
        }
    }

    /// Where a sandbox in which an image is made may go; nil for all others.
    public func networkPolicy(of id: SandboxID) -> NetworkPolicy? { builders.networkPolicy(of: id) }

    /// Every layer that an image, or something else, stands on.
    func neededLayers() async throws -> Set<LayerName> {
        try await records.layersOfImages().union(layersElsewhere())
    }

    // MARK: Finding

    public func image(_ name: ImageName) async throws -> ImageRecord {
        try await during("finding an image") {
            guard let image = try await find(name), let seen = await observed([image]).first else {
                throw CordonError.noImage(name)
            }
            return seen
        }
    }

    func find(_ name: ImageName) async throws -> ImageRecord? {
        switch name {
        case .host: nil
        case .id(let id): try await records.image(id)
        case .reference(let reference): try await records.image(named: reference)
        }
    }

    public func images(matching query: ImageQuery) async throws -> ImagePage {
        try await during("listing images") {
            var wanted = query
            wanted.limit += 1
            let found = try await records.images(matching: wanted)
            let page = Array(found.prefix(query.limit))
            return ImagePage(
                images: await observed(page), next: found.count > query.limit ? page.last?.createdAt : nil)
        }
    }

    public func withImage<Value: Sendable>(
        _ name: ImageName, _ use: (UsableImage) async throws -> Value
    ) async throws -> Value {
        guard name != .host else { return try await use(.host) }
        let image = try await self.image(name)
        let pinned = try await during("keeping an image") {
            let pinned = try await pins.pin(image.root.layers)
            // It can have been removed before it was pinned.
            guard try await records.image(image.id) != nil else { throw CordonError.noImage(name) }
            return pinned
        }
        defer { withExtendedLifetime(pinned) {} }
        return try await use(
            UsableImage(
                id: image.id, root: image.root, config: image.config, hostHasChanged: image.hostHasChanged ?? false))
    }

    // MARK: Work

    /// Does `work`, one of few at a time, and turns what it throws into what callers see.
    func operation<Value>(
        _ what: String, about reference: ImageReference? = nil, _ work: () async throws -> Value
    ) async throws -> Value {
        try await during(what, about: reference) { try await places.hold(work) }
    }

    func during<Value>(
        _ what: String, about reference: ImageReference? = nil, _ work: () async throws -> Value
    ) async throws -> Value {
        do {
            return try await work()
        } catch let error as CordonError {
            throw error
        } catch let error as RegistryError {
            throw reference.map { error.converted($0) } ?? error.ofArchive
        } catch is CancellationError {
            throw CordonError(.cancelled, "the caller went away during: \(what)")
        } catch {
            logger.error("\(what) failed", metadata: ["error": "\(error)"])
            throw CordonError(.internal, "\(what) failed inside the service; its log says why")
        }
    }

    /// Writes an image down whose layers are there, lowest first.
    func save(
        _ kind: ImageKind, root: RootImage, config: ImageConfig, layers: [RecordedLayer], names: [ImageReference],
        manifest: ContentDigest? = nil, parent: ImageRecord? = nil
    ) async throws -> ImageRecord {
        var image = ImageRecord(
            id: ImageID(root: root, config: config), kind: kind, root: root, config: config, manifest: manifest,
            parent: parent?.id, createdAt: .now())
        if let parent { image.add(parent) }
        for layer in layers { image.add(layer.facts) }
        return try await records.save(image, names: names)
    }
}

extension RegistryError {
    /// The same, of an archive that a client has sent.
    fileprivate var ofArchive: CordonError {
        switch self {
        case .unsupported(let what):
            CordonError(.invalidArgument, "the archive: \(what)", field: "body", rule: "an image")
        case .notFound(let what):
            CordonError(.invalidArgument, "the archive has no \(what)", field: "body", rule: "whole")
        case .digestMismatch(let expected, let found):
            CordonError(
                .invalidArgument, "the archive: what should be \(expected) is \(found)", field: "body", rule: "whole")
        case .tooLarge(let what, let bytes, let limit):
            CordonError(.resourceExhausted, "the archive: \(what) has \(bytes) bytes, \(limit) is the most")
        case .unauthorized, .unreachable, .refused: CordonError(.internal, "the archive could not be read")
        }
    }
}
