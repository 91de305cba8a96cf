import Crypto
import LayerKeeping
import SandboxModel
import StoredFiles

extension ImageStore {
    public func pull(_ reference: ImageReference, report: @escaping ImageReporter) async throws -> ImageRecord {
        try await operation("pulling an image", about: reference) {
            try await fetch(reference, login: nil, report: report)
        }
    }

    /// Pulls for work that has a place already.
    ///
    /// - Parameter login: For the registry itself, and no mirror of it; nil for the service's own.
    func fetch(
        _ reference: ImageReference, login: RegistryLogin?, report: @escaping ImageReporter
    ) async throws -> ImageRecord {
        try await during("pulling an image", about: reference) {
            let endpoints = registries.endpoints(of: reference.registry)
            for endpoint in endpoints.dropLast() {
                do {
                    return try await pull(reference, from: endpoint, registries.credentials, report)
                } catch let error as RegistryError where error.letsOthersTry {
                    logger.info(
                        "a mirror doesn't have an image",
                        metadata: ["image": "\(reference)", "mirror": "\(endpoint)", "error": "\(error)"])
                }
            }
            guard let home = endpoints.last else { throw RegistryError.notFound("\(reference)") }
            let credentials = login.map { RegistryCredentials($0, for: home) } ?? registries.credentials
            return try await pull(reference, from: home, credentials, report)
        }
    }

    private func pull(
        _ reference: ImageReference, from endpoint: RegistryEndpoint, _ credentials: RegistryCredentials,
        _ report: @escaping ImageReporter
    ) async throws -> ImageRecord {
        let client = RegistryClient(
            transport: transport, endpoint: endpoint, repository: reference.repository, credentials: credentials)
        let (digest, manifest) = try await manifest(of: reference, from: client)
        let document = try ImageDocument(
            try await client.smallBlob(manifest.config, upTo: MediaType.configBytes), layers: manifest.layers.count)
        let bytes = try size(of: manifest)
        await report(.resolved(manifest: digest, layers: manifest.layers.count, bytes: bytes))
        let names = LayerNaming.chain(manifest.layers.map(\.blob.digest))
        let pinned = try await pins.pin(names)
        let layers = try await LayerFetching(store: self, client: client, report: report)
            .layers(of: manifest, named: names, diffIDs: document.diffIDs)
        let root = try RootImage(base: .nothing, layers: names)
        defer { withExtendedLifetime(pinned) {} }
        return try await save(
            .registry, root: root, config: document.config, layers: layers, names: [reference], manifest: digest)
    }

    /// The manifest for this machine, and the digest that the reference stands for.
    private func manifest(
        of reference: ImageReference, from client: RegistryClient
    ) async throws -> (ContentDigest, Manifest) {
        let wanted = reference.digest?.description ?? reference.tag ?? "latest"
        var (type, bytes) = try await client.manifest(wanted)
        let digest = ContentDigest(bytes: SHA256.hash(data: bytes))
        if let expected = reference.digest, expected != digest {
            throw RegistryError.digestMismatch(expected: expected, found: digest)
        }
        var document = try ManifestDocument(bytes, type: type)
        if case .index(let manifests) = document {
            let chosen = try ManifestDocument.choose(manifests)
            (type, bytes) = try await client.manifest(chosen.digest.description)
            let found = ContentDigest(bytes: SHA256.hash(data: bytes))
            guard found == chosen.digest else {
                throw RegistryError.digestMismatch(expected: chosen.digest, found: found)
            }
            document = try ManifestDocument(bytes, type: type)
        }
        guard case .manifest(let manifest) = document else {
            throw RegistryError.unsupported("an index leads to another index")
        }
        return (digest, manifest)
    }

    private func size(of manifest: Manifest) throws -> UInt64 {
        var sum: UInt64 = 0
        for layer in manifest.layers {
            let (next, isOver) = sum.addingReportingOverflow(layer.blob.size)
            guard !isOver, next <= limits.bytes else {
                throw RegistryError.tooLarge(
                    what: "the image", bytes: isOver ? .max : next, limit: limits.bytes)
            }
            sum = next
        }
        return sum
    }
}

