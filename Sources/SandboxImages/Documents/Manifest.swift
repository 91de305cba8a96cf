import SandboxModel

/// What a document says of another: its type, digest and size.
package struct Descriptor: Sendable, Hashable {
    package let type: String
    package let digest: ContentDigest
    package let size: UInt64
    /// `linux/amd64`, perhaps with a variant; nil where nothing is said.
    package let platform: String?

    package init(type: String, digest: ContentDigest, size: UInt64, platform: String? = nil) {
        (self.type, self.digest, self.size, self.platform) = (type, digest, size, platform)
    }

    package init(_ fields: JSONFields) throws(RegistryError) {
        type = try fields.string("mediaType") ?? ""
        digest = try fields.digest("digest")
        guard let size = try fields.integer("size"), size >= 0 else { throw fields.wrong("size") }
        self.size = UInt64(size)
        if let platform = try fields.object("platform") {
            self.platform = "\(try platform.string("os") ?? "")/\(try platform.string("architecture") ?? "")"
        } else {
            platform = nil
        }
    }
}

/// What a registry or a layout gives for a name (OCI image specification, and Docker's schema 2).
package enum ManifestDocument: Sendable, Hashable {
    /// Manifests for several platforms.
    case index([Descriptor])
    case manifest(Manifest)

    /// Throws `unsupported` for other documents. A document that doesn't say its type is of `type`.
    package init(_ bytes: [UInt8], type: String) throws(RegistryError) {
        let fields = try JSONFields(bytes, what: "the manifest")
        let said = try fields.string("mediaType") ?? type
        if MediaType.index.contains(said) || (said.isEmpty && fields.value("manifests") != nil) {
            var found: [Descriptor] = []
            for entry in try fields.objects("manifests") ?? [] { found.append(try Descriptor(entry)) }
            self = .index(found)
        } else if MediaType.manifest.contains(said) || (said.isEmpty && fields.value("layers") != nil) {
            self = .manifest(try Manifest(fields))
        } else {
            throw .unsupported("manifests of the type \(said.prefix(100)) aren't taken")
        }
    }

    /// The manifest for this machine among several.
    package static func choose(_ manifests: [Descriptor]) throws(RegistryError) -> Descriptor {
        let fitting = manifests.filter { $0.platform == HostPlatform.name }
        // Layouts of one image say nothing of platforms.
        let silent = manifests.filter { $0.platform == nil && !MediaType.index.contains($0.type) }
        guard let chosen = fitting.first ?? (silent.count == 1 ? silent.first : nil) else {
            let known = Set(manifests.compactMap(\.platform)).sorted().prefix(20).joined(separator: ", ")
            throw .unsupported(
                "there is no image for \(HostPlatform.name); there are \(known.isEmpty ? "none" : known)")
        }
        return chosen
    }
}

/// One image's parts.
package struct Manifest: Sendable, Hashable {
    package let config: Descriptor
    /// Lowest first.
    package let layers: [Layer]

    package struct Layer: Sendable, Hashable {
        package let blob: Descriptor
        package let compression: ArchiveCompression
    }

    package init(_ fields: JSONFields) throws(RegistryError) {
        guard let config = try fields.object("config") else { throw fields.wrong("config") }
        self.config = try Descriptor(config)
        guard let entries = try fields.objects("layers") else { throw fields.wrong("layers") }
        guard entries.count <= RootImage.maximumLayers else {
            throw .unsupported("it has \(entries.count) layers, \(RootImage.maximumLayers) is the most")
        }
        var layers: [Layer] = []
        for entry in entries {
            let blob = try Descriptor(entry)
            guard let compression = MediaType.compression(ofLayer: blob.type) else {
                throw .unsupported("layers of the type \(blob.type.prefix(100)) aren't taken")
            }
            layers.append(Layer(blob: blob, compression: compression))
        }
        self.layers = layers
    }
}

/// What this machine runs.
package enum HostPlatform {
    package static let architecture: String = {
        #if arch(x86_64)
            "amd64"
        #elseif arch(arm64)
            "arm64"
        #else
            "unknown"
        #endif
    }()

    package static let name = "linux/\(architecture)"
}
