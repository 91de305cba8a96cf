import Crypto
import SandboxModel

extension ImageStore {
    public func importArchive(
        names: [ImageReference], report: @escaping ImageReporter, next: () async throws -> [UInt8]?
    ) async throws -> [ImageRecord] {
        try await operation("importing an archive") {
            try await builders.scratch(on: .nothing) { sandbox in
                let archive = try await ArchiveReading(store: self, sandbox: sandbox, report: report)
                try await archive.unpack(next)
                let images = try await archive.images()
                guard names.isEmpty || images.count == 1 else {
                    throw CordonError.invalid(
                        field: "name", value: names.first?.description,
                        rule: "only for an archive of one image; this has \(images.count)")
                }
                var records: [ImageRecord] = []
                for image in images {
                    let own = image.names.compactMap { try? ImageReference($0) }
                    records.append(try await archive.take(image, names: names.isEmpty ? own : names))
                }
                return records
            }
        }
    }
}

/// An archive that was unpacked in a sandbox, from which its images are read.
private struct ArchiveReading {
    private static let directory = "/import"

    let store: ImageStore
    let sandbox: SandboxID
    let report: ImageReporter

    init(store: ImageStore, sandbox: SandboxID, report: @escaping ImageReporter) async throws {
        (self.store, self.sandbox, self.report) = (store, sandbox, report)
    }

    func unpack(_ next: () async throws -> [UInt8]?) async throws {
        var first: [UInt8] = []
        while first.count < 4, let bytes = try await next() { first += bytes }
        var pending: [UInt8]? = first.isEmpty ? nil : first
        try await withSession { session in
            let unpacking = Unpacking(
                path: try FilePath(Self.directory), kind: .archive,
                compression: ArchiveCompression(firstBytes: first), mostBytes: store.limits.bytes,
                mostEntries: store.limits.entries)
            _ = try await session.unpack(unpacking) {
                if let bytes = pending {
                    pending = nil
                    return bytes
                }
                return try await next()
            }
        }
    }

    /// What the archive's own list says is in it.
    func images() async throws -> [ArchivedImage] {
        if let index = try await document("index.json", upTo: MediaType.manifestBytes) {
            var images: [ArchivedImage] = []
            for entry in try LayoutIndex(index).entries {
                images.append(ArchivedImage(try await manifest(entry.manifest), names: entry.names))
            }
            return images
        }
        if let list = try await document("manifest.json", upTo: MediaType.manifestBytes) {
            return try ArchivedImage.ofDockerSave(list)
        }
        throw RegistryError.notFound("index.json of an OCI layout and no manifest.json of docker save")
    }

    private func manifest(_ descriptor: Descriptor) async throws -> Manifest {
        switch try ManifestDocument(try await blob(descriptor.digest), type: descriptor.type) {
        case .manifest(let manifest): return manifest
        case .index(let manifests):
            let chosen = try ManifestDocument.choose(manifests)
            guard case .manifest(let manifest) = try ManifestDocument(try await blob(chosen.digest), type: chosen.type)
            else { throw RegistryError.unsupported("an index leads to another index") }
            return manifest
        }
    }

    private func blob(_ digest: ContentDigest) async throws -> [UInt8] {
        let path = ArchivedImage.blobPath(digest)
        guard let bytes = try await document(path, upTo: MediaType.manifestBytes) else {
            throw RegistryError.notFound(path)
        }
        let found = ContentDigest(bytes: SHA256.hash(data: bytes))
        guard found == digest else { throw RegistryError.digestMismatch(expected: digest, found: found) }
        return bytes
    }

