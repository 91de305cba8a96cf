/// What has happened to a watched file, as the sandbox says.
public struct FileChangeEvent: Sendable, Hashable, Codable {
    public enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
        /// Once, at first: what happens from now on is told.
        case watching
        case created
        /// Its content, or its attributes.
        case modified
        case removed
        case renamed
        /// More has happened than could be told: look again.
        case overflow
    }

    public var kind: Kind
    /// From the watched path; empty for what is watched itself.
    public var path: String?
    /// The path's bytes, where they aren't UTF-8.
    public var pathBase64: String?
    public var newPath: String?
    public var newPathBase64: String?
    public var isDirectory: Bool?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case kind, path
        case pathBase64 = "path_base64"
        case newPath = "new_path"
        case newPathBase64 = "new_path_base64"
        case isDirectory = "is_directory"
    }

    public init(_ kind: Kind) { self.kind = kind }
}
