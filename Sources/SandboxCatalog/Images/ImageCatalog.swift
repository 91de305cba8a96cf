import Foundation
import GRDB
import SandboxModel

/// Images in `catalog.db`: one that was answered survives power loss.
public final class ImageCatalog: ImageRecords {
    private let catalog: DatabasePool

    init(catalog: DatabasePool) { self.catalog = catalog }

    // MARK: Images

    public func save(_ image: ImageRecord, names: [ImageReference]) async throws -> ImageRecord {
        try await catalog.write { database in
            if try !Self.exists(image.id, in: database) { try Self.insert(image, into: database) }
            for name in names {
                try database.execute(
                    sql: "INSERT INTO image_names (name, image) VALUES (?, ?) "
                        + "ON CONFLICT (name) DO UPDATE SET image = excluded.image",
                    arguments: [name.description, image.id.text])
            }
            guard let saved = try Self.read(image.id.text, from: database) else {
                throw CatalogError.missing(table: "images", id: image.id.text)
            }
            return saved
        }
    }

    private static func exists(_ id: ImageID, in database: Database) throws -> Bool {
        try Bool.fetchOne(database, sql: "SELECT EXISTS (SELECT 1 FROM images WHERE id = ?)", arguments: [id.text])
            ?? false
    }

    /// Its time is made unique, since lists go by it.
    private static func insert(_ image: ImageRecord, into database: Database) throws {
        let latest = try Int64.fetchOne(database, sql: "SELECT MAX(created_at) FROM images") ?? 0
        try database.execute(
            sql: "INSERT INTO images (id, created_at, expires_at, spec) VALUES (?, ?, ?, ?)",
            arguments: [
                image.id.text, max(image.createdAt.microseconds, latest + 1), image.expiresAt?.microseconds,
                try RowShape.json(ImageRow(image)),
            ])
        for (position, layer) in image.root.layers.enumerated() {
            try database.execute(
                sql: "INSERT INTO image_layers (image, position, layer) VALUES (?, ?, ?)",
                arguments: [image.id.text, position, layer.text])
        }
    }

    public func image(_ id: ImageID) async throws -> ImageRecord? {
        try await catalog.read { try Self.read(id.text, from: $0) }
    }

    public func image(named reference: ImageReference) async throws -> ImageRecord? {
        try await catalog.read { database in
            guard let id = try Self.holder(of: reference, in: database) else { return nil }
            return try Self.read(id, from: database)
        }
    }

    public func images(matching query: ImageQuery) async throws -> [ImageRecord] {
        try await catalog.read { database in
            let ids = try String.fetchAll(
                database, sql: "SELECT id FROM images WHERE created_at < ? ORDER BY created_at DESC LIMIT ?",
                arguments: [query.before?.microseconds ?? .max, query.limit])
            return try ids.compactMap { try Self.read($0, from: database) }
        }
    }

    public func lineages(upTo limit: Int) async throws -> [ImageLineage] {
        try await catalog.read { database in
            let rows = try Row.fetchAll(
                database,
                sql: """
                    SELECT id, created_at, spec,
                        (SELECT COUNT(*) FROM image_layers WHERE image = images.id) AS layers,
                        (SELECT group_concat(name, char(10)) FROM image_names WHERE image = images.id) AS names
                    FROM images ORDER BY created_at DESC LIMIT ?
                    """, arguments: [limit])
            return try rows.map { row in
                try RowShape.decode(ImageRow.self, from: row["spec"]).lineage(
                    id: try RowShape.id(row["id"]) { ImageID($0) },
                    names: ((row["names"] as String?) ?? "").split(separator: "\n").map(String.init).sorted(),
                    layerCount: row["layers"], createdAt: Timestamp(microseconds: row["created_at"]))
            }
        }
    }

    public func remove(_ id: ImageID) async throws -> Bool {
        try await catalog.write { database in
            try database.execute(sql: "DELETE FROM images WHERE id = ?", arguments: [id.text])
            return database.changesCount > 0
        }
    }

