import Foundation
import GRDB
import SandboxModel

/// Access tokens in `catalog.db`: a token that was handed out survives power loss.
public final class TokenStore: TokenRecords {
    private let catalog: DatabasePool

    init(catalog: DatabasePool) { self.catalog = catalog }

    public func secretHash(of tokenID: String) async throws -> [UInt8]? {
        let hash = try await catalog.read { database in
            try Data.fetchOne(database, sql: "SELECT secret_hash FROM tokens WHERE id = ?", arguments: [tokenID])
        }
        return hash.map { [UInt8]($0) }
    }

    public func add(tokenID: String, secretHash: [UInt8], at: Timestamp) async throws {
        try await catalog.write { database in
            try database.execute(
                sql: "INSERT INTO tokens (id, secret_hash, created_at) VALUES (?, ?, ?)",
                arguments: [tokenID, Data(secretHash), at.microseconds])
        }
    }

    public func tokenIDs() async throws -> [String] {
        try await catalog.read { database in
            try String.fetchAll(database, sql: "SELECT id FROM tokens ORDER BY created_at, id")
        }
    }
}
