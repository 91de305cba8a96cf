import GRDB
import Logging

/// The two files of a data directory: `live.db`, what SIGKILL must not take, and `catalog.db`,
/// what power loss must not take either.
public struct Catalog: Sendable {
    /// Sandboxes, execs, tags, events and idempotency keys.
    public let records: LiveRecords
    /// Access tokens.
    public let tokens: TokenStore
    public let apps: AppStore
    /// Images and their layers.
    public let images: ImageCatalog
    /// Named sets of variables, sealed.
    public let secrets: SecretStore
    /// Volumes, and which sandboxes have them.
    public let volumes: VolumeCatalog

    /// Opens both files in `directory` (which must exist), making or migrating them as needed.
    /// Throws `CatalogError`, among others for a file that a newer version wrote.
    ///
    /// - Parameter onCommit: hears how long each commit to `live.db` took, its wait for the others included.
    public init(
        directory: String, logger: Logger, onCommit: @escaping @Sendable (Duration) -> Void = { _ in }
    ) throws {
        let live = try DatabaseFile.pool(
            at: directory + "/live.db", durability: .process, migrator: LiveSchema.migrator)
        let catalog = try DatabaseFile.pool(
            at: directory + "/catalog.db", durability: .power, migrator: CatalogSchema.migrator)
        records = LiveRecords(
            live: live, catalog: catalog, checkpointer: try Checkpointer(for: live), onCommit: onCommit, logger: logger)
        tokens = TokenStore(catalog: catalog)
        apps = AppStore(catalog: catalog, logger: logger)
        images = ImageCatalog(catalog: catalog)
        secrets = SecretStore(catalog: catalog)
        volumes = VolumeCatalog(catalog: catalog)
    }
}