extension RegistryError {
    /// Whether the next host may have what a mirror hasn't given.
    fileprivate var letsOthersTry: Bool {
        switch self {
        case .notFound, .unauthorized, .digestMismatch: true
        default: isPassing
        }
    }
}

extension LayerNaming {
    /// The layers that blobs become on each other, lowest first.
    static func chain(_ blobs: [ContentDigest]) -> [LayerName] {
        var names: [LayerName] = []
        for blob in blobs { names.append(unpacked(blob, on: names.last)) }
        return names
    }
}

/// Fetching and unpacking one image's layers: some are fetched at a time, each is unpacked on those below it.
private struct LayerFetching: Sendable {
    private static let pieceBytes = 256 * 1024

    let store: ImageStore
    let client: RegistryClient
    let report: ImageReporter

    func layers(
        of manifest: Manifest, named names: [LayerName], diffIDs: [ContentDigest]
    ) async throws -> [RecordedLayer] {
        var missing: [Descriptor] = []
        for (layer, name) in zip(manifest.layers, names)
        where try await store.unpacker.known(name) == nil && !missing.contains(layer.blob) {
            missing.append(layer.blob)
        }
        let downloads = Permits(store.registries.parallelDownloads)
        let wanted = missing
        let found = try await withThrowingTaskGroup(of: [RecordedLayer].self) { group in
            for blob in wanted {
                group.addTask {
                    try await downloads.hold { try await with(blob) { _ in } }
                    return []
                }
            }
            group.addTask { try await unpackAll(manifest, names, diffIDs) }
            var layers: [RecordedLayer] = []
            while let result = try await group.next() { layers += result }
            return layers
        }
        for blob in wanted { store.blobs.remove(blob.digest) }
        return found
    }

    private func unpackAll(
        _ manifest: Manifest, _ names: [LayerName], _ diffIDs: [ContentDigest]
    ) async throws -> [RecordedLayer] {
        var layers: [RecordedLayer] = []
        var left = LayerBudget(store.limits)
        for (index, layer) in manifest.layers.enumerated() {
            let root = try RootImage(base: .nothing, layers: Array(names[..<index]))
            let unpacked: RecordedLayer
            if let known = try await store.unpacker.known(names[index]) {
                guard known.diffID == nil || known.diffID == diffIDs[index] else {
                    throw RegistryError.digestMismatch(
                        expected: diffIDs[index], found: known.diffID ?? diffIDs[index])
                }
                unpacked = known
                await tell(layer.blob, .present, layer.blob.size)
            } else {
                let budget = left
                unpacked = try await with(layer.blob) { file in
                    try await unpack(layer, names[index], on: root, diffIDs[index], budget, file)
                }
                await tell(layer.blob, .done, layer.blob.size)
            }
            try left.take(unpacked.facts)
            layers.append(unpacked)
        }
        return layers
    }

    private func unpack(
        _ layer: Manifest.Layer, _ name: LayerName, on root: RootImage, _ diffID: ContentDigest, _ left: LayerBudget,
        _ file: StoredFile
    ) async throws -> RecordedLayer {
        var count: UInt64 = 0
        return try await store.unpacker.unpack(
            name, on: root, compression: layer.compression, diffID: diffID, left: left
        ) {
            guard let bytes = try await file.next(Self.pieceBytes) else { return nil }
            count += UInt64(bytes.count)
            if count / (4 << 20) != (count - UInt64(bytes.count)) / (4 << 20) {
                await tell(layer.blob, .unpacking, count)
            }
            return bytes
        }
    }

    /// Does `use` with a blob's file, which is fetched where it isn't there.
    private func with<Value: Sendable>(
        _ blob: Descriptor, _ use: (StoredFile) async throws -> Value
    ) async throws -> Value {
        try await store.blobs.with(
            blob, from: { try await client.blob(blob.digest, from: $0, $1) },
            progress: { await tell(blob, .downloading, $0) }, use: use)
    }

    private func tell(_ blob: Descriptor, _ state: LayerProgress.State, _ bytes: UInt64) async {
        await report(.layer(LayerProgress(digest: blob.digest, state: state, bytes: bytes, total: blob.size)))
    }
}
