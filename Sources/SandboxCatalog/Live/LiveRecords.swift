import GRDB
import Logging
import SandboxModel
import Synchronization

/// The records of sandboxes in `live.db`, and of apps in `catalog.db`.
///
/// A commit survives SIGKILL of the process when its call returns. A row that can't be read is
/// reported and left where it is.
public final class LiveRecords: SandboxRecords {
    /// How long a key is remembered.
    public static let keyLifetime: Duration = .seconds(24 * 3600)
    /// How many apps' ids are kept in memory.
    private static let cachedApps = 4096

    let live: DatabasePool
    let logger: Logger
    private let catalog: DatabasePool
    private let checkpointer: Checkpointer
    private let onCommit: @Sendable (Duration) -> Void
    private let apps = Mutex<[AppName: AppID]>([:])

    init(
        live: DatabasePool, catalog: DatabasePool, checkpointer: Checkpointer,
        onCommit: @escaping @Sendable (Duration) -> Void, logger: Logger
    ) {
        self.live = live
        self.catalog = catalog
        self.checkpointer = checkpointer
        self.onCommit = onCommit
        self.logger = logger
    }

    /// Runs `changes` in one transaction of `live.db`.
    func write<Value: Sendable>(_ changes: @Sendable @escaping (Database) throws -> Value) async throws -> Value {
        let start = ContinuousClock.now
        defer { checkpointer.noteCommit() }
        let value = try await live.write(changes)
        onCommit(ContinuousClock.now - start)
        return value
    }

    public func node() async throws -> NodeName {
        let name = try await write { database in
            try database.execute(
                sql: "INSERT OR IGNORE INTO node (only, name) VALUES (1, ?)", arguments: [NodeName.mint().text])
            return try String.fetchOne(database, sql: "SELECT name FROM node")
        }
        guard let name, let node = NodeName(name) else {
            throw CatalogError.unreadable(table: "node", id: "1", reason: "not a node's name")
        }
        return node
    }

    public func app(named name: AppName) async throws -> AppID {
        if let known = apps.withLock({ $0[name] }) { return known }
        let id = try await catalog.write { database in
            try database.execute(
                sql: "INSERT OR IGNORE INTO apps (id, name, created_at) VALUES (?, ?, ?)",
                arguments: [AppID.mint().text, name.text, Timestamp.now().microseconds])
            return try String.fetchOne(database, sql: "SELECT id FROM apps WHERE name = ?", arguments: [name.text])
        }
        guard let id, let app = AppID(id) else {
            throw CatalogError.unreadable(table: "apps", id: name.text, reason: "not an app's id")
        }
        apps.withLock { apps in
            if apps.count >= Self.cachedApps { apps.removeAll() }
            apps[name] = app
        }
        return app
    }

    public func remove(_ id: SandboxID) async throws {
        try await write { database in
            try database.cachedStatement(sql: "DELETE FROM sandboxes WHERE id = ?").execute(arguments: [id.text])
        }
    }

    public func expireKeys(before: Timestamp) async throws {
        try await write { database in
            try database.cachedStatement(sql: "DELETE FROM idempotency WHERE used_at < ?")
                .execute(arguments: [before.microseconds])
        }
    }
}
