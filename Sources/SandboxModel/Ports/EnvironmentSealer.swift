/// Seals variables for the disk and opens them again, with keys that only this service has.
public protocol EnvironmentSealer: Sendable {
    /// The key that everything is sealed with from now on.
    var currentKeyID: String { get }
    func seal(_ environment: Environment, at place: SealPlace) throws -> SealedEnvironment
    /// Throws `SealBroken` when the key isn't there, or a byte, the place or the version isn't what was sealed.
    func open(_ sealed: SealedEnvironment, at place: SealPlace) throws -> Environment
    /// A keyed hash of what was asked for: tells whether a repeat asks for the same, and nothing else.
    func fingerprint(of sources: [SecretSource]) -> [UInt8]
}

/// Why something sealed can't be opened.
public enum SealBroken: Error, Sendable, Hashable, CustomStringConvertible {
    case unknownKey(String)
    /// It was changed, or belongs elsewhere.
    case notAuthentic

    public var description: String {
        switch self {
        case .unknownKey(let id): "it is sealed with the key \(id), which this service doesn't have"
        case .notAuthentic: "it isn't what was sealed"
        }
    }
}
