/// What has happened to a file that is watched. The sandbox's word.
public struct FileChange: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        case created
        /// Its content, or its attributes.
        case modified
        case removed
        case renamed
        /// From a place that isn't watched.
        case movedIn
        /// To a place that isn't watched.
        case movedOut
        /// More has happened than could be told: look again.
        case overflow
    }

    public var kind: Kind
    /// From the watched directory, as bytes: nothing makes them UTF-8. Empty for what is watched itself.
    public var path: [UInt8]
    /// What a renamed one is called now.
    public var newPath: [UInt8]?
    public var isDirectory: Bool

    public init(_ kind: Kind, path: [UInt8] = [], newPath: [UInt8]? = nil, isDirectory: Bool = false) {
        self.kind = kind
        self.path = path
        self.newPath = newPath
        self.isDirectory = isDirectory
    }
}
