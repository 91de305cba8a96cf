import GRDB

/// The tables of `live.db`. A migration that has been released never changes; add another.
enum LiveSchema {
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1: sandboxes, execs, events, keys") { database in
            try database.execute(sql: first)
        }
        // What a repeat is answered with, where that is neither a sandbox nor an exec.
        migrator.registerMigration("2: results of keys") { database in
            try database.execute(sql: "ALTER TABLE idempotency ADD COLUMN result TEXT")
        }
        migrator.registerMigration("readiness") { database in
            try database.execute(sql: "ALTER TABLE sandboxes ADD COLUMN ready_at INTEGER")
        }
        migrator.registerMigration("secrets of sandboxes") { database in
            try database.execute(
                sql: """
                    CREATE TABLE sandbox_secrets (
                        sandbox TEXT NOT NULL PRIMARY KEY REFERENCES sandboxes (id) ON DELETE CASCADE,
                        key_id TEXT NOT NULL,
                        sealed BLOB NOT NULL
                    ) STRICT
                    """)
        }
        return migrator
    }

    /// Times are microseconds since 1970. Specs and endings are JSON (see `Rows`).
    private static let first = """
        CREATE TABLE node (
            only INTEGER PRIMARY KEY CHECK (only = 1),
            name TEXT NOT NULL
        ) STRICT;

        CREATE TABLE sandboxes (
            id TEXT NOT NULL PRIMARY KEY,
            app_id TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('creating', 'running', 'ended')),
            created_at INTEGER NOT NULL UNIQUE,
            started_at INTEGER,
            deadline INTEGER,
            terminate_requested INTEGER NOT NULL DEFAULT 0,
            spec TEXT NOT NULL,
            ending TEXT CHECK ((ending IS NULL) = (state <> 'ended'))
        ) STRICT;

        CREATE TABLE tags (
            sandbox TEXT NOT NULL REFERENCES sandboxes (id) ON DELETE CASCADE,
            key TEXT NOT NULL,
            value TEXT NOT NULL,
            PRIMARY KEY (sandbox, key)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE execs (
            sandbox TEXT NOT NULL REFERENCES sandboxes (id) ON DELETE CASCADE,
            id TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('starting', 'running', 'ended')),
            created_at INTEGER NOT NULL,
            started_at INTEGER,
            spec TEXT NOT NULL,
            ending TEXT CHECK ((ending IS NULL) = (state <> 'ended')),
            PRIMARY KEY (sandbox, id)
        ) STRICT;
        CREATE INDEX execs_by_age ON execs (sandbox, created_at);
        CREATE INDEX execs_unfinished ON execs (sandbox) WHERE state <> 'ended';

        CREATE TABLE events (
            sandbox TEXT NOT NULL REFERENCES sandboxes (id) ON DELETE CASCADE,
            number INTEGER NOT NULL CHECK (number > 0),
            at INTEGER NOT NULL,
            kind TEXT NOT NULL,
            exec TEXT,
            ending TEXT,
            detail TEXT,
            PRIMARY KEY (sandbox, number)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE idempotency (
            token TEXT NOT NULL,
            route TEXT NOT NULL,
            key TEXT NOT NULL,
            body_hash BLOB NOT NULL,
            sandbox TEXT NOT NULL REFERENCES sandboxes (id) ON DELETE CASCADE,
            exec TEXT,
            used_at INTEGER NOT NULL,
            PRIMARY KEY (token, route, key),
            FOREIGN KEY (sandbox, exec) REFERENCES execs (sandbox, id) ON DELETE CASCADE
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX idempotency_by_maker ON idempotency (sandbox, exec);
        CREATE INDEX idempotency_by_age ON idempotency (used_at);
        """
}
