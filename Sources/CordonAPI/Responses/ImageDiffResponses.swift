/// One page of what differs between two trees.
public struct ImageDiff: Sendable, Hashable, Codable {
    public var changes: [ImageChange]
    /// Pass it as `cursor` for the next page; null on the last.
    public var nextCursor: String?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case changes
        case nextCursor = "next_cursor"
    }

    public init(changes: [ImageChange], nextCursor: String?) {
        self.changes = changes
        self.nextCursor = nextCursor
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(changes, forKey: .changes)
        try container.encode(nextCursor, forKey: .nextCursor)
    }
}

/// A path at which two trees differ.
public struct ImageChange: Sendable, Hashable, Codable {
    /// Absolute; what of it isn't UTF-8 is replaced, and `path_base64` has the bytes.
    public var path: String
    public var pathBase64: String?
    /// `added`, `modified` or `removed`.
    public var kind: String
    /// Absent for what is added.
    public var before: ImageChangeSide?
    /// Absent for what is removed.
    public var after: ImageChangeSide?
    /// The lines that differ, as `diff -u` writes them: of small text files, where it was asked for.
    public var unified: String?
    /// Why there are none: `binary` or `too_large`.
    public var unifiedOmitted: String?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case path, kind, before, after, unified
        case pathBase64 = "path_base64"
        case unifiedOmitted = "unified_omitted"
    }

    public init(path: String, kind: String) {
        self.path = path
        self.kind = kind
    }
}

/// What is at a path on one side.
public struct ImageChangeSide: Sendable, Hashable, Codable {
    /// As in `FileInfo`.
    public var type: String
    public var sizeBytes: UInt64
    /// Permissions in octal.
    public var mode: String
    public var user: UInt32
    public var group: UInt32

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case type, mode, user, group
        case sizeBytes = "size_bytes"
    }

    public init(type: String, sizeBytes: UInt64, mode: String, user: UInt32, group: UInt32) {
        self.type = type
        self.sizeBytes = sizeBytes
        self.mode = mode
        self.user = user
        self.group = group
    }
}

/// Images as trees: each before what came of it.
public struct ImageTree: Sendable, Hashable, Codable {
    public var nodes: [ImageTreeNode]

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case nodes
    }

    public init(nodes: [ImageTreeNode]) { self.nodes = nodes }
}

/// An image's place among those that came of each other.
public struct ImageTreeNode: Sendable, Hashable, Codable {
    /// 0 for the top of a tree.
    public var depth: Int
    public var id: String
    public var kind: String
    public var names: [String]
    /// The node that this stands below.
    public var parent: String?
    /// The sandbox that it is a snapshot of.
    public var sandboxID: String?
    public var createdAt: APITime
    public var sizeBytes: UInt64
    public var layerCount: Int
    /// Whether the host's `/usr` has changed since it was made on it.
    public var hostChanged: Bool?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case depth, id, kind, names, parent
        case sandboxID = "sandbox_id"
        case createdAt = "created_at"
        case sizeBytes = "size_bytes"
        case layerCount = "layer_count"
        case hostChanged = "host_changed"
    }

    public init(
        depth: Int, id: String, kind: String, names: [String], parent: String?, sandboxID: String?, createdAt: APITime,
        sizeBytes: UInt64, layerCount: Int, hostChanged: Bool?
    ) {
        self.depth = depth
        self.id = id
        self.kind = kind
        self.names = names
        self.parent = parent
        self.sandboxID = sandboxID
        self.createdAt = createdAt
        self.sizeBytes = sizeBytes
        self.layerCount = layerCount
        self.hostChanged = hostChanged
    }
}
