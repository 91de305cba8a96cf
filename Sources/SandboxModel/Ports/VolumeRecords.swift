/// What is kept of volumes. A returned call survives loss of power.
public protocol VolumeRecords: Sendable {
    /// What a key turned out to be, without using it; `existing` with a volume's id.
    func outcome(of key: IdempotencyKey, by caller: Caller, at now: Timestamp) async throws -> IdempotencyOutcome
    /// Writes a new volume and the key that it was asked for with, in one transaction. Its time of creation
    /// becomes unique. Nothing is written unless it is `added`.
    func add(_ volume: VolumeSnapshot, key: IdempotencyKey?, by caller: Caller) async throws -> VolumeAddition
    /// Remembers that a key's request was answered with this volume.
    func use(_ key: IdempotencyKey, by caller: Caller, for id: VolumeID, at now: Timestamp) async throws
    func volume(_ reference: VolumeReference) async throws -> StoredVolume?
    /// Newest first, those created before a time.
    func volumes(before: Timestamp?, limit: Int) async throws -> VolumePage
    /// nil when there is none; throws `alreadyExists` when another volume has the name.
    func rename(_ id: VolumeID, to name: VolumeName) async throws -> VolumeSnapshot?
    /// Removes a volume that no mount is of; answers the sandboxes that have it, none once it is removed. nil when
    /// there is none.
    func remove(_ id: VolumeID) async throws -> [SandboxID]?

    /// Writes down mounts of a sandbox's, all or none of them, with what their volumes' heads are in that moment;
    /// answers them with it. Throws `notFound` for a volume that is none.
    func attach(_ mounts: [MountedVolume]) async throws -> [MountedVolume]
    /// Every mount of a sandbox's, in the order of their paths.
    func mounts(of sandbox: SandboxID) async throws -> [MountedVolume]
    /// Everything that is mounted anywhere, oldest first.
    func mounts() async throws -> [MountedVolume]
    /// Forgets mounts: all of a sandbox's, or the one at a path.
    func detach(_ sandbox: SandboxID, path: FilePath?) async throws
    /// Puts `layer` on top of the volume's head, and writes down that the mount, if one is named, has published until
    /// there, in one transaction. nil, and nothing is written, when volume or mount are on record no more.
    func publish(
        _ layer: LayerName, to id: VolumeID, from mount: MountedVolume?, at now: Timestamp
    ) async throws -> VolumeSnapshot?
    /// Writes down what a mount shows from now on.
    func reloaded(_ mount: MountedVolume, to layers: [LayerName]) async throws
    /// Puts one layer in the place of the lowest layers of a head, which must still be these. False when they aren't.
    func replace(_ lowest: [LayerName], of id: VolumeID, with layer: LayerName) async throws -> Bool
    /// Every layer that a volume or a mount stands on.
    func layersOfVolumes() async throws -> Set<LayerName>
}

/// What became of a new volume.
public enum VolumeAddition: Sendable, Hashable {
    case added(VolumeSnapshot)
    case nameTaken(VolumeSnapshot)
    /// There are as many as may be.
    case full(rule: String)
}

/// A volume on record.
public struct StoredVolume: Sendable, Hashable {
    public var snapshot: VolumeSnapshot
    /// What it holds, lowest first.
    public var layers: [LayerName]

    public init(snapshot: VolumeSnapshot, layers: [LayerName]) {
        self.snapshot = snapshot
        self.layers = layers
    }
}

/// A volume that a sandbox has at a path.
public struct MountedVolume: Sendable, Hashable {
    public var sandbox: SandboxID
    public var path: FilePath
    public var volume: VolumeID
    public var isReadOnly: Bool
    public var subPath: VolumePath?
    /// What its own writes lie on: the volume as it was when the sandbox started, or last reloaded it.
    public var base: [LayerName]
    /// The latest layer that was published from it since; nil for none.
    public var published: LayerName?

    public init(
        sandbox: SandboxID, path: FilePath, volume: VolumeID, isReadOnly: Bool, subPath: VolumePath?,
        base: [LayerName] = [], published: LayerName? = nil
    ) {
        self.sandbox = sandbox
        self.path = path
        self.volume = volume
        self.isReadOnly = isReadOnly
        self.subPath = subPath
        self.base = base
        self.published = published
    }
}
