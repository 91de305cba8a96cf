/// One of the `volumes` of a create or run request, and of a sandbox.
public struct VolumeMountRequest: Sendable, Hashable, Codable {
    /// A volume's name or id.
    public var volume: String
    public var path: String
    public var readOnly: Bool?
    /// The directory of the volume that is seen.
    public var subPath: String?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case volume, path
        case readOnly = "read_only"
        case subPath = "sub_path"
    }

    public init(volume: String, path: String, readOnly: Bool? = nil, subPath: String? = nil) {
        self.volume = volume
        self.path = path
        self.readOnly = readOnly
        self.subPath = subPath
    }
}

/// The body of `POST /v1/volumes`.
public struct CreateVolumeRequest: Sendable, Hashable, Encodable {
    public var name: String
    /// `fail` or `keep`.
    public var ifExists: String?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case name
        case ifExists = "if_exists"
    }

    public init(name: String, ifExists: String? = nil) {
        self.name = name
        self.ifExists = ifExists
    }
}

/// The body of `PATCH /v1/volumes/{volume}`.
public struct RenameVolumeRequest: Sendable, Hashable, Encodable {
    public var name: String

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case name
    }

    public init(name: String) { self.name = name }
}

/// The body of `POST /v1/volumes/{volume}/files/copy`.
public struct CopyFileRequest: Sendable, Hashable, Encodable {
    public var path: String
    public var to: String

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case path, to
    }

    public init(path: String, to: String) {
        self.path = path
        self.to = to
    }
}
