/// The body of `POST /v1/sandboxes/{id}/snapshots`.
public struct CreateSnapshotRequest: Sendable, Hashable, Encodable {
    /// `filesystem` (unless said) or `directory`.
    public var kind: String?
    /// The directory, for that kind.
    public var path: String?
    /// When the image may be removed, from now; never unless said.
    public var ttlSeconds: Double?
    /// The client's own id: the same one gives the same image.
    public var snapshotID: String?
    /// A name for the image.
    public var name: String?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case kind, path, name
        case ttlSeconds = "ttl_seconds"
        case snapshotID = "snapshot_id"
    }

    public init(
        kind: String? = nil, path: String? = nil, ttlSeconds: Double? = nil, snapshotID: String? = nil,
        name: String? = nil
    ) {
        self.kind = kind
        self.path = path
        self.ttlSeconds = ttlSeconds
        self.snapshotID = snapshotID
        self.name = name
    }
}

/// The body of `POST /v1/sandboxes/{id}/mounts`.
public struct CreateMountRequest: Sendable, Hashable, Encodable {
    /// Made where there is none.
    public var path: String
    /// An image's id or name; an empty directory without one.
    public var image: String?
    public var readOnly: Bool?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case path, image
        case readOnly = "read_only"
    }

    public init(path: String, image: String? = nil, readOnly: Bool? = nil) {
        self.path = path
        self.image = image
        self.readOnly = readOnly
    }
}
