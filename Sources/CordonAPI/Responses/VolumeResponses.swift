/// A volume as the API shows it.
public struct Volume: Sendable, Hashable, Codable {
    public var id: String
    public var name: String
    /// Grows by one with every commit.
    public var version: Int
    public var createdAt: APITime
    /// When the latest commit was made, or it was created.
    public var changedAt: APITime

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case id, name, version
        case createdAt = "created_at"
        case changedAt = "changed_at"
    }

    public init(id: String, name: String, version: Int, createdAt: APITime, changedAt: APITime) {
        self.id = id
        self.name = name
        self.version = version
        self.createdAt = createdAt
        self.changedAt = changedAt
    }
}

/// One page of volumes, newest first.
public struct VolumeList: Sendable, Hashable, Codable {
    public var volumes: [Volume]
    /// Pass it as `cursor` for the next page; null on the last.
    public var nextCursor: String?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case volumes
        case nextCursor = "next_cursor"
    }

    public init(volumes: [Volume], nextCursor: String?) {
        self.volumes = volumes
        self.nextCursor = nextCursor
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(volumes, forKey: .volumes)
        try container.encode(nextCursor, forKey: .nextCursor)
    }
}

/// What became of a sandbox's writes to one volume.
public struct VolumeCommitResult: Sendable, Hashable, Codable {
    /// The volume's id.
    public var volume: String
    /// Where the sandbox sees it.
    public var path: String
    /// The volume's version that holds the writes.
    public var version: Int
    /// Whether there was anything to publish.
    public var changed: Bool

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case volume, path, version, changed
    }

    public init(volume: String, path: String, version: Int, changed: Bool) {
        self.volume = volume
        self.path = path
        self.version = version
        self.changed = changed
    }
}

/// The answer of `POST /v1/sandboxes/{id}/volumes/commit`.
public struct VolumeCommits: Sendable, Hashable, Codable {
    public var commits: [VolumeCommitResult]

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case commits
    }

    public init(commits: [VolumeCommitResult]) { self.commits = commits }
}
