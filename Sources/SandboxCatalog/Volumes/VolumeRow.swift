import Foundation
import GRDB
import SandboxModel

/// The shape of a volume's row; what it holds is a JSON array of layers' names, lowest first.
enum VolumeRow {
    static func snapshot(_ row: Row) throws -> VolumeSnapshot {
        VolumeSnapshot(
            id: try RowShape.id(row["id"], VolumeID.init), name: try VolumeName(row["name"]), version: row["version"],
            createdAt: Timestamp(microseconds: row["created_at"]), changedAt: Timestamp(microseconds: row["changed_at"])
        )
    }

    static func stored(_ row: Row) throws -> StoredVolume {
        StoredVolume(snapshot: try snapshot(row), layers: try layers(row["layers"]))
    }

    static func layers(_ text: String) throws -> [LayerName] {
        try RowShape.decode([String].self, from: text).map { try RowShape.id($0) { LayerName($0) } }
    }

    static func insert(_ volume: VolumeSnapshot, _ database: Database) throws {
        try database.execute(
            sql: "INSERT INTO volumes (id, name, version, created_at, changed_at, layers) VALUES (?, ?, ?, ?, ?, '[]')",
            arguments: [
                volume.id.text, volume.name.text, volume.version, volume.createdAt.microseconds,
                volume.changedAt.microseconds,
            ])
    }
}

/// The shape of a mount's row.
enum MountedVolumeRow {
    static func mount(_ row: Row) throws -> MountedVolume {
        let (subPath, published): (String?, String?) = (row["sub_path"], row["published"])
        return MountedVolume(
            sandbox: try RowShape.id(row["sandbox"], SandboxID.init), path: try FilePath(row["path"]),
            volume: try RowShape.id(row["volume"], VolumeID.init), isReadOnly: row["read_only"],
            subPath: try subPath.map { try VolumePath($0) }, base: try VolumeRow.layers(row["base"]),
            published: try published.map { try RowShape.id($0) { LayerName($0) } })
    }

    static func insert(_ mount: MountedVolume, _ database: Database) throws {
        try database.execute(
            sql: """
                INSERT INTO volume_mounts (sandbox, path, volume, read_only, sub_path, base, published)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                mount.sandbox.text, mount.path.text, mount.volume.text, mount.isReadOnly ? 1 : 0, mount.subPath?.text,
                try RowShape.json(mount.base.map(\.text)), mount.published?.text,
            ])
    }
}

/// The idempotency keys that volumes were asked for with.
enum VolumeKeyRow {
    static func outcome(
        of key: IdempotencyKey, by caller: Caller, at now: Timestamp, _ database: Database
    ) throws -> IdempotencyOutcome {
        let row = try Row.fetchOne(
            database,
            sql: """
                SELECT body_hash, volume FROM volume_requests
                WHERE token = ? AND route = ? AND key = ? AND used_at > ?
                """, arguments: [caller.tokenID, key.route, key.key, oldest(at: now)])
        guard let row else { return .new }
        return [UInt8](row["body_hash"] as Data) == key.bodyHash ? .existing(row["volume"]) : .conflict
    }

    /// Adds a key, and forgets those whose time is over.
    static func insert(
        _ key: IdempotencyKey, by caller: Caller, for id: VolumeID, at now: Timestamp, _ database: Database
    ) throws {
        try database.execute(sql: "DELETE FROM volume_requests WHERE used_at <= ?", arguments: [oldest(at: now)])
        try database.execute(
            sql: """
                INSERT OR REPLACE INTO volume_requests (token, route, key, body_hash, volume, used_at)
                VALUES (?, ?, ?, ?, ?, ?)
                """,
            arguments: [caller.tokenID, key.route, key.key, Data(key.bodyHash), id.text, now.microseconds])
    }

    private static func oldest(at now: Timestamp) -> Int64 {
        now.microseconds - LiveRecords.keyLifetime.microseconds
    }
}
