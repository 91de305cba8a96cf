/// A file in a sandbox, as the sandbox shows it.
public struct FileInfo: Sendable, Hashable, Codable {
    /// Its path, where it was asked for by path; its name, where it stands in a list.
    public var path: String?
    public var name: String?
    /// The name's bytes, where they aren't UTF-8: no path of this API leads there.
    public var nameBase64: String?
    /// `file`, `directory`, `link`, …
    public var kind: String
    public var sizeBytes: UInt64
    /// Permissions in octal.
    public var mode: String
    public var uid: UInt32
    public var gid: UInt32
    public var modifiedAt: APITime

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case path, name
        case nameBase64 = "name_base64"
        case kind
        case sizeBytes = "size_bytes"
        case mode, uid, gid
        case modifiedAt = "modified_at"
    }

    public init(
        kind: String, sizeBytes: UInt64, mode: String, uid: UInt32, gid: UInt32, modifiedAt: APITime
    ) {
        self.kind = kind
        self.sizeBytes = sizeBytes
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.modifiedAt = modifiedAt
    }
}

/// One page of a directory, ordered by the bytes of the names.
public struct FileList: Sendable, Hashable, Codable {
    public var entries: [FileInfo]
    /// Asks for the next page; absent at the end.
    public var nextCursor: String?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case entries
        case nextCursor = "next_cursor"
    }

    public init(entries: [FileInfo], nextCursor: String?) {
        self.entries = entries
        self.nextCursor = nextCursor
    }
}
