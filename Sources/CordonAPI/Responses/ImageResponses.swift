/// An image as the API shows it.
public struct Image: Sendable, Hashable, Codable {
    public var id: String
    /// `registry`, `archive`, `build` or `snapshot`.
    public var kind: String
    /// Names that point to it.
    public var names: [String]
    /// `host` when its layers lie on the host's own `/usr`.
    public var base: String?
    /// Lowest first.
    public var layers: [String]
    public var config: ImageSettings
    /// The digest by which its registry knows it.
    public var manifestDigest: String?
    public var parent: String?
    public var sandboxID: String?
    /// Of its files, layer by layer.
    public var sizeBytes: UInt64
    public var entries: UInt64
    /// Paths of devices and sockets, which no layer holds; the first hundred.
    public var leftOut: [String]
    public var leftOutCount: UInt64
    public var createdAt: APITime
    public var expiresAt: APITime?
    /// Whether the host's `/usr` has changed since it was made on it; absent where it doesn't lie on that.
    public var hostChanged: Bool?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case id, kind, names, base, layers, config, parent, entries
        case manifestDigest = "manifest_digest"
        case sandboxID = "sandbox_id"
        case sizeBytes = "size_bytes"
        case leftOut = "left_out"
        case leftOutCount = "left_out_count"
        case createdAt = "created_at"
        case expiresAt = "expires_at"
        case hostChanged = "host_changed"
    }

    public init(
        id: String, kind: String, names: [String], base: String?, layers: [String], config: ImageSettings,
        manifestDigest: String?, parent: String?, sandboxID: String?, sizeBytes: UInt64, entries: UInt64,
        leftOut: [String], leftOutCount: UInt64, createdAt: APITime, expiresAt: APITime?,
        hostChanged: Bool?
    ) {
        self.id = id
        self.kind = kind
        self.names = names
        self.base = base
        self.layers = layers
        self.config = config
        self.manifestDigest = manifestDigest
        self.parent = parent
        self.sandboxID = sandboxID
        self.sizeBytes = sizeBytes
        self.entries = entries
        self.leftOut = leftOut
        self.leftOutCount = leftOutCount
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        self.hostChanged = hostChanged
    }
}

/// What commands run with in a sandbox made from an image, where nobody says otherwise.
public struct ImageSettings: Sendable, Hashable, Codable {
    public var env: [String: String]
    public var workdir: String?
    public var user: String?
    /// Goes before a main command's own arguments.
    public var entrypoint: [String]
    public var cmd: [String]
    public var exposedPorts: [String]
    public var labels: [String: String]
    public var shell: [String]

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case env, workdir, user, entrypoint, cmd, labels, shell
        case exposedPorts = "exposed_ports"
    }

    public init(
        env: [String: String], workdir: String?, user: String?, entrypoint: [String], cmd: [String],
        exposedPorts: [String], labels: [String: String], shell: [String]
    ) {
        self.env = env
        self.workdir = workdir
        self.user = user
        self.entrypoint = entrypoint
        self.cmd = cmd
        self.exposedPorts = exposedPorts
        self.labels = labels
        self.shell = shell
    }
}

/// One page of images, newest first; or all images of an archive.
public struct ImageList: Sendable, Hashable, Codable {
    public var images: [Image]
    /// Pass it as `cursor` for the next page; null on the last.
    public var nextCursor: String?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case images
        case nextCursor = "next_cursor"
    }

    public init(images: [Image], nextCursor: String?) {
        self.images = images
        self.nextCursor = nextCursor
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(images, forKey: .images)
        try container.encode(nextCursor, forKey: .nextCursor)
    }
}

/// What became of an image whose name was removed: null when it went with its last.
public struct RemovedImage: Sendable, Hashable, Codable {
    public var image: Image?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case image
    }

    public init(image: Image?) { self.image = image }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(image, forKey: .image)
    }
}

/// What was collected.
public struct CollectedImagesResponse: Sendable, Hashable, Codable {
    public var removedImages: Int
    public var removedLayers: Int
    /// Layers that go once the sandboxes that use them are over.
    public var layersInUse: Int
    public var removedDownloads: Int

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case removedImages = "removed_images"
        case removedLayers = "removed_layers"
        case layersInUse = "layers_in_use"
        case removedDownloads = "removed_downloads"
    }

    public init(removedImages: Int, removedLayers: Int, layersInUse: Int, removedDownloads: Int) {
        self.removedImages = removedImages
        self.removedLayers = removedLayers
        self.layersInUse = layersInUse
        self.removedDownloads = removedDownloads
    }
}

/// An uploaded build context.
public struct BuildContextResponse: Sendable, Hashable, Codable {
    public var id: String

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case id
    }

    public init(id: String) { self.id = id }
}

/// One line of what an image's making tells as it goes on; `event` says which fields there are.
public struct ImageProgress: Sendable, Hashable, Codable {
    /// `resolved`, `layer`, `step`, `log`, `image`, `error` or `heartbeat`.
    public var event: String
    /// `resolved`: the manifest's; `layer`: the blob's.
    public var digest: String?
    /// `resolved`.
    public var layers: Int?
    /// `layer`: `present`, `downloading`, `unpacking` or `done`.
    public var state: String?
    /// `layer`: how many of `total_bytes` are there, or unpacked.
    public var bytes: UInt64?
    public var totalBytes: UInt64?
    /// `step`: from 1 to `steps`.
    public var step: Int?
    public var steps: Int?
    /// `step`: the instruction; `log`: what it wrote, where that is UTF-8.
    public var text: String?
    public var textBase64: String?
    /// `step`: whether its result was there.
    public var cached: Bool?
    /// The end, when all went well.
    public var image: Image?
    /// The end, when it didn't.
    public var problem: Problem?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case event, digest, layers, state, bytes, step, steps, text, cached, image, problem
        case totalBytes = "total_bytes"
        case textBase64 = "text_base64"
    }

    public init(event: String) { self.event = event }
}
