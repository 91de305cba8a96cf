/// One of the `secrets` of a request.
public enum SecretSourceRequest: Sendable, Hashable, Encodable {
    /// A secret's name or id.
    case stored(String)
    /// The same, and the variables that it must have.
    case required(String, keys: [String])
    /// Variables of the request itself.
    case inline([String: String])

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case secret
        case requiredKeys = "required_keys"
        case env
    }

    public func encode(to encoder: any Encoder) throws {
        if case .stored(let name) = self {
            var container = encoder.singleValueContainer()
            return try container.encode(name)
        }
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .stored: break
        case .required(let name, let keys):
            try container.encode(name, forKey: .secret)
            try container.encode(keys, forKey: .requiredKeys)
        case .inline(let variables): try container.encode(variables, forKey: .env)
        }
    }
}

/// The body of `POST /v1/secrets`.
public struct CreateSecretRequest: Sendable, Hashable, Encodable {
    public var name: String
    public var env: [String: String]
    /// `fail`, `keep` or `replace`.
    public var ifExists: String?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case name, env
        case ifExists = "if_exists"
    }

    public init(name: String, env: [String: String], ifExists: String? = nil) {
        self.name = name
        self.env = env
        self.ifExists = ifExists
    }
}

/// The body of `PUT /v1/secrets/{secret}`: all variables.
public struct ReplaceSecretRequest: Sendable, Hashable, Encodable {
    public var env: [String: String]

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case env
    }

    public init(env: [String: String]) { self.env = env }
}

/// The body of `PATCH /v1/secrets/{secret}`: variables to set, and, with null, to remove.
public struct ChangeSecretRequest: Sendable, Hashable, Encodable {
    public var env: [String: String?]

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case env
    }

    public init(env: [String: String?]) { self.env = env }
}
