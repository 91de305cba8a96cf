import Foundation
import GRDB
import Logging
public import SandboxModel

/// Apps in `catalog.db`: one that was answered survives power loss.
public final class AppStore: AppService {
    private static let columns = "id, name, tags, created_at"

    private let catalog: DatabasePool
    private let logger: Logger

    init(catalog: DatabasePool, logger: Logger) { (self.catalog, self.logger) = (catalog, logger) }

    public func createApp(named name: AppName) async throws -> AppSnapshot {
        try await during("making an app") { [catalog] in
            try await catalog.write { database in
                try database.execute(
                    sql: "INSERT OR IGNORE INTO apps (id, name, created_at) VALUES (?, ?, ?)",
                    arguments: [AppID.mint().text, name.text, Timestamp.now().microseconds])
                return try Self.find("name", name.text, database)
            }
        }
    }

    public func app(named name: AppName) async throws -> AppSnapshot {
        try await during("reading an app") { [catalog] in
            try await catalog.read { database in try Self.find("name", name.text, database) }
        }
    }

    public func app(_ id: AppID) async throws -> AppSnapshot {
        try await during("reading an app") { [catalog] in
            try await catalog.read { database in try Self.find("id", id.text, database) }
        }
    }

    public func apps(before: Timestamp?, limit: Int) async throws -> [AppSnapshot] {
        try await during("listing apps") { [catalog] in
            try await catalog.read { database in
                try Row.fetchAll(
                    database,
                    sql: """
                        SELECT \(Self.columns) FROM apps WHERE created_at < ? ORDER BY created_at DESC, id LIMIT ?
                        """,
                    arguments: [before?.microseconds ?? .max, limit]
                ).map { try Self.snapshot($0) }
            }
        }
    }

    public func setTags(of id: AppID, to tags: Tags) async throws {
        let text = String(decoding: try JSONEncoder().encode(tags.pairs), as: UTF8.self)
        try await during("changing an app") { [catalog] in
            try await catalog.write { database in
                try database.execute(sql: "UPDATE apps SET tags = ? WHERE id = ?", arguments: [text, id.text])
                guard database.changesCount == 1 else { throw CordonError.noApp("id", id.text) }
            }
        }
    }

    private static func find(_ column: String, _ value: String, _ database: Database) throws -> AppSnapshot {
        let row = try Row.fetchOne(
            database, sql: "SELECT \(columns) FROM apps WHERE \(column) = ?", arguments: [value])
        guard let row else { throw CordonError.noApp(column, value) }
        return try snapshot(row)
    }

    private static func snapshot(_ row: Row) throws -> AppSnapshot {
        let tags: String = row["tags"]
        guard let id = AppID(row["id"]), let name = try? AppName(row["name"]),
            let pairs = try? JSONDecoder().decode([String: String].self, from: Data(tags.utf8)),
            let read = try? Tags(pairs)
        else { throw CatalogError.unreadable(table: "apps", id: row["id"], reason: "not an app") }
        return AppSnapshot(
            id: id, name: name, tags: read, createdAt: Timestamp(microseconds: row["created_at"]))
    }

    /// What isn't for the caller's eyes goes to the log.
    private func during<Value: Sendable>(
        _ operation: String, _ work: @Sendable () async throws -> Value
    ) async throws -> Value {
        do { return try await work() } catch {
            switch error {
            case is CordonError: throw error
            case is CancellationError: throw CordonError(.cancelled, "the caller went away during: \(operation)")
            default:
                logger.error("\(operation) failed", metadata: ["error": "\(error)"])
                throw CordonError(.internal, "\(operation) failed inside the service; its log says why")
            }
        }
    }
}

extension CordonError {
    fileprivate static func noApp(_ field: String, _ value: String) -> CordonError {
        CordonError(.notFound, "there is no app of that \(field): \(value)", field: "app_\(field)", value: value)
    }
}
