/// A volume as everybody with a token may see it.
public struct VolumeSnapshot: Sendable, Hashable {
    public var id: VolumeID
    public var name: VolumeName
    /// Grows by one with every commit.
    public var version: Int
    /// Unique among all volumes: lists are ordered strictly by it.
    public var createdAt: Timestamp
    /// When the latest commit was made, or it was created.
    public var changedAt: Timestamp

    public init(id: VolumeID, name: VolumeName, version: Int, createdAt: Timestamp, changedAt: Timestamp) {
        self.id = id
        self.name = name
        self.version = version
        self.createdAt = createdAt
        self.changedAt = changedAt
    }
}

/// What becomes of a creation whose name is taken.
public enum ExistingVolumePolicy: String, Sendable, Hashable, CaseIterable {
    /// It is refused.
    case fail
    /// The volume that is there is the answer.
    case keep
}

/// A page of volumes, newest first.
public struct VolumePage: Sendable, Hashable {
    public var volumes: [VolumeSnapshot]
    /// Where the next page begins; nil on the last.
    public var next: Timestamp?

    public init(volumes: [VolumeSnapshot], next: Timestamp?) {
        self.volumes = volumes
        self.next = next
    }
}

/// What became of a sandbox's writes to one volume.
public struct VolumeCommit: Sendable, Hashable {
    public var volume: VolumeID
    /// Where the sandbox sees the volume.
    public var path: FilePath
    /// The volume's version that holds the writes.
    public var version: Int
    /// Whether there was anything to publish.
    public var isChanged: Bool

    public init(volume: VolumeID, path: FilePath, version: Int, isChanged: Bool) {
        self.volume = volume
        self.path = path
        self.version = version
        self.isChanged = isChanged
    }
}
