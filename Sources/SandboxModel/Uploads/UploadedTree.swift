/// Files that were sent, and where they are to be: `mo-` and 22 characters, which follow from its content.
public struct TreeID: MintedID {
    public static let prefix = "mo-"
    public static let length = 22
    public let text: String
    public init(unchecked text: String) { self.text = text }
}

/// Files that were sent by their digests, put together: the same files at the same paths have the same id.
public struct UploadedTree: Sendable, Hashable {
    public static let maximumFiles = 100_000

    /// In the order of their paths, of which each is there once.
    public let files: [File]

    /// One file of a tree.
    public struct File: Sendable, Hashable {
        public var path: FilePath
        public var digest: ContentDigest
        /// Permissions.
        public var mode: UInt32

        public init(path: FilePath, digest: ContentDigest, mode: UInt32) {
            (self.path, self.digest, self.mode) = (path, digest, mode & 0o7777)
        }
    }

    /// Of several with the same path the last is taken. Throws `invalidArgument` for too many.
    public init(_ files: [File]) throws(CordonError) {
        guard files.count <= Self.maximumFiles else {
            throw .invalid(field: "files", value: "\(files.count)", rule: "at most \(Self.maximumFiles)")
        }
        // By bytes: to a text, two ways to write an umlaut are one.
        var byPath: [[UInt8]: File] = [:]
        for file in files { byPath[Array(file.path.text.utf8)] = file }
        self.files = byPath.values.sorted { $0.path.text < $1.path.text }
    }
}
