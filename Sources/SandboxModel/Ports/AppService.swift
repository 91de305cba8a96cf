/// An app, in which sandboxes are grouped and named, as it was observed at one moment.
public struct AppSnapshot: Sendable, Hashable {
    public var id: AppID
    public var name: AppName
    public var tags: Tags
    public var createdAt: Timestamp

    public init(id: AppID, name: AppName, tags: Tags, createdAt: Timestamp) {
        (self.id, self.name, self.tags, self.createdAt) = (id, name, tags, createdAt)
    }
}

/// Everything that fronts ask of apps. An app is there from the first time that somebody names it, for good. Every
/// call throws `CordonError` alone.
public protocol AppService: Sendable {
    /// The app of that name, made where there is none. What was answered is durable.
    func createApp(named name: AppName) async throws -> AppSnapshot
    /// `notFound` when there is none.
    func app(named name: AppName) async throws -> AppSnapshot
    /// `notFound` when there is none.
    func app(_ id: AppID) async throws -> AppSnapshot
    /// Newest first, at most `limit`, of those created before a time.
    func apps(before: Timestamp?, limit: Int) async throws -> [AppSnapshot]
    /// Replaces the whole tag set.
    func setTags(of id: AppID, to tags: Tags) async throws
}
