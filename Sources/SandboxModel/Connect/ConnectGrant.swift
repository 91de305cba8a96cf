/// What a connect token allows: HTTP to one port of one sandbox, in somebody's name, for a while.
public struct ConnectGrant: Sendable, Hashable {
    /// The port where none is asked for.
    public static let defaultPort: UInt16 = 8080
    /// The longest that a token can be good: as long as a sandbox can live.
    public static let maximumLifetime = SandboxSpec.maximumTimeout

    /// By what it can be taken back.
    public let id: ConnectTokenID
    public var sandbox: SandboxID
    public var port: UInt16
    /// What the server inside is told of the bearer.
    public var metadata: UserMetadata?
    public var expiresAt: Timestamp

    public init(
        id: ConnectTokenID = .mint(), sandbox: SandboxID, port: UInt16, metadata: UserMetadata?, expiresAt: Timestamp
    ) {
        self.id = id
        self.sandbox = sandbox
        self.port = port
        self.metadata = metadata
        self.expiresAt = expiresAt
    }
}

/// What the creator of a connect token says of its bearer: JSON text.
public struct UserMetadata: Sendable, Hashable, CustomStringConvertible {
    /// One more than the most characters (Unicode scalars).
    public static let tooLong = 512

    public let text: String

    /// Takes text that is JSON; throws where it is too long.
    public init(json text: String) throws(CordonError) {
        guard text.unicodeScalars.count < Self.tooLong else {
            throw .invalid(
                field: "user_metadata", value: nil,
                rule: "fewer than \(Self.tooLong) characters, not \(text.unicodeScalars.count)")
        }
        self.text = text
    }

    /// The same JSON in printable ASCII, as a header field can carry it: outside of strings JSON has line ends
    /// and tabs only as space, inside of them any character can be escaped.
    public var fieldValue: String {
        var value = ""
        for unit in text.utf16 {
            switch unit {
            case 9, 10, 13: value.append(" ")
            case 0x20..<0x7f: value.unicodeScalars.append(Unicode.Scalar(UInt8(unit)))
            default:
                let digits = String(unit, radix: 16)
                value += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            }
        }
        return value
    }

    /// It may name people: logs don't show it.
    public var description: String { "user metadata of \(text.utf8.count) bytes" }
}

/// A connect token that is asked for.
public struct ConnectTokenRequest: Sendable, Hashable {
    public var port: UInt16
    public var metadata: UserMetadata?
    public var lifetime: Duration

    public init(
        port: UInt16 = ConnectGrant.defaultPort, metadata: UserMetadata? = nil,
        lifetime: Duration = ConnectGrant.maximumLifetime
    ) {
        self.port = port
        self.metadata = metadata
        self.lifetime = lifetime
    }
}

/// A connect token as its bearer holds it, and where to show it.
public struct ConnectToken: Sendable, Hashable, CustomStringConvertible {
    public var id: ConnectTokenID
    public var url: String
    public var text: String
    public var expiresAt: Timestamp

    public init(id: ConnectTokenID, url: String, text: String, expiresAt: Timestamp) {
        self.id = id
        self.url = url
        self.text = text
        self.expiresAt = expiresAt
    }

    /// Without the secret.
    public var description: String { "a connect token for \(url)" }
}

/// The shape of connect tokens, for telling them from other credentials.
public enum ConnectTokenText {
    public static let prefix = "ct-"
    /// No token is shorter: a sandbox's id alone takes more.
    private static let minimumBytes = 64
    /// The longest metadata, in UTF-8 and base64, and the rest.
    public static let maximumBytes = 4000

    /// Whether the text has the shape of a connect token, good or bad.
    public static func isOne(_ text: String) -> Bool {
        text.hasPrefix(prefix) && (minimumBytes...maximumBytes).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 48...57, 65...90, 97...122, UInt8(ascii: "-"), UInt8(ascii: "_"): true
                default: false
                }
            }
    }
}
