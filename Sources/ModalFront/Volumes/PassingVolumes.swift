import SandboxModel

/// Volumes without a name, which are there for as long as their client says that it is: every five minutes. Those of
/// clients that have gone are removed once another is made.
actor PassingVolumes {
    private static let prefix = "modal-ephemeral."
    private static let lifetime = Duration.seconds(1800)

    private let volumes: any VolumeService
    private var beats: [VolumeID: ContinuousClock.Instant] = [:]
    /// Those of a time before this process get as long as all others.
    private let start = ContinuousClock.now

    init(volumes: any VolumeService) { self.volumes = volumes }

    static func owns(_ name: VolumeName) -> Bool { name.text.hasPrefix(prefix) }

    func make(by caller: Caller) async throws -> VolumeSnapshot {
        await removeLeft()
        let name = try VolumeName(Self.prefix + VolumeID.mint().text.dropFirst(VolumeID.prefix.count))
        let volume = try await volumes.createVolume(name, ifExists: .fail, by: caller, key: nil)
        beats[volume.id] = .now
        return volume
    }

    func beat(_ reference: VolumeReference) { if case .id(let id) = reference { beats[id] = .now } }

    private func removeLeft() async {
        var before: Timestamp?
        while let page = try? await volumes.volumes(before: before, limit: 1000) {
            for volume in page.volumes where Self.owns(volume.name) {
                guard (beats[volume.id] ?? start) + Self.lifetime < .now else { continue }
                // One that a sandbox still has goes later.
                guard (try? await volumes.deleteVolume(.id(volume.id))) != nil else { continue }
                beats[volume.id] = nil
            }
            guard let next = page.next else { break }
            before = next
        }
    }
}
