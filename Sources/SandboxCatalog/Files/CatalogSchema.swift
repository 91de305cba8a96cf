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
        migrator.registerMigration("images") { database in try database.execute(sql: images) }
        // What is read without the values stands before them. Names have an index of their own.
        migrator.registerMigration("secrets") { database in
            try database.execute(
                sql: """
                    CREATE TABLE secrets (
                        id TEXT NOT NULL PRIMARY KEY,
                        name TEXT NOT NULL,
                        version INTEGER NOT NULL CHECK (version > 0),
                        created_at INTEGER NOT NULL UNIQUE,
                        updated_at INTEGER NOT NULL,
                        key_id TEXT NOT NULL,
                        keys TEXT NOT NULL,
                        sealed BLOB NOT NULL
                    ) STRICT;
                    CREATE UNIQUE INDEX secrets_by_name ON secrets (name);

                    CREATE TABLE secret_requests (
                        token TEXT NOT NULL,
                        route TEXT NOT NULL,
                        key TEXT NOT NULL,
                        body_hash BLOB NOT NULL,
                        secret TEXT NOT NULL REFERENCES secrets (id) ON DELETE CASCADE,
                        used_at INTEGER NOT NULL,
                        PRIMARY KEY (token, route, key)
                    ) STRICT, WITHOUT ROWID;
                    CREATE INDEX secret_requests_by_secret ON secret_requests (secret);
                    CREATE INDEX secret_requests_by_age ON secret_requests (used_at);
                    """)
        }
        migrator.registerMigration("app tags") { database in
            try database.execute(sql: "ALTER TABLE apps ADD COLUMN tags TEXT NOT NULL DEFAULT '{}'")
        }
        migrator.registerMigration("volumes") { database in try database.execute(sql: volumes) }
        return migrator
    }

    /// `layers` and `base` are JSON arrays of names, lowest first. What a mount stands on outlives its volume's head.
    private static let volumes = """
        CREATE TABLE volumes (
            id TEXT NOT NULL PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            version INTEGER NOT NULL CHECK (version > 0),
            created_at INTEGER NOT NULL UNIQUE,
            changed_at INTEGER NOT NULL,
            layers TEXT NOT NULL
        ) STRICT;

        CREATE TABLE volume_mounts (
            sandbox TEXT NOT NULL,
            path TEXT NOT NULL,
            volume TEXT NOT NULL REFERENCES volumes (id),
            read_only INTEGER NOT NULL,
            sub_path TEXT,
            base TEXT NOT NULL,
            published TEXT,
            PRIMARY KEY (sandbox, path)
        ) STRICT;
        CREATE INDEX volume_mounts_by_volume ON volume_mounts (volume);

        CREATE TABLE volume_requests (
            token TEXT NOT NULL,
            route TEXT NOT NULL,
            key TEXT NOT NULL,
            body_hash BLOB NOT NULL,
            volume TEXT NOT NULL REFERENCES volumes (id) ON DELETE CASCADE,
            used_at INTEGER NOT NULL,
            PRIMARY KEY (token, route, key)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX volume_requests_by_volume ON volume_requests (volume);
        CREATE INDEX volume_requests_by_age ON volume_requests (used_at);
        """

    /// A name points to one image; `spec` is JSON (see `Rows`). Layers are on record once they are whole.
    private static let images = """
        CREATE TABLE images (
            id TEXT NOT NULL PRIMARY KEY,
            created_at INTEGER NOT NULL UNIQUE,
            expires_at INTEGER,
            spec TEXT NOT NULL
        ) STRICT;
        CREATE INDEX images_by_expiry ON images (expires_at) WHERE expires_at IS NOT NULL;

        CREATE TABLE image_layers (
            image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            layer TEXT NOT NULL,
            PRIMARY KEY (image, position)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE image_names (
            name TEXT NOT NULL PRIMARY KEY,
            image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE
        ) STRICT;
        CREATE INDEX image_names_by_image ON image_names (image);

        CREATE TABLE layers (
            name TEXT NOT NULL PRIMARY KEY,
            spec TEXT NOT NULL
        ) STRICT;
        """
}
