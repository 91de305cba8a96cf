import CordonAPI
import SandboxModel

/// One image as an archive's own list has it; paths are of files in the archive.
package struct ArchivedImage: Sendable, Hashable {
    package var configPath: String
    /// nil where the archive doesn't say.
    package var configDigest: ContentDigest?
    package var layers: [Layer]
    /// Names that the archive has for it, as they stand there.
    package var names: [String]

    package struct Layer: Sendable, Hashable {
        package var path: String
        /// nil where the archive doesn't say, which it may not for `docker save`'s own form.
        package var digest: ContentDigest?
    }

    /// The images of `manifest.json`, as `docker save` writes it.
    package static func ofDockerSave(_ bytes: [UInt8]) throws(RegistryError) -> [ArchivedImage] {
        let json: JSONValue
        do { json = try JSONParser.parse(bytes) } catch {
            throw .unsupported("manifest.json isn't JSON: \(error.message)")
        }
        guard case .array(let entries) = json, (1...maximumImages).contains(entries.count) else {
            throw .unsupported("manifest.json is no list of 1 to \(maximumImages) images")
        }
        var images: [ArchivedImage] = []
        for (index, entry) in entries.enumerated() {
            let fields = try JSONFields(entry, what: "image \(index) of manifest.json")
            guard let config = try fields.string("Config") else { throw fields.wrong("Config") }
            let layers = try fields.strings("Layers")
            guard layers.count <= RootImage.maximumLayers else { throw fields.wrong("Layers") }
            images.append(
                ArchivedImage(
                    configPath: config, configDigest: nil, layers: layers.map { Layer(path: $0, digest: nil) },
                    names: try fields.strings("RepoTags")))
        }
        return images
    }

    /// More are refused.
    package static let maximumImages = 64

    /// An image of an OCI layout.
    package init(_ manifest: Manifest, names: [String]) {
        configPath = Self.blobPath(manifest.config.digest)
        configDigest = manifest.config.digest
        layers = manifest.layers.map { Layer(path: Self.blobPath($0.blob.digest), digest: $0.blob.digest) }
        self.names = names
    }

    private init(configPath: String, configDigest: ContentDigest?, layers: [Layer], names: [String]) {
        (self.configPath, self.configDigest, self.layers, self.names) = (configPath, configDigest, layers, names)
    }

    package static func blobPath(_ digest: ContentDigest) -> String { "blobs/sha256/\(digest.hex)" }
}

/// A layout's `index.json` (OCI image layout specification).
package struct LayoutIndex: Sendable, Hashable {
    package struct Entry: Sendable, Hashable {
        package let manifest: Descriptor
        /// Whole names; a bare tag names nothing.
        package let names: [String]
    }

    package let entries: [Entry]

    package init(_ bytes: [UInt8]) throws(RegistryError) {
        let fields = try JSONFields(bytes, what: "index.json")
        guard let manifests = try fields.objects("manifests"),
            (1...ArchivedImage.maximumImages).contains(manifests.count)
        else { throw fields.wrong("manifests") }
        var entries: [Entry] = []
        for manifest in manifests {
            let annotations = try manifest.pairs("annotations")
            let said = ["io.containerd.image.name", "org.opencontainers.image.ref.name"].compactMap { annotations[$0] }
            entries.append(
                Entry(
                    manifest: try Descriptor(manifest),
                    names: Array(said.filter { $0.contains("/") || $0.contains(":") }.prefix(1))))
        }
        self.entries = entries
    }
}

extension ArchiveCompression {
    /// What an archive's first bytes say.
    package init(firstBytes bytes: some Collection<UInt8>) {
        let start = Array(bytes.prefix(4))
        self = start.starts(with: [0x1f, 0x8b]) ? .gzip : start == [0x28, 0xb5, 0x2f, 0xfd] ? .zstd : .none
    }
}
