import Foundation
import GRDB
import SandboxModel

/// What sandboxes have mounted, and what they publish.
extension VolumeCatalog {
    public func attach(_ mounts: [MountedVolume]) async throws -> [MountedVolume] {
        try await catalog.write { database in
            try mounts.map { mount in
                guard let row = try Self.find(.id(mount.volume), database) else {
                    throw CordonError.noVolume(.id(mount.volume))
                }
                var mount = mount
                mount.base = try VolumeRow.layers(row["layers"])
                try MountedVolumeRow.insert(mount, database)
                return mount
            }
        }
    }

    public func mounts(of sandbox: SandboxID) async throws -> [MountedVolume] {
        try await catalog.read { database in
            try Row.fetchAll(
                database, sql: "SELECT * FROM volume_mounts WHERE sandbox = ? ORDER BY path",
                arguments: [sandbox.text]
            ).map { try MountedVolumeRow.mount($0) }
        }
    }

    public func mounts() async throws -> [MountedVolume] {
        try await catalog.read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM volume_mounts ORDER BY rowid").map {
                try MountedVolumeRow.mount($0)
            }
        }
    }

    public func detach(_ sandbox: SandboxID, path: FilePath?) async throws {
        try await catalog.write { database in
            if let path {
                try database.execute(
                    sql: "DELETE FROM volume_mounts WHERE sandbox = ? AND path = ?",
                    arguments: [sandbox.text, path.text])
            } else {
                try database.execute(
                    sql: "DELETE FROM volume_mounts WHERE sandbox = ?", arguments: [sandbox.text])
            }
        }
    }

    public func publish(
        _ layer: LayerName, to id: VolumeID, from mount: MountedVolume?, at now: Timestamp
    ) async throws -> VolumeSnapshot? {
        try await catalog.write { database in
            guard let row = try Self.find(.id(id), database) else { return nil }
            let volume = try VolumeRow.stored(row)
            guard !volume.layers.contains(layer) else { return volume.snapshot }
            if let mount {
                try database.execute(
                    sql: "UPDATE volume_mounts SET published = ? WHERE sandbox = ? AND path = ?",
                    arguments: [layer.text, mount.sandbox.text, mount.path.text])
                guard database.changesCount == 1 else { return nil }
            }
            var next = volume.snapshot
            next.version += 1
            next.changedAt = now
            try database.execute(
                sql: "UPDATE volumes SET version = ?, changed_at = ?, layers = ? WHERE id = ?",
                arguments: [
                    next.version, now.microseconds, try RowShape.json((volume.layers + [layer]).map(\.text)), id.text,
                ])
            return next
        }
    }

    public func reloaded(_ mount: MountedVolume, to layers: [LayerName]) async throws {
        try await catalog.write { database in
            try database.execute(
                sql: "UPDATE volume_mounts SET base = ?, published = NULL WHERE sandbox = ? AND path = ?",
                arguments: [try RowShape.json(layers.map(\.text)), mount.sandbox.text, mount.path.text])
        }
    }

    public func replace(_ lowest: [LayerName], of id: VolumeID, with layer: LayerName) async throws -> Bool {
        try await catalog.write { database in
            guard let row = try Self.find(.id(id), database) else { return false }
            let layers = try VolumeRow.layers(row["layers"])
            guard layers.starts(with: lowest) else { return false }
            try database.execute(
                sql: "UPDATE volumes SET layers = ? WHERE id = ?",
                arguments: [
                    try RowShape.json([layer.text] + layers.dropFirst(lowest.count).map(\.text)), id.text,
                ])
            return true
        }
    }

    public func layersOfVolumes() async throws -> Set<LayerName> {
        try await catalog.read { database in
            var layers: Set<LayerName> = []
            let lists = try String.fetchAll(
                database, sql: "SELECT layers FROM volumes UNION SELECT base FROM volume_mounts")
            for list in lists { layers.formUnion(try VolumeRow.layers(list)) }
            return layers
        }
    }
}
