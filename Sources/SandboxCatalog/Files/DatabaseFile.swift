import Foundation
import GRDB

/// How safe a commit is when it returns (https://www.sqlite.org/pragma.html#pragma_synchronous).
enum Durability: Int {
    /// Survives the death of the process. Power loss may take the latest commits, never the order.
    case process = 1
    /// Survives power loss: every commit waits for the disk.
    case power = 2
}

/// Opens one SQLite file with the settings that its durability rests on.
enum DatabaseFile {
    /// Opens `path` (made with mode 0600 when missing), migrates it, and reads back the settings.
    static func pool(at path: String, durability: Durability, migrator: DatabaseMigrator) throws -> DatabasePool {
        let name = URL(fileURLWithPath: path).lastPathComponent
        try createPrivately(path, name: name)
        var configuration = Configuration()
        configuration.foreignKeysEnabled = true
        configuration.maximumReaderCount = 2
        configuration.busyMode = .timeout(5)
        configuration.label = name
        let pool = try DatabasePool(path: path, configuration: configuration)
        // Asked before migrating: an older service must not touch a newer one's file.
        guard try !pool.read(migrator.hasBeenSuperseded) else { throw CatalogError.newerSchema(file: name) }
        // GRDB sets NORMAL on the writer after prepareDatabase has run, so a stronger setting can
        // only be made here, once the pool is open.
        try pool.writeWithoutTransaction { database in
            try database.execute(sql: "PRAGMA synchronous = \(durability.rawValue)")
            try require("synchronous", durability.rawValue, of: database, in: name)
            try require("foreign_keys", 1, of: database, in: name)
        }
        try migrator.migrate(pool)
        try pool.writeWithoutTransaction { try require("synchronous", durability.rawValue, of: $0, in: name) }
        return pool
    }

    private static func require(_ setting: String, _ wanted: Int, of database: Database, in file: String) throws {
        let found = try Int.fetchOne(database, sql: "PRAGMA \(setting)")
        guard found == wanted else {
            throw CatalogError.setting(file: file, name: setting, wanted: wanted, found: found)
        }
    }

    /// SQLite gives its journal files the mode of the database, so making that one first is enough.
    private static func createPrivately(_ path: String, name: String) throws {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw CatalogError.unopenable(file: name, reason: String(cString: strerror(errno)))
        }
        close(descriptor)
    }
}
