/// What a client wants kept of a running sandbox; every value has been checked.
public struct SnapshotOrder: Sendable, Hashable {
    /// Bytes of a client's own id.
    public static let keyBytes = 1...128
    public static let maximumTimeToLive: Duration = .seconds(10 * 365 * 86_400)

    /// The directory to keep, as the sandbox sees it; nil for everything that it has changed since it started.
    public var path: FilePath?
    /// When the image may be removed, from now; nil for never.
    public var timeToLive: Duration?
    /// The client's own id: the same one gives the same image, however often it is asked for.
    public var key: String?
    public var names: [ImageReference]

    public init(
        path: FilePath? = nil, timeToLive: Duration? = nil, key: String? = nil, names: [ImageReference] = []
    ) {
        (self.path, self.timeToLive, self.key, self.names) = (path, timeToLive, key, names)
    }
}

/// An image to show at a directory of a running sandbox.
public struct MountOrder: Sendable, Hashable {
    public var path: FilePath
    /// nil for an empty directory.
    public var image: ImageName?
    public var isReadOnly: Bool

    public init(path: FilePath, image: ImageName? = nil, isReadOnly: Bool = false) {
        (self.path, self.image, self.isReadOnly) = (path, image, isReadOnly)
    }
}
