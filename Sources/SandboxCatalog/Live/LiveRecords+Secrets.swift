import Foundation
import GRDB
import SandboxModel

extension LiveRecords {
    public func secrets(of id: SandboxID) async throws -> SealedEnvironment? {
        try await live.read { database in
            let statement = try database.cachedStatement(
                sql: "SELECT key_id, sealed FROM sandbox_secrets WHERE sandbox = ?")
            return try Row.fetchOne(statement, arguments: [id.text]).map(Self.sealed)
        }
    }

    static func insert(_ secrets: SealedEnvironment, of id: SandboxID, in database: Database) throws {
        try database.cachedStatement(sql: "INSERT INTO sandbox_secrets (sandbox, key_id, sealed) VALUES (?, ?, ?)")
            .execute(arguments: [id.text, secrets.keyID, Data(secrets.bytes)])
    }

    static func forgetSecrets(of id: SandboxID, in database: Database) throws {
        try database.cachedStatement(sql: "DELETE FROM sandbox_secrets WHERE sandbox = ?").execute(arguments: [id.text])
    }

    public func sealed(
        withOtherThan keyID: String, after last: String, limit: Int
    ) async throws -> [SealedRecord] {
        try await live.read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT sandbox, key_id, sealed FROM sandbox_secrets WHERE key_id <> ? AND sandbox > ?
                    ORDER BY sandbox LIMIT ?
                    """, arguments: [keyID, last, limit]
            ).map { row in
                SealedRecord(
                    place: .sandbox(try RowShape.id(row["sandbox"], SandboxID.init)), sealed: Self.sealed(row))
            }
        }
    }

    public func reseal(_ records: [SealedRecord]) async throws {
        try await write { database in
            for record in records {
                guard case .sandbox(let id) = record.place else { continue }
                try database.execute(
                    sql: "UPDATE sandbox_secrets SET key_id = ?, sealed = ? WHERE sandbox = ?",
                    arguments: [record.sealed.keyID, Data(record.sealed.bytes), id.text])
            }
        }
    }

    private static func sealed(_ row: Row) -> SealedEnvironment {
        SealedEnvironment(keyID: row["key_id"], bytes: [UInt8](row["sealed"] as Data))
    }
}
