import Foundation
import GRDB
import SandboxModel

/// Secrets in `catalog.db`: one that was answered survives power loss, and its values are on disk only sealed.
public final class SecretStore: SecretRecords {
    /// How many there may be, and how large all of them together.
    private static let maximumCount = 10_000
    private static let maximumBytes = 256 << 20
    /// Names of keys on one page, but for the last secret on it.
    private static let pageBytes = 256 << 10

    let catalog: DatabasePool

    init(catalog: DatabasePool) { self.catalog = catalog }

    public func outcome(
        of key: IdempotencyKey, by caller: Caller, at now: Timestamp
    ) async throws -> IdempotencyOutcome {
        try await catalog.read { database in try SecretKeyRow.outcome(of: key, by: caller, at: now, database) }
    }

    public func add(_ secret: StoredSecret, key: IdempotencyKey?, by caller: Caller) async throws -> SecretAddition {
        try await catalog.write { database in
            if let row = try Self.find(.name(secret.snapshot.name), database) {
                return .nameTaken(try SecretRow.snapshot(row))
            }
            let (count, bytes, last) = try Self.totals(database)
            guard count < Self.maximumCount else { return .full(rule: "at most \(Self.maximumCount) secrets") }
            guard bytes + secret.sealed.bytes.count <= Self.maximumBytes else {
                return .full(rule: "at most \(Self.maximumBytes) bytes in all secrets")
            }
            var secret = secret
            secret.snapshot.createdAt = Timestamp(microseconds: max(secret.snapshot.createdAt.microseconds, last + 1))
            try SecretRow.insert(secret, database)
            if let key {
                try SecretKeyRow.insert(
                    key, by: caller, for: secret.snapshot.id, at: secret.snapshot.updatedAt, database)
            }
            return .added(secret.snapshot)
        }
    }

    public func secret(_ reference: SecretReference) async throws -> StoredSecret? {
        try await catalog.read { database in try Self.find(reference, database).map { try SecretRow.stored($0) } }
    }

    public func secrets(before: Timestamp?, limit: Int) async throws -> SecretPage {
        try await catalog.read { database in
            let rows = try Row.fetchCursor(
                database,
                sql: """
                    SELECT id, name, keys, version, created_at, updated_at FROM secrets WHERE created_at < ?
                    ORDER BY created_at DESC
                    """, arguments: [before?.microseconds ?? Int64.max])
            var page = SecretPage(secrets: [], next: nil)
            var bytes = 0
            while let row = try rows.next() {
                guard page.secrets.count < limit, bytes < Self.pageBytes else {
                    page.next = page.secrets.last?.createdAt
                    break
                }
                bytes += (row["keys"] as String).utf8.count
                page.secrets.append(try SecretRow.snapshot(row))
            }
            return page
        }
    }

    public func replace(
        with next: StoredSecret, key: IdempotencyKey?, by caller: Caller?
    ) async throws -> Bool {
        try await catalog.write { database in
            guard try SecretRow.update(next, database) else { return false }
            if let key, let caller {
                try SecretKeyRow.insert(key, by: caller, for: next.snapshot.id, at: next.snapshot.updatedAt, database)
            }
            return true
        }
    }

    public func use(_ key: IdempotencyKey, by caller: Caller, for id: SecretID, at now: Timestamp) async throws {
        try await catalog.write { database in try SecretKeyRow.insert(key, by: caller, for: id, at: now, database) }
    }

    public func remove(_ reference: SecretReference) async throws -> Bool {
        try await catalog.write { database in
            let (column, text) = Self.condition(reference)
            try database.execute(sql: "DELETE FROM secrets WHERE \(column) = ?", arguments: [text])
            return database.changesCount == 1
        }
    }

    /// How many there are, how large, and when the latest was made.
    private static func totals(_ database: Database) throws -> (count: Int, bytes: Int, last: Int64) {
        let row = try Row.fetchOne(
            database,
            sql: "SELECT count(*), coalesce(sum(length(sealed)), 0), coalesce(max(created_at), 0) FROM secrets")
        guard let row else { return (0, 0, 0) }
        return (row[0], row[1], row[2])
    }

    private static func find(_ reference: SecretReference, _ database: Database) throws -> Row? {
        let (column, text) = condition(reference)
        return try Row.fetchOne(database, sql: "SELECT * FROM secrets WHERE \(column) = ?", arguments: [text])
    }

    private static func condition(_ reference: SecretReference) -> (column: String, text: String) {
        switch reference {
        case .id(let id): ("id", id.text)
        case .name(let name): ("name", name.text)
        }
    }
}

extension SecretStore {
    public func sealed(
        withOtherThan keyID: String, after last: String, limit: Int
    ) async throws -> [SealedRecord] {
        try await catalog.read { database in
            try Row.fetchAll(
                database,
                sql: "SELECT id, version, key_id, sealed FROM secrets WHERE key_id <> ? AND id > ? ORDER BY id LIMIT ?",
                arguments: [keyID, last, limit]
            ).map { row in
                SealedRecord(
                    place: .secret(try RowShape.id(row["id"], SecretID.init), version: row["version"]),
                    sealed: SealedEnvironment(keyID: row["key_id"], bytes: [UInt8](row["sealed"] as Data)))
            }
        }
    }

    public func reseal(_ records: [SealedRecord]) async throws {
        try await catalog.write { database in
            for record in records {
                guard case .secret(let id, let version) = record.place else { continue }
                try database.execute(
                    sql: "UPDATE secrets SET key_id = ?, sealed = ? WHERE id = ? AND version = ?",
                    arguments: [record.sealed.keyID, Data(record.sealed.bytes), id.text, version])
            }
        }
    }
}
