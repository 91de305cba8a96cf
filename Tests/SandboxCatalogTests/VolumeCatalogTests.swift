import Foundation
import Logging
import SandboxCatalog
import SandboxModel
import Testing

@Suite("Volumes on record")
struct VolumeCatalogTests {
    private let caller = Caller(tokenID: "tk-x")
    private let now = Timestamp(microseconds: 1_000_000)

    private func withCatalog(_ body: (VolumeCatalog) async throws -> Void) async throws {
        let path = NSTemporaryDirectory() + "volumes-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path) }
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        try await body(try Catalog(directory: path, logger: logger).volumes)
    }

    private func added(_ name: String, to volumes: VolumeCatalog, key: IdempotencyKey? = nil) async throws
        -> VolumeSnapshot
    {
        let fresh = VolumeSnapshot(
            id: .mint(), name: try VolumeName(name), version: 1, createdAt: now, changedAt: now)
        guard case .added(let volume) = try await volumes.add(fresh, key: key, by: caller) else {
            throw CordonError(.internal, "not added")
        }
        return volume
    }

    private func layer(_ name: String) throws -> LayerName { try #require(LayerName(name)) }

    private func mount(_ volume: VolumeSnapshot, _ path: String = "/v") throws -> MountedVolume {
        MountedVolume(
            sandbox: .mint(lead: "abcd"), path: try FilePath(path), volume: volume.id, isReadOnly: false,
            subPath: try VolumePath("a/b"))
    }

    @Test("a name is one volume's; times of creation are unique, and order pages")
    func names() async throws {
        try await withCatalog { volumes in
            let first = try await added("a", to: volumes)
            let second = try await added("b", to: volumes)
            #expect(second.createdAt.microseconds == first.createdAt.microseconds + 1)
            let again = VolumeSnapshot(id: .mint(), name: first.name, version: 1, createdAt: now, changedAt: now)
            #expect(try await volumes.add(again, key: nil, by: caller) == .nameTaken(first))
            let page = try await volumes.volumes(before: nil, limit: 1)
            #expect(page.volumes == [second])
            #expect(try await volumes.volumes(before: page.next, limit: 1).volumes == [first])
            await #expect(throws: CordonError.self) { try await volumes.rename(second.id, to: first.name) }
            #expect(try await volumes.rename(first.id, to: VolumeName("c"))?.name.text == "c")
        }
    }

    @Test("a key stands for one request, and for the volume that it made")
    func keys() async throws {
        try await withCatalog { volumes in
            let key = IdempotencyKey(key: "k", route: "POST /v1/volumes", bodyHash: [1])
            let volume = try await added("a", to: volumes, key: key)
            let later = Timestamp(microseconds: now.microseconds + 1)
            #expect(try await volumes.outcome(of: key, by: caller, at: later) == .existing(volume.id.text))
            let other = IdempotencyKey(key: "k", route: "POST /v1/volumes", bodyHash: [2])
            #expect(try await volumes.outcome(of: other, by: caller, at: later) == .conflict)
        }
    }

    @Test("a mount stands on the head of its moment, and what it publishes is on the head and on the mount at once")
    func publishing() async throws {
        try await withCatalog { volumes in
            let volume = try await added("a", to: volumes)
            let (one, two) = (try layer("one"), try layer("two"))
            _ = try await volumes.publish(one, to: volume.id, from: nil, at: now)
            let mount = try #require(try await volumes.attach([try mount(volume)]).first)
            #expect(mount.base == [one])
            let next = try #require(try await volumes.publish(two, to: volume.id, from: mount, at: now))
            #expect(next.version == 3)
            #expect(try await volumes.publish(two, to: volume.id, from: mount, at: now) == next, "told again")
            #expect(try await volumes.volume(.name(volume.name))?.layers == [one, two])
            let kept = try #require(try await volumes.mounts(of: mount.sandbox).first)
            #expect(kept.published == two && kept.base == [one] && kept.subPath?.text == "a/b")
            #expect(try await volumes.remove(volume.id) == [mount.sandbox], "it is in use")
            try await volumes.detach(mount.sandbox, path: nil)
            #expect(try await volumes.publish(try layer("three"), to: volume.id, from: mount, at: now) == nil)
            #expect(try await volumes.volume(.id(volume.id))?.layers == [one, two], "and nothing was put on it")
            #expect(try await volumes.remove(volume.id) == [])
            #expect(try await volumes.remove(volume.id) == nil)
        }
    }

    @Test("merged layers go from the head once nothing has changed below, and stay known while a mount has them")
    func merging() async throws {
        try await withCatalog { volumes in
            let volume = try await added("a", to: volumes)
            let names = try ["one", "two", "three"].map(layer)
            for name in names.prefix(2) { _ = try await volumes.publish(name, to: volume.id, from: nil, at: now) }
            let mount = try #require(try await volumes.attach([try mount(volume)]).first)
            _ = try await volumes.publish(names[2], to: volume.id, from: nil, at: now)
            let merged = try layer("merged")
            #expect(try await volumes.replace(Array(names.prefix(2)), of: volume.id, with: merged))
            #expect(try await volumes.volume(.id(volume.id))?.layers == [merged, names[2]])
            #expect(try await !volumes.replace(Array(names.prefix(2)), of: volume.id, with: merged))
            #expect(try await volumes.layersOfVolumes() == Set(names + [merged]))
            try await volumes.reloaded(mount, to: [merged])
            #expect(try await volumes.layersOfVolumes() == [merged, names[2]])
        }
    }
}
