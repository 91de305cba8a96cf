import GRDB

/// The tables of `catalog.db`. A migration that has been released never changes; add another.
enum CatalogSchema {
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1: apps, tokens") { database in
            try database.execute(
                sql: """
                    CREATE TABLE apps (
                        id TEXT NOT NULL PRIMARY KEY,
                        name TEXT NOT NULL UNIQUE,
                        created_at INTEGER NOT NULL
                    ) STRICT;

                    CREATE TABLE tokens (
                        id TEXT NOT NULL PRIMARY KEY,
                        secret_hash BLOB NOT NULL,
                        created_at INTEGER NOT NULL
                    ) STRICT;
                    """)
        }
        return migrator
    }
}
