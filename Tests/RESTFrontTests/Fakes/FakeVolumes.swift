import SandboxModel
import Synchronization

/// Volumes in memory, all with the fake service's files.
final class FakeVolumes: VolumeService {
    private let service: FakeService
    private let all = Mutex<[VolumeSnapshot]>([])

    init(_ service: FakeService) { self.service = service }

    func createVolume(
        _ name: VolumeName, ifExists: ExistingVolumePolicy, by caller: Caller, key: IdempotencyKey?
    ) async throws -> VolumeSnapshot {
        try all.withLock { all in
            if let there = all.first(where: { $0.name == name }) {
                guard ifExists == .keep else { throw CordonError.volumeNameTaken(there) }
                return there
            }
            let now = Timestamp(microseconds: Int64(all.count) + 1)
            let volume = VolumeSnapshot(id: .mint(), name: name, version: 1, createdAt: now, changedAt: now)
            all.append(volume)
            return volume
        }
    }

    func volume(_ reference: VolumeReference) async throws -> VolumeSnapshot {
        guard let found = all.withLock({ $0.first { Self.is($0, reference) } }) else {
            throw CordonError.noVolume(reference)
        }
        return found
    }

    private static func `is`(_ volume: VolumeSnapshot, _ reference: VolumeReference) -> Bool {
        reference == .id(volume.id) || reference == .name(volume.name)
    }

    func volumes(before: Timestamp?, limit: Int) async throws -> VolumePage {
        let found = all.withLock { all in
            all.reversed().filter { volume in before.map { volume.createdAt < $0 } ?? true }
        }
        return VolumePage(
            volumes: Array(found.prefix(limit)), next: found.count > limit ? found[limit - 1].createdAt : nil)
    }

    func renameVolume(_ reference: VolumeReference, to name: VolumeName) async throws -> VolumeSnapshot {
        let found = try await volume(reference)
        return try all.withLock { all in
            guard let index = all.firstIndex(where: { $0.id == found.id }) else {
                throw CordonError.noVolume(reference)
            }
            all[index].name = name
            return all[index]
        }
    }

    func deleteVolume(_ reference: VolumeReference) async throws {
        let found = try await volume(reference)
        all.withLock { $0.removeAll { $0.id == found.id } }
    }

    func readVolume(_ reference: VolumeReference) async throws -> any FileSession {
        _ = try await volume(reference)
        return FakeFileSession(service: service)
    }

    func changeVolume<Value: Sendable>(
        _ reference: VolumeReference, _ work: (any VolumeChange) async throws -> Value
    ) async throws -> Value {
        _ = try await volume(reference)
        return try await work(Change(service: service))
    }

    func commitVolumes(of sandbox: SandboxID) async throws -> [VolumeCommit] {
        [VolumeCommit(volume: .mint(), path: try FilePath("/v"), version: 2, isChanged: true)]
    }

    func reloadVolumes(of sandbox: SandboxID) async throws {
        throw CordonError(.failedPrecondition, "something is open there")
    }

    private struct Change: VolumeChange {
        let service: FakeService
        func openFiles() async throws -> any FileSession { FakeFileSession(service: service) }
    }
}
