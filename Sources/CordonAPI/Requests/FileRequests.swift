/// The body of `POST …/files/mkdir`.
public struct MakeDirectoryRequest: Sendable, Hashable, Encodable {
    public var path: String
    /// Makes what is missing on the way, and takes a directory that is there for done.
    public var parents: Bool?
    /// Permissions in octal, such as `0755`.
    public var mode: String?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case path, parents, mode
    }

    public init(path: String) { self.path = path }
}

/// The body of `POST …/files/rename`.
public struct RenameFileRequest: Sendable, Hashable, Encodable {
    public var path: String
    public var to: String
    /// Whether a file in the way goes.
    public var replace: Bool?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case path, to, replace
    }

    public init(path: String, to: String) {
        self.path = path
        self.to = to
    }
}

/// The body of `POST …/files/chmod`.
public struct ChangeModeRequest: Sendable, Hashable, Encodable {
    public var path: String
    /// Permissions in octal, such as `0755`.
    public var mode: String

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case path, mode
    }

    public init(path: String, mode: String) {
        self.path = path
        self.mode = mode
    }
}
