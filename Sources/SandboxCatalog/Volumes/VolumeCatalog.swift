import Foundation
import GRDB
import SandboxModel

/// Volumes in `catalog.db`: a commit that was answered survives power loss.
public final class VolumeCatalog: VolumeRecords {
    /// How many there may be.
    private static let maximumCount = 10_000

    let catalog: DatabasePool

    init(catalog: DatabasePool) { self.catalog = catalog }

    public func outcome(
        of key: IdempotencyKey, by caller: Caller, at now: Timestamp
    ) async throws -> IdempotencyOutcome {
        try await catalog.read { database in try VolumeKeyRow.outcome(of: key, by: caller, at: now, database) }
    }

    public func add(_ volume: VolumeSnapshot, key: IdempotencyKey?, by caller: Caller) async throws -> VolumeAddition {
        try await catalog.write { database in
            if let row = try Self.find(.name(volume.name), database) {
                return .nameTaken(try VolumeRow.snapshot(row))
            }
            let totals = try Row.fetchOne(
                database, sql: "SELECT count(*), coalesce(max(created_at), 0) FROM volumes")
            let (count, last): (Int, Int64) = totals.map { ($0[0], $0[1]) } ?? (0, 0)
            guard count < Self.maximumCount else { return .full(rule: "at most \(Self.maximumCount) volumes") }
            var volume = volume
            volume.createdAt = Timestamp(microseconds: max(volume.createdAt.microseconds, last + 1))
            try VolumeRow.insert(volume, database)
            if let key { try VolumeKeyRow.insert(key, by: caller, for: volume.id, at: volume.changedAt, database) }
            return .added(volume)
        }
    }

    public func use(_ key: IdempotencyKey, by caller: Caller, for id: VolumeID, at now: Timestamp) async throws {
        try await catalog.write { database in try VolumeKeyRow.insert(key, by: caller, for: id, at: now, database) }
    }

    public func volume(_ reference: VolumeReference) async throws -> StoredVolume? {
        try await catalog.read { database in try Self.find(reference, database).map { try VolumeRow.stored($0) } }
    }

    public func volumes(before: Timestamp?, limit: Int) async throws -> VolumePage {
        try await catalog.read { database in
            let rows = try Row.fetchAll(
                database, sql: "SELECT * FROM volumes WHERE created_at < ? ORDER BY created_at DESC LIMIT ?",
                arguments: [before?.microseconds ?? Int64.max, limit + 1])
            let volumes = try rows.prefix(limit).map { try VolumeRow.snapshot($0) }
            return VolumePage(volumes: volumes, next: rows.count > limit ? volumes.last?.createdAt : nil)
        }
    }

    public func rename(_ id: VolumeID, to name: VolumeName) async throws -> VolumeSnapshot? {
        try await catalog.write { database in
            if let other = try Self.find(.name(name), database), other["id"] != id.text {
                throw CordonError.volumeNameTaken(try VolumeRow.snapshot(other))
            }
            try database.execute(sql: "UPDATE volumes SET name = ? WHERE id = ?", arguments: [name.text, id.text])
            return try Self.find(.id(id), database).map { try VolumeRow.snapshot($0) }
        }
    }

    public func remove(_ id: VolumeID) async throws -> [SandboxID]? {
        try await catalog.write { database in
            let users = try String.fetchAll(
                database, sql: "SELECT DISTINCT sandbox FROM volume_mounts WHERE volume = ?", arguments: [id.text])
            guard users.isEmpty else { return users.compactMap { SandboxID($0) } }
            try database.execute(sql: "DELETE FROM volumes WHERE id = ?", arguments: [id.text])
            return database.changesCount == 1 ? [] : nil
        }
    }

    static func find(_ reference: VolumeReference, _ database: Database) throws -> Row? {
        switch reference {
        case .id(let id):
            try Row.fetchOne(database, sql: "SELECT * FROM volumes WHERE id = ?", arguments: [id.text])
        case .name(let name):
            try Row.fetchOne(database, sql: "SELECT * FROM volumes WHERE name = ?", arguments: [name.text])
        }
    }
}
