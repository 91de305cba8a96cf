/// What fronts ask about volumes. Every call throws `CordonError` alone.
public protocol VolumeService: Sendable {
    /// A repeat with the same key answers with the first's volume.
    func createVolume(
        _ name: VolumeName, ifExists: ExistingVolumePolicy, by caller: Caller, key: IdempotencyKey?
    ) async throws -> VolumeSnapshot
    /// `notFound` when there is none.
    func volume(_ reference: VolumeReference) async throws -> VolumeSnapshot
    /// A page, newest first, of those created before a time.
    func volumes(before: Timestamp?, limit: Int) async throws -> VolumePage
    /// `alreadyExists` when another volume has the name.
    func renameVolume(_ reference: VolumeReference, to name: VolumeName) async throws -> VolumeSnapshot
    /// `failedPrecondition` while a sandbox has it.
    func deleteVolume(_ reference: VolumeReference) async throws

    /// Opens a volume's files as they are now: `/` is the volume's root, later commits aren't seen. Nothing can be
    /// written. The caller closes what it gets.
    func readVolume(_ reference: VolumeReference) async throws -> any FileSession
    /// Changes a volume's files: all that `work` does is published at once when it returns, nothing when it throws.
    func changeVolume<Value: Sendable>(
        _ reference: VolumeReference, _ work: (any VolumeChange) async throws -> Value
    ) async throws -> Value

    /// Publishes what a running sandbox has written to its volumes: one answer for each that it may write to.
    func commitVolumes(of sandbox: SandboxID) async throws -> [VolumeCommit]
    /// Publishes, and then shows the sandbox what its volumes have become. `failedPrecondition` while a process of
    /// it has something open in one; those before that one are reloaded then.
    func reloadVolumes(of sandbox: SandboxID) async throws
}

/// A volume that is being changed: what one session writes, others see.
public protocol VolumeChange: Sendable {
    /// The caller closes what it gets.
    func openFiles() async throws -> any FileSession
}

extension VolumeService {
    /// Copies a regular file within a volume; one that is in the way is replaced.
    public func copyFile(_ path: FilePath, to other: FilePath, in reference: VolumeReference) async throws {
        try await changeVolume(reference) { change in
            let source = try await change.openFiles()
            defer { source.close() }
            let target = try await change.openFiles()
            defer { target.close() }
            let attributes = try await source.read(path, from: 0, upTo: .max)
            _ = try await target.write(FileWrite(path: other, mode: attributes.mode, atomic: true)) {
                try await source.nextPiece()
            }
        }
    }
}

/// What the engine asks about the volumes of sandboxes.
public protocol VolumeSource: Sendable {
    /// Puts on record that a sandbox is to have these volumes, as they are now, which are kept from here on. Answers
    /// what the machine's side mounts, and the mounts with their volumes' ids.
    func attach(_ mounts: [VolumeMount], to sandbox: SandboxID) async throws -> AttachedVolumes
    /// The sandbox never ran: nothing of it is published.
    func abandon(_ sandbox: SandboxID) async
    /// The sandbox is over: what it had not published yet is, and its volumes are free of it. What can't be done now is
    /// tried again later.
    func settle(_ sandbox: SandboxID) async
    /// Called once, after a start, with every sandbox that lives: all others are settled.
    func recover(living: Set<SandboxID>) async throws
}

/// Volumes that a sandbox is to have.
public struct AttachedVolumes: Sendable, Hashable {
    public var mounts: [VolumeMount]
    public var layers: [LayerMount]

    public static let none = AttachedVolumes(mounts: [], layers: [])

    public init(mounts: [VolumeMount], layers: [LayerMount]) {
        self.mounts = mounts
        self.layers = layers
    }
}

/// For a service without volumes.
public struct NoVolumes: VolumeService, VolumeSource {
    private static let missing = CordonError(.unimplemented, "this service has no volumes")

    public init() {}

    public func createVolume(
        _ name: VolumeName, ifExists: ExistingVolumePolicy, by caller: Caller, key: IdempotencyKey?
    ) async throws -> VolumeSnapshot { throw Self.missing }

    public func volume(_ reference: VolumeReference) async throws -> VolumeSnapshot {
        throw CordonError.noVolume(reference)
    }

    public func volumes(before: Timestamp?, limit: Int) async throws -> VolumePage {
        VolumePage(volumes: [], next: nil)
    }

    public func renameVolume(
        _ reference: VolumeReference, to name: VolumeName
    ) async throws -> VolumeSnapshot { throw CordonError.noVolume(reference) }

    public func deleteVolume(_ reference: VolumeReference) async throws { throw CordonError.noVolume(reference) }

    public func readVolume(_ reference: VolumeReference) async throws -> any FileSession {
        throw CordonError.noVolume(reference)
    }

    public func changeVolume<Value: Sendable>(
        _ reference: VolumeReference, _ work: (any VolumeChange) async throws -> Value
    ) async throws -> Value { throw CordonError.noVolume(reference) }

    public func commitVolumes(of sandbox: SandboxID) async throws -> [VolumeCommit] { [] }
    public func reloadVolumes(of sandbox: SandboxID) async throws {}

    public func attach(_ mounts: [VolumeMount], to sandbox: SandboxID) async throws -> AttachedVolumes {
        guard mounts.isEmpty else { throw Self.missing }
        return .none
    }

    public func abandon(_ sandbox: SandboxID) async {}
    public func settle(_ sandbox: SandboxID) async {}
    public func recover(living: Set<SandboxID>) async throws {}
}

extension CordonError {
    /// No volume has that name or id.
    public static func noVolume(_ reference: VolumeReference) -> CordonError {
        CordonError(
            .notFound, "there is no volume \(reference)", field: "volume", value: reference.description,
            rule: "the name or the id of one that was created")
    }

    /// Another volume has that name.
    public static func volumeNameTaken(_ volume: VolumeSnapshot) -> CordonError {
        CordonError(
            .alreadyExists, "there is a volume \(volume.name) already", field: "name", value: volume.name.text,
            rule: "a name is one volume's", detail: ["volume_id": volume.id.text])
    }
}
