import Foundation
import GRDB
import SandboxModel

extension LiveRecords {
    public func outcome(
        of key: IdempotencyKey, by caller: Caller, in sandbox: SandboxID?, at now: Timestamp
    ) async throws -> IdempotencyOutcome {
        try await live.read { database in
            switch try KeyRow.find(key, by: caller, in: database) {
            case .some(let row) where row.isValid(at: now): row.outcome(for: key, in: sandbox)
            default: .new
            }
        }
    }

    public func begin(
        _ sandbox: SandboxSnapshot, events: [SandboxEvent], secrets: SealedEnvironment?, key: IdempotencyKey?,
        by caller: Caller
    ) async throws -> IdempotencyOutcome {
        let spec = try RowShape.json(SandboxSpecRow(sandbox.spec))
        return try await write { database in
            if let key, let outcome = try KeyRow.earlier(key, by: caller, in: nil, at: sandbox.createdAt, database) {
                return outcome
            }
            try database.cachedStatement(
                sql: "INSERT INTO sandboxes (id, app_id, state, created_at, spec) VALUES (?, ?, 'creating', ?, ?)"
            ).execute(arguments: [sandbox.id.text, sandbox.appID.text, sandbox.createdAt.microseconds, spec])
            try Self.insertTags(sandbox.spec.tags, of: sandbox.id, in: database)
            for event in events { try Self.insert(event, of: sandbox.id, in: database) }
            if let secrets { try Self.insert(secrets, of: sandbox.id, in: database) }
            if let key {
                try KeyRow.insert(key, by: caller, sandbox: sandbox.id, exec: nil, at: sandbox.createdAt, database)
            }
            return .new
        }
    }

    public func beginExec(
        _ exec: ExecSnapshot, key: IdempotencyKey?, by caller: Caller
    ) async throws -> IdempotencyOutcome {
        let spec = try RowShape.json(ExecSpecRow(exec.spec))
        return try await write { database in
            if let key,
                let outcome = try KeyRow.earlier(key, by: caller, in: exec.sandbox, at: exec.createdAt, database)
            {
                return outcome
            }
            try database.cachedStatement(
                sql: """
                    INSERT INTO execs (sandbox, id, state, created_at, spec) VALUES (?, ?, 'starting', ?, ?)
                    ON CONFLICT (sandbox, id) DO NOTHING
                    """
            ).execute(arguments: [exec.sandbox.text, exec.id.text, exec.createdAt.microseconds, spec])
            guard database.changesCount == 1 else { return .existing(exec.id.text) }
            if let key {
                try KeyRow.insert(
                    key, by: caller, sandbox: exec.sandbox, exec: exec.id, at: exec.createdAt, database)
            }
            return .new
        }
    }

    public func use(
        _ key: IdempotencyKey, by caller: Caller, on exec: ExecID, of id: SandboxID, result: String, at now: Timestamp
    ) async throws -> IdempotencyOutcome {
        try await write { database in
            if let outcome = try KeyRow.earlier(key, by: caller, in: id, at: now, database) { return outcome }
            // An exec whose record was trimmed, or isn't written yet: the key hangs on the sandbox alone.
            let isOnRecord = try Bool.fetchOne(
                database.cachedStatement(sql: "SELECT EXISTS (SELECT 1 FROM execs WHERE sandbox = ? AND id = ?)"),
                arguments: [id.text, exec.text])
            try KeyRow.insert(
                key, by: caller, sandbox: id, exec: isOnRecord == true ? exec : nil, result: result, at: now, database)
            return .new
        }
    }

    public func free(_ key: IdempotencyKey, by caller: Caller) async throws {
        try await write { database in try KeyRow.remove(key, by: caller, database) }
    }
}

/// What is remembered of an idempotency key: never the body, only its keyed hash.
struct KeyRow {
    var bodyHash: [UInt8]
    var sandbox: String
    var exec: String?
    /// What a repeat is answered with; nil for what was made.
    var result: String?
    var usedAt: Int64

    static func find(_ key: IdempotencyKey, by caller: Caller, in database: Database) throws -> KeyRow? {
        let statement = try database.cachedStatement(
            sql: """
                SELECT body_hash, sandbox, exec, result, used_at FROM idempotency
                WHERE token = ? AND route = ? AND key = ?
                """)
        return try Row.fetchOne(statement, arguments: [caller.tokenID, key.route, key.key]).map { row in
            KeyRow(
                bodyHash: [UInt8](row["body_hash"] as Data), sandbox: row["sandbox"], exec: row["exec"],
                result: row["result"], usedAt: row["used_at"])
        }
    }

    /// The earlier use that decides, or nil when the key is free; one that is over is removed.
    static func earlier(
        _ key: IdempotencyKey, by caller: Caller, in sandbox: SandboxID?, at now: Timestamp, _ database: Database
    ) throws -> IdempotencyOutcome? {
        guard let row = try find(key, by: caller, in: database) else { return nil }
        if row.isValid(at: now) { return row.outcome(for: key, in: sandbox) }
        try remove(key, by: caller, database)
        return nil
    }

    static func remove(_ key: IdempotencyKey, by caller: Caller, _ database: Database) throws {
        try database.cachedStatement(sql: "DELETE FROM idempotency WHERE token = ? AND route = ? AND key = ?")
            .execute(arguments: [caller.tokenID, key.route, key.key])
    }

    static func insert(
        _ key: IdempotencyKey, by caller: Caller, sandbox: SandboxID, exec: ExecID?, result: String? = nil,
        at now: Timestamp, _ database: Database
    ) throws {
        try database.cachedStatement(
            sql: """
                INSERT INTO idempotency (token, route, key, body_hash, sandbox, exec, result, used_at)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """
        ).execute(arguments: [
            caller.tokenID, key.route, key.key, Data(key.bodyHash), sandbox.text, exec?.text, result,
            now.microseconds,
        ])
    }

    func isValid(at now: Timestamp) -> Bool {
        now.microseconds - usedAt < LiveRecords.keyLifetime.microseconds
    }

    func outcome(for key: IdempotencyKey, in sandbox: SandboxID?) -> IdempotencyOutcome {
        guard bodyHash == key.bodyHash, sandbox.map({ $0.text == self.sandbox }) ?? true else { return .conflict }
        return .existing(result ?? exec ?? self.sandbox)
    }
}
