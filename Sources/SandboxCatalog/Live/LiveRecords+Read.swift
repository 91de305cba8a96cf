import GRDB
import Logging
import SandboxModel

extension LiveRecords {
    public func sandboxes() async throws -> RecordedSandboxes {
        try await live.read { database in
            let tags = try Self.allTags(database)
            var execs = try self.unfinishedExecs(database)
            var found = RecordedSandboxes(sandboxes: [], unreadable: [])
            let rows = try Row.fetchCursor(
                database,
                sql: """
                    SELECT *,
                        (SELECT max(number) FROM events WHERE sandbox = sandboxes.id) AS last_event,
                        CASE state WHEN 'ended' THEN 0
                            ELSE (SELECT count(*) FROM execs WHERE sandbox = sandboxes.id) END AS exec_count
                    FROM sandboxes ORDER BY created_at
                    """)
            while let row = try rows.next() {
                let id: String = row["id"]
                do {
                    let snapshot = try Self.sandbox(row, tags: tags[id] ?? [:])
                    found.sandboxes.append(
                        RecordedSandbox(
                            snapshot: snapshot, lastEvent: row["last_event"] ?? 0,
                            terminateRequested: row["terminate_requested"], execCount: row["exec_count"],
                            unfinishedExecs: execs.removeValue(forKey: id) ?? []))
                } catch {
                    self.report("sandboxes", id, error)
                    if let id = SandboxID(id) { found.unreadable.append(id) }
                }
            }
            return found
        }
    }

    /// The most that one list of execs holds of commands and variables.
    private static let mostListedBytes = 32 << 20

    public func execs(of id: SandboxID) async throws -> [ExecSnapshot] {
        try await live.read { database in
            let bytes = try Int.fetchOne(
                database, sql: "SELECT SUM(LENGTH(CAST(spec AS BLOB))) FROM execs WHERE sandbox = ?",
                arguments: [id.text])
            guard bytes ?? 0 <= Self.mostListedBytes else {
                throw CordonError(
                    .resourceExhausted,
                    "the commands of sandbox \(id)'s execs come to more than \(Self.mostListedBytes >> 20) MiB: "
                        + "ask for each by its id")
            }
            return try Row.fetchAll(
                database, sql: "SELECT * FROM execs WHERE sandbox = ? ORDER BY created_at", arguments: [id.text]
            ).compactMap(self.exec)
        }
    }

    public func exec(_ exec: ExecID, of id: SandboxID) async throws -> ExecSnapshot? {
        try await live.read { database in
            let statement = try database.cachedStatement(sql: "SELECT * FROM execs WHERE sandbox = ? AND id = ?")
            guard let row = try Row.fetchOne(statement, arguments: [id.text, exec.text]) else { return nil }
            do {
                return try Self.exec(row)
            } catch {
                throw CatalogError.unreadable(table: "execs", id: "\(id)/\(exec)", reason: Self.reason(error))
            }
        }
    }

    public func events(of id: SandboxID, after number: Int, limit: Int) async throws -> [SandboxEvent] {
        try await live.read { database in
            let statement = try database.cachedStatement(
                sql: "SELECT * FROM events WHERE sandbox = ? AND number > ? ORDER BY number LIMIT ?")
            return try Row.fetchAll(statement, arguments: [id.text, number, limit]).compactMap { row in
                do {
                    return try Self.event(row)
                } catch {
                    self.report("events", "\(id)/\(row["number"] as Int)", error)
                    return nil
                }
            }
        }
    }

    private static func allTags(_ database: Database) throws -> [String: [String: String]] {
        var tags: [String: [String: String]] = [:]
        let rows = try Row.fetchCursor(database, sql: "SELECT sandbox, key, value FROM tags")
        while let row = try rows.next() { tags[row["sandbox"], default: [:]][row["key"]] = row["value"] }
        return tags
    }

    private func unfinishedExecs(_ database: Database) throws -> [String: [ExecSnapshot]] {
        var execs: [String: [ExecSnapshot]] = [:]
        let rows = try Row.fetchCursor(
            database, sql: "SELECT * FROM execs WHERE state <> 'ended' ORDER BY sandbox, created_at")
        while let row = try rows.next() {
            if let exec = exec(row) { execs[row["sandbox"], default: []].append(exec) }
        }
        return execs
    }

    private static func sandbox(_ row: Row, tags: [String: String]) throws -> SandboxSnapshot {
        let startedAt: Int64? = row["started_at"]
        let deadline: Int64? = row["deadline"]
        let readyAt: Int64? = row["ready_at"]
        let status: SandboxStatus =
            switch row["state"] as String {
            case "creating": .creating
            case "running": .running
            default: .ended(try ending(row))
            }
        return SandboxSnapshot(
            id: try RowShape.id(row["id"], SandboxID.init),
            spec: try RowShape.decode(SandboxSpecRow.self, from: row["spec"]).spec(tags: try Tags(tags)),
            appID: try RowShape.id(row["app_id"], AppID.init), status: status,
            createdAt: Timestamp(microseconds: row["created_at"]),
            startedAt: startedAt.map(Timestamp.init), deadline: deadline.map(Timestamp.init),
            readyAt: readyAt.map(Timestamp.init))
    }

    /// The exec, or nil when its row can't be read, which is reported.
    private func exec(_ row: Row) -> ExecSnapshot? {
        do {
            return try Self.exec(row)
        } catch {
            report("execs", "\(row["sandbox"] as String)/\(row["id"] as String)", error)
            return nil
        }
    }

    private static func exec(_ row: Row) throws -> ExecSnapshot {
        let id = try RowShape.id(row["id"], ExecID.init)
        let startedAt: Int64? = row["started_at"]
        let status: ExecStatus =
            switch row["state"] as String {
            case "starting": .starting
            case "running": .running
            default: .ended(try ending(row))
            }
        return ExecSnapshot(
            id: id, sandbox: try RowShape.id(row["sandbox"], SandboxID.init),
            spec: try RowShape.decode(ExecSpecRow.self, from: row["spec"]).spec(id: id), status: status,
            createdAt: Timestamp(microseconds: row["created_at"]), startedAt: startedAt.map(Timestamp.init))
    }

    private static func event(_ row: Row) throws -> SandboxEvent {
        let exec: String? = row["exec"]
        return SandboxEvent(
            number: row["number"], at: Timestamp(microseconds: row["at"]),
            kind: try RowShape.value(row["kind"], of: SandboxEventKind.self),
            exec: try exec.map { try RowShape.id($0, ExecID.init) },
            ending: (row["ending"] as String?) == nil ? nil : try ending(row), detail: row["detail"])
    }

    private static func ending(_ row: Row) throws -> Ending {
        guard let text: String = row["ending"] else { throw RowShape.missing("ending") }
        return try RowShape.decode(EndingRow.self, from: text).ending()
    }

    private func report(_ table: String, _ id: String, _ error: any Error) {
        let unreadable = CatalogError.unreadable(table: table, id: id, reason: Self.reason(error))
        logger.error("\(unreadable)")
    }

    /// What is wrong, without the row's values: a decoding error's own text can hold them.
    private static func reason(_ error: any Error) -> String {
        switch error {
        case let shape as RowShape: shape.description
        case let rule as CordonError: "\(rule.field ?? "a field"): \(rule.rule ?? "not valid")"
        default: "its JSON doesn't have the expected shape"
        }
    }
}
