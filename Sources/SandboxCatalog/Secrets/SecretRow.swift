import Foundation
import GRDB
import SandboxModel

/// The shape of a secret's row.
enum SecretRow {
    static func snapshot(_ row: Row) throws -> SecretSnapshot {
        SecretSnapshot(
            id: try RowShape.id(row["id"], SecretID.init), name: try SecretName(row["name"]),
            keys: try RowShape.decode([String].self, from: row["keys"]), version: row["version"],
            createdAt: Timestamp(microseconds: row["created_at"]), updatedAt: Timestamp(microseconds: row["updated_at"])
        )
    }

    static func stored(_ row: Row) throws -> StoredSecret {
        StoredSecret(
            snapshot: try snapshot(row),
            sealed: SealedEnvironment(keyID: row["key_id"], bytes: [UInt8](row["sealed"] as Data)))
    }

    static func insert(_ secret: StoredSecret, _ database: Database) throws {
        let snapshot = secret.snapshot
        try database.execute(
            sql: """
                INSERT INTO secrets (id, name, version, created_at, updated_at, key_id, keys, sealed)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                snapshot.id.text, snapshot.name.text, snapshot.version, snapshot.createdAt.microseconds,
                snapshot.updatedAt.microseconds, secret.sealed.keyID, try RowShape.json(snapshot.keys),
                Data(secret.sealed.bytes),
            ])
    }

    /// Writes the next version over the one before; false when that isn't there any more.
    static func update(_ next: StoredSecret, _ database: Database) throws -> Bool {
        try database.execute(
            sql: """
                UPDATE secrets SET version = ?, updated_at = ?, key_id = ?, keys = ?, sealed = ?
                WHERE id = ? AND version = ?
                """,
            arguments: [
                next.snapshot.version, next.snapshot.updatedAt.microseconds, next.sealed.keyID,
                try RowShape.json(next.snapshot.keys), Data(next.sealed.bytes), next.snapshot.id.text,
                next.snapshot.version - 1,
            ])
        return database.changesCount == 1
    }
}

/// The idempotency keys that secrets were asked for with: never a body, only its keyed hash.
enum SecretKeyRow {
    static func outcome(
        of key: IdempotencyKey, by caller: Caller, at now: Timestamp, _ database: Database
    ) throws -> IdempotencyOutcome {
        let row = try Row.fetchOne(
            database,
            sql: """
                SELECT body_hash, secret FROM secret_requests
                WHERE token = ? AND route = ? AND key = ? AND used_at > ?
                """, arguments: [caller.tokenID, key.route, key.key, oldest(at: now)])
        guard let row else { return .new }
        return [UInt8](row["body_hash"] as Data) == key.bodyHash ? .existing(row["secret"]) : .conflict
    }

    /// Adds a key, and forgets those whose time is over.
    static func insert(
        _ key: IdempotencyKey, by caller: Caller, for id: SecretID, at now: Timestamp, _ database: Database
    ) throws {
        try database.execute(sql: "DELETE FROM secret_requests WHERE used_at <= ?", arguments: [oldest(at: now)])
        try database.execute(
            sql: """
                INSERT OR REPLACE INTO secret_requests (token, route, key, body_hash, secret, used_at)
                VALUES (?, ?, ?, ?, ?, ?)
                """,
            arguments: [caller.tokenID, key.route, key.key, Data(key.bodyHash), id.text, now.microseconds])
    }

    private static func oldest(at now: Timestamp) -> Int64 {
        now.microseconds - LiveRecords.keyLifetime.microseconds
    }
}
