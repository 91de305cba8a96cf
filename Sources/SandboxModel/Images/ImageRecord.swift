/// Where an image is from.
public enum ImageKind: String, Sendable, Hashable, CaseIterable {
    case registry, archive, build, snapshot
}

/// An image that sandboxes can be made from. It never changes; what points to it does.
public struct ImageRecord: Sendable, Hashable {
    /// Left-out paths that are kept.
    public static let maximumLeftOut = 100

    public var id: ImageID
    public var kind: ImageKind
    public var root: RootImage
    public var config: ImageConfig
    /// References that point to it, in order.
    public var names: [String]
    /// What the registry knows it by.
    public var manifest: ContentDigest?
    public var parent: ImageID?
    /// The sandbox that it is a snapshot of.
    public var sandbox: SandboxID?
    /// Unique among images: lists are ordered strictly by it.
    public var createdAt: Timestamp
    /// When it may be removed; nil for never.
    public var expiresAt: Timestamp?
    /// Of all layers' regular files.
    public var bytes: UInt64
    public var entries: UInt64
    /// What its layers had that no layer can hold: devices and sockets; the first hundred.
    public var leftOut: [String]
    public var leftOutCount: UInt64
    /// How the host's `/usr` was when the first of its layers was made; nil where none lies on it, or nobody knows.
    public var hostPrint: String?
    /// Whether that has changed since, as it was observed; nil likewise.
    public var hostHasChanged: Bool?

    public init(
        id: ImageID, kind: ImageKind, root: RootImage, config: ImageConfig = .none, names: [String] = [],
        manifest: ContentDigest? = nil, parent: ImageID? = nil, sandbox: SandboxID? = nil, createdAt: Timestamp,
        expiresAt: Timestamp? = nil, bytes: UInt64 = 0, entries: UInt64 = 0, leftOut: [String] = [],
        leftOutCount: UInt64 = 0, hostPrint: String? = nil
    ) {
        self.id = id
        self.kind = kind
        self.root = root
        self.config = config
        self.names = names
        self.manifest = manifest
        self.parent = parent
        self.sandbox = sandbox
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        self.bytes = bytes
        self.entries = entries
        self.leftOut = leftOut
        self.leftOutCount = leftOutCount
        self.hostPrint = hostPrint
    }
}

/// What a client calls an image: `host`, an image's id, or a reference.
public enum ImageName: Sendable, Hashable, CustomStringConvertible {
    case host
    case id(ImageID)
    case reference(ImageReference)

    /// Throws `invalidArgument` for `field`.
    public init(_ text: String, field: String = "image") throws(CordonError) {
        if text == "host" {
            self = .host
        } else if let id = ImageID(text) {
            self = .id(id)
        } else {
            self = .reference(try ImageReference(text, field: field))
        }
    }

    public var description: String {
        switch self {
        case .host: "host"
        case .id(let id): id.text
        case .reference(let reference): reference.description
        }
    }
}

/// Which images a list holds, newest first.
public struct ImageQuery: Sendable, Hashable {
    /// Only those created before this time: a page's cursor.
    public var before: Timestamp?
    /// 1–1,000.
    public var limit: Int

    public init(before: Timestamp? = nil, limit: Int = 100) { (self.before, self.limit) = (before, limit) }
}

/// One page of images.
public struct ImagePage: Sendable {
    public var images: [ImageRecord]
    /// Where the next page starts; nil when this is the last.
    public var next: Timestamp?

    public init(images: [ImageRecord], next: Timestamp?) { (self.images, self.next) = (images, next) }
}
