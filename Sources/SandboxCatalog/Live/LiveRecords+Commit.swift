import Foundation
import GRDB
import SandboxModel

extension LiveRecords {
    public func commit(_ changes: [RecordChange]) async throws {
        guard !changes.isEmpty else { return }
        try await write { database in
            for change in changes { try Self.apply(change, to: database) }
        }
    }

    private static func apply(_ change: RecordChange, to database: Database) throws {
        switch change {
        case .started(let id, let at, let deadline):
            try update(
                id, "UPDATE sandboxes SET state = 'running', started_at = ?, deadline = ? WHERE id = ?",
                [at.microseconds, deadline.microseconds, id.text], database)
        case .deadlines(let id, let spec, let deadline):
            try update(
                id, "UPDATE sandboxes SET spec = ?, deadline = ? WHERE id = ?",
                [try RowShape.json(SandboxSpecRow(spec)), deadline?.microseconds, id.text], database)
        case .spec(let id, let spec):
            try update(
                id, "UPDATE sandboxes SET spec = ? WHERE id = ?", [try RowShape.json(SandboxSpecRow(spec)), id.text],
                database)
        case .tags(let id, let tags):
            try database.cachedStatement(sql: "DELETE FROM tags WHERE sandbox = ?").execute(arguments: [id.text])
            try insertTags(tags, of: id, in: database)
        case .ready(let id, let at):
            try update(id, "UPDATE sandboxes SET ready_at = ? WHERE id = ?", [at.microseconds, id.text], database)
        case .tunnels(let id, let spec):
            try update(
                id, "UPDATE sandboxes SET spec = ? WHERE id = ?", [try RowShape.json(SandboxSpecRow(spec)), id.text],
                database)
        case .ended(let id, let ending):
            try update(
                id, "UPDATE sandboxes SET state = 'ended', ending = ? WHERE id = ?",
                [try RowShape.json(EndingRow(ending)), id.text], database)
            try forgetSecrets(of: id, in: database)
        case .exec(let exec):
            try write(exec, to: database)
        case .execRemoved(let exec, let id):
            try database.cachedStatement(sql: "DELETE FROM execs WHERE sandbox = ? AND id = ?")
                .execute(arguments: [id.text, exec.text])
        case .execsTrimmed(let id, let keeping):
            try trimExecs(of: id, keeping: keeping, database)
        case .event(let event, let id):
            try insert(event, of: id, in: database)
        case .eventsTrimmed(let id, let number):
            try database.cachedStatement(sql: "DELETE FROM events WHERE sandbox = ? AND number <= ?")
                .execute(arguments: [id.text, number])
        }
    }

    private static func update(
        _ id: SandboxID, _ sql: String, _ arguments: StatementArguments, _ database: Database
    ) throws {
        try database.cachedStatement(sql: sql).execute(arguments: arguments)
        guard database.changesCount == 1 else { throw CatalogError.missing(table: "sandboxes", id: id.text) }
    }

    private static func write(_ exec: ExecSnapshot, to database: Database) throws {
        var ending: String?
        if case .ended(let value) = exec.status { ending = try RowShape.json(EndingRow(value)) }
        try database.cachedStatement(
            sql: "UPDATE execs SET state = ?, started_at = ?, ending = ? WHERE sandbox = ? AND id = ?"
        ).execute(arguments: [
            exec.status.name, exec.startedAt?.microseconds, ending, exec.sandbox.text, exec.id.text,
        ])
        guard database.changesCount == 0 else { return }
        try database.cachedStatement(
            sql: """
                INSERT INTO execs (sandbox, id, state, created_at, started_at, spec, ending)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                """
        ).execute(arguments: [
            exec.sandbox.text, exec.id.text, exec.status.name, exec.createdAt.microseconds,
            exec.startedAt?.microseconds, try RowShape.json(ExecSpecRow(exec.spec)), ending,
        ])
    }

    private static func trimExecs(of id: SandboxID, keeping: Int, _ database: Database) throws {
        try database.cachedStatement(
            sql: """
                DELETE FROM execs WHERE rowid IN (
                    SELECT rowid FROM execs WHERE sandbox = ?1 AND state = 'ended' ORDER BY created_at
                    LIMIT max(0, (SELECT count(*) FROM execs WHERE sandbox = ?1) - ?2))
                """
        ).execute(arguments: [id.text, keeping])
    }

    static func insertTags(_ tags: Tags, of id: SandboxID, in database: Database) throws {
        guard !tags.pairs.isEmpty else { return }
        let statement = try database.cachedStatement(sql: "INSERT INTO tags (sandbox, key, value) VALUES (?, ?, ?)")
        for (key, value) in tags.pairs { try statement.execute(arguments: [id.text, key, value]) }
    }

    static func insert(_ event: SandboxEvent, of id: SandboxID, in database: Database) throws {
        try database.cachedStatement(
            sql: """
                INSERT INTO events (sandbox, number, at, kind, exec, ending, detail) VALUES (?, ?, ?, ?, ?, ?, ?)
                """
        ).execute(arguments: [
            id.text, event.number, event.at.microseconds, event.kind.rawValue, event.exec?.text,
            try event.ending.map { try RowShape.json(EndingRow($0)) }, event.detail,
        ])
        if event.kind == .terminateRequested {
            try database.cachedStatement(sql: "UPDATE sandboxes SET terminate_requested = 1 WHERE id = ?")
                .execute(arguments: [id.text])
        }
    }
}
