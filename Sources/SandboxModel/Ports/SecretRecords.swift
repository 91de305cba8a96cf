/// A secret on record: values only sealed.
public struct StoredSecret: Sendable, Hashable {
    public var snapshot: SecretSnapshot
    public var sealed: SealedEnvironment

    public init(snapshot: SecretSnapshot, sealed: SealedEnvironment) {
        self.snapshot = snapshot
        self.sealed = sealed
    }
}

/// Where secrets are kept. A returned call survives power loss.
public protocol SecretRecords: SealedRecords {
    /// What a key turned out to be, without using it; `existing` with a secret's id.
    func outcome(of key: IdempotencyKey, by caller: Caller, at now: Timestamp) async throws -> IdempotencyOutcome
    /// Writes a new secret and the key that it was asked for with, in one transaction. Its time of creation
    /// becomes unique. Nothing is written unless it is `added`.
    func add(_ secret: StoredSecret, key: IdempotencyKey?, by caller: Caller) async throws -> SecretAddition
    func secret(_ reference: SecretReference) async throws -> StoredSecret?
    /// Newest first, those created before a time: fewer than `limit` where their keys' names take much room.
    func secrets(before: Timestamp?, limit: Int) async throws -> SecretPage
    /// Writes the next version of a secret, and the key if there is one; false when its version isn't the one
    /// before any more, or it is gone.
    func replace(
        with next: StoredSecret, key: IdempotencyKey?, by caller: Caller?
    ) async throws -> Bool
    /// Remembers that a key's request was answered with this secret.
    func use(_ key: IdempotencyKey, by caller: Caller, for id: SecretID, at now: Timestamp) async throws
    /// False when there is none.
    func remove(_ reference: SecretReference) async throws -> Bool
}

/// What became of a new secret.
public enum SecretAddition: Sendable, Hashable {
    case added(SecretSnapshot)
    case nameTaken(SecretSnapshot)
    /// There are as many as may be, or as large.
    case full(rule: String)
}

/// Records that hold something sealed, for whoever seals it anew.
public protocol SealedRecords: Sendable {
    /// Those sealed with other keys than `keyID`, in order of their ids, behind the one of `last`.
    func sealed(withOtherThan keyID: String, after last: String, limit: Int) async throws -> [SealedRecord]
    /// Puts these in the place of what they were opened from, in one transaction; one that has changed
    /// meanwhile stays.
    func reseal(_ records: [SealedRecord]) async throws
}

/// Something sealed, and where it belongs.
public struct SealedRecord: Sendable, Hashable {
    public var place: SealPlace
    public var sealed: SealedEnvironment

    public init(place: SealPlace, sealed: SealedEnvironment) {
        self.place = place
        self.sealed = sealed
    }

    /// What records are ordered by.
    public var id: String {
        switch place {
        case .secret(let id, _): id.text
        case .sandbox(let id): id.text
        }
    }
}
