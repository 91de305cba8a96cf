/// A secret as everybody with a token may see it: what it is called and which variables it has, never
/// their values.
public struct SecretSnapshot: Sendable, Hashable {
    /// The most variables of one secret; their bytes are bounded as an environment's.
    public static let maximumKeys = 1000

    public var id: SecretID
    public var name: SecretName
    /// In order.
    public var keys: [String]
    /// Grows by one with every change.
    public var version: Int
    /// Unique among all secrets: lists are ordered strictly by it.
    public var createdAt: Timestamp
    public var updatedAt: Timestamp

    public init(
        id: SecretID, name: SecretName, keys: [String], version: Int, createdAt: Timestamp, updatedAt: Timestamp
    ) {
        self.id = id
        self.name = name
        self.keys = keys
        self.version = version
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }
}

/// What becomes of a creation whose name is taken.
public enum ExistingSecretPolicy: String, Sendable, Hashable, CaseIterable {
    /// It is refused.
    case fail
    /// The secret that is there stays as it is, and is the answer.
    case keep
    /// The secret that is there gets the new variables, and no others.
    case replace
}

/// Variables that a secret gets, and those that it loses.
public struct SecretChanges: Sendable, Hashable {
    public var set: Environment
    public var removed: Set<String>

    public init(set: Environment, removed: Set<String>) {
        self.set = set
        self.removed = removed
    }
}

/// A page of secrets, newest first.
public struct SecretPage: Sendable, Hashable {
    public var secrets: [SecretSnapshot]
    /// Where the next page begins; nil on the last.
    public var next: Timestamp?

    public init(secrets: [SecretSnapshot], next: Timestamp?) {
        self.secrets = secrets
        self.next = next
    }
}