    /// Makes one image's layers of the archive's.
    func take(_ image: ArchivedImage, names: [ImageReference]) async throws -> ImageRecord {
        guard let bytes = try await document(image.configPath, upTo: MediaType.configBytes) else {
            throw RegistryError.notFound(image.configPath)
        }
        let digest = ContentDigest(bytes: SHA256.hash(data: bytes))
        if let expected = image.configDigest, expected != digest {
            throw RegistryError.digestMismatch(expected: expected, found: digest)
        }
        let document = try ImageDocument(bytes, layers: image.layers.count)
        var sources: [(path: FilePath, file: MeasuredFile)] = []
        for layer in image.layers {
            let path = try path(layer.path)
            let file = try await measure(path)
            if let expected = layer.digest, expected != file.digest {
                throw RegistryError.digestMismatch(expected: expected, found: file.digest)
            }
            sources.append((path, file))
        }
        await report(
            .resolved(
                manifest: digest, layers: sources.count, bytes: sources.reduce(0) { $0 + $1.file.bytes }))
        let chain = LayerNaming.chain(sources.map(\.file.digest))
        let pinned = try await store.pins.pin(chain)
        defer { withExtendedLifetime(pinned) {} }
        var layers: [RecordedLayer] = []
        var left = LayerBudget(store.limits)
        for (index, source) in sources.enumerated() {
            let root = try RootImage(base: .nothing, layers: Array(chain[..<index]))
            let layer = try await unpack(
                source.path, source.file, as: chain[index], on: root, diffID: document.diffIDs[index], left: left)
            try left.take(layer.facts)
            layers.append(layer)
        }
        return try await store.save(
            .archive, root: try RootImage(base: .nothing, layers: chain), config: document.config, layers: layers,
            names: names, manifest: digest)
    }

    // MARK: Layers

    private struct MeasuredFile {
        var digest: ContentDigest
        var bytes: UInt64
        var compression: ArchiveCompression
    }

    /// Reads a file once to know what it is.
    private func measure(_ path: FilePath) async throws -> MeasuredFile {
        var hash = SHA256()
        var (count, first) = (UInt64(0), [UInt8]())
        do {
            try await read(path, upTo: store.limits.bytes) { piece in
                if first.count < 4 { first += piece.prefix(4) }
                count += UInt64(piece.count)
                hash.update(data: piece)
            }
        } catch let error as CordonError where error.code == .notFound {
            throw RegistryError.notFound("layer \(path.text.dropFirst(Self.directory.count + 1))")
        }
        return MeasuredFile(
            digest: ContentDigest(bytes: hash.finalize()), bytes: count,
            compression: ArchiveCompression(firstBytes: first))
    }

    /// Reads it again, into another sandbox; what isn't what it was before is no layer.
    private func unpack(
        _ path: FilePath, _ file: MeasuredFile, as name: LayerName, on root: RootImage, diffID: ContentDigest,
        left: LayerBudget
    ) async throws -> RecordedLayer {
        if let known = try await store.unpacker.known(name) {
            await tell(file, .present)
            return known
        }
        return try await withSession { session in
            _ = try await session.read(path, from: 0, upTo: file.bytes)
            var hash: SHA256? = SHA256()
            let layer = try await store.unpacker.unpack(
                name, on: root, compression: file.compression, diffID: diffID, left: left
            ) {
                if let piece = try await session.nextPiece() {
                    hash?.update(data: piece)
                    return piece
                }
                if let found = hash.map({ ContentDigest(bytes: $0.finalize()) }), found != file.digest {
                    throw RegistryError.digestMismatch(expected: file.digest, found: found)
                }
                hash = nil
                return nil
            }
            await tell(file, .done)
            return layer
        }
    }

    private func tell(_ file: MeasuredFile, _ state: LayerProgress.State) async {
        await report(
            .layer(LayerProgress(digest: file.digest, state: state, bytes: file.bytes, total: file.bytes)))
    }

    // MARK: Files

    private func path(_ text: String) throws -> FilePath {
        guard !text.isAbsolutePath, let path = try? FilePath(text, below: Self.directory, field: "body") else {
            throw RegistryError.unsupported("\(text.prefix(100)) is no path of a file in it")
        }
        return path
    }

    /// A small file, whole; nil where there is none.
    private func document(_ name: String, upTo limit: Int) async throws -> [UInt8]? {
        var bytes: [UInt8] = []
        let path = try path(name)
        do {
            try await read(path, upTo: UInt64(limit) + 1) { bytes += $0 }
        } catch let error as CordonError where error.code == .notFound {
            return nil
        }
        guard bytes.count <= limit else {
            throw RegistryError.tooLarge(what: name, bytes: UInt64(bytes.count), limit: UInt64(limit))
        }
        return bytes
    }

    private func read(_ path: FilePath, upTo limit: UInt64, _ take: ([UInt8]) -> Void) async throws {
        try await withSession { session in
            _ = try await session.read(path, from: 0, upTo: limit)
            while let piece = try await session.nextPiece() { take(piece) }
        }
    }

    private func withSession<Value>(_ work: (any FileSession) async throws -> Value) async throws -> Value {
        let session = try await store.builders.host.openFiles(in: sandbox, as: nil)
        defer { session.close() }
        return try await work(session)
    }
}
