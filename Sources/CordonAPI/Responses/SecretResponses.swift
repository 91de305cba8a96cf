/// A secret as the API shows it: never with a value.
public struct Secret: Sendable, Hashable, Codable {
    public var id: String
    public var name: String
    /// The names of its variables, in order.
    public var keys: [String]
    /// Grows by one with every change.
    public var version: Int
    public var createdAt: APITime
    public var updatedAt: APITime

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case id, name, keys, version
        case createdAt = "created_at"
        case updatedAt = "updated_at"
    }

    public init(id: String, name: String, keys: [String], version: Int, createdAt: APITime, updatedAt: APITime) {
        self.id = id
        self.name = name
        self.keys = keys
        self.version = version
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }
}

/// One page of secrets, newest first.
public struct SecretList: Sendable, Hashable, Codable {
    public var secrets: [Secret]
    /// Pass it as `cursor` for the next page; null on the last.
    public var nextCursor: String?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case secrets
        case nextCursor = "next_cursor"
    }

    public init(secrets: [Secret], nextCursor: String?) {
        self.secrets = secrets
        self.nextCursor = nextCursor
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(secrets, forKey: .secrets)
        try container.encode(nextCursor, forKey: .nextCursor)
    }
}
