/// Variables as they may be written to a disk.
public struct SealedEnvironment: Sendable, Hashable {
    /// Which key opens it.
    public var keyID: String
    public var bytes: [UInt8]

    public init(keyID: String, bytes: [UInt8]) {
        self.keyID = keyID
        self.bytes = bytes
    }
}

/// What something sealed belongs to: it opens nowhere else.
public enum SealPlace: Sendable, Hashable, CustomStringConvertible {
    case secret(SecretID, version: Int)
    /// What a sandbox's secrets came to when it was created.
    case sandbox(SandboxID)

    public var description: String {
        switch self {
        case .secret(let id, let version): "secret \(id), version \(version)"
        case .sandbox(let id): "sandbox \(id)"
        }
    }
}