    public func remove(name: ImageReference) async throws -> ImageRecord? {
        try await catalog.write { database in
            guard let id = try Self.holder(of: name, in: database) else {
                throw CordonError.noImage(.reference(name))
            }
            try database.execute(sql: "DELETE FROM image_names WHERE name = ?", arguments: [name.description])
            guard let left = try Self.read(id, from: database), !left.names.isEmpty else {
                try database.execute(sql: "DELETE FROM images WHERE id = ?", arguments: [id])
                return nil
            }
            return left
        }
    }

    public func images(standingOn layers: [LayerName]) async throws -> [ImageRecord] {
        try await catalog.read { database in
            var ids: Set<String> = []
            for layer in layers {
                ids.formUnion(
                    try String.fetchAll(
                        database, sql: "SELECT image FROM image_layers WHERE layer = ?", arguments: [layer.text]))
            }
            return try ids.sorted().compactMap { try Self.read($0, from: database) }
        }
    }

    public func expired(at now: Timestamp) async throws -> [ImageID] {
        try await catalog.read { database in
            try String.fetchAll(
                database, sql: "SELECT id FROM images WHERE expires_at <= ?", arguments: [now.microseconds]
            ).compactMap { ImageID($0) }
        }
    }

    private static func holder(of name: ImageReference, in database: Database) throws -> String? {
        try String.fetchOne(
            database, sql: "SELECT image FROM image_names WHERE name = ?", arguments: [name.description])
    }

    private static func read(_ id: String, from database: Database) throws -> ImageRecord? {
        guard
            let row = try Row.fetchOne(
                database, sql: "SELECT created_at, expires_at, spec FROM images WHERE id = ?", arguments: [id])
        else { return nil }
        do {
            let layers = try String.fetchAll(
                database, sql: "SELECT layer FROM image_layers WHERE image = ? ORDER BY position", arguments: [id])
            let names = try String.fetchAll(
                database, sql: "SELECT name FROM image_names WHERE image = ? ORDER BY name", arguments: [id])
            return try RowShape.decode(ImageRow.self, from: row["spec"]).image(
                id: try RowShape.id(id) { ImageID($0) },
                layers: try layers.map { try RowShape.id($0) { LayerName($0) } }, names: names,
                createdAt: Timestamp(microseconds: row["created_at"]),
                expiresAt: (row["expires_at"] as Int64?).map { Timestamp(microseconds: $0) })
        } catch {
            throw CatalogError.unreadable(table: "images", id: id, reason: "\(error)")
        }
    }

    // MARK: Layers

    public func layer(_ name: LayerName) async throws -> RecordedLayer? {
        try await catalog.read { database in
            let text = try String.fetchOne(
                database, sql: "SELECT spec FROM layers WHERE name = ?", arguments: [name.text])
            return try text.map { try RowShape.decode(LayerRow.self, from: $0).layer(name) }
        }
    }

    public func save(_ layer: RecordedLayer) async throws {
        try await catalog.write { database in
            try database.execute(
                sql: "INSERT INTO layers (name, spec) VALUES (?, ?) "
                    + "ON CONFLICT (name) DO UPDATE SET spec = excluded.spec",
                arguments: [layer.name.text, try RowShape.json(LayerRow(layer))])
        }
    }

    public func layersOfImages() async throws -> Set<LayerName> {
        try await catalog.read { database in
            Set(
                try String.fetchAll(database, sql: "SELECT DISTINCT layer FROM image_layers")
                    .compactMap { LayerName($0) })
        }
    }

    public func forget(_ layers: [LayerName]) async throws {
        guard !layers.isEmpty else { return }
        try await catalog.write { database in
            for layer in layers {
                try database.execute(sql: "DELETE FROM layers WHERE name = ?", arguments: [layer.text])
            }
        }
    }
}
