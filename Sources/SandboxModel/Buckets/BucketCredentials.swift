/// What requests to a bucket are signed with. Never written to a disk or shown.
public struct BucketCredentials: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Names of the variables that say them.
    public static let names = (
        keyID: "AWS_ACCESS_KEY_ID", secretKey: "AWS_SECRET_ACCESS_KEY", sessionToken: "AWS_SESSION_TOKEN",
        region: ["AWS_REGION", "AWS_DEFAULT_REGION"]
    )

    public let keyID: String
    public let secretKey: String
    public let sessionToken: String?

    /// Throws `invalidArgument` for `field`, without the value.
    public init(keyID: String, secretKey: String, sessionToken: String?, field: String) throws(CordonError) {
        let values = [
            (Self.names.keyID, keyID, 256), (Self.names.secretKey, secretKey, 256),
            (Self.names.sessionToken, sessionToken ?? "-", 8192),
        ]
        for (name, value, most) in values where !Self.isPlain(value, most: most) {
            throw .invalid(
                field: field, value: nil,
                rule: "\(name) holds 1–\(most) printable ASCII characters, without spaces, quotes, %, #, ; and \\")
        }
        self.keyID = keyID
        self.secretKey = secretKey
        self.sessionToken = sessionToken
    }

    /// Those that variables say; nil where they say none. Throws `failedPrecondition` where half of them is missing.
    public init?(_ variables: Environment, field: String) throws(CordonError) {
        let found = variables.variables
        let token = found[Self.names.sessionToken].flatMap { $0.isEmpty ? nil : $0 }
        switch (found[Self.names.keyID] ?? "", found[Self.names.secretKey] ?? "") {
        case ("", ""): return nil
        case (let keyID, let secretKey):
            guard !keyID.isEmpty, !secretKey.isEmpty else {
                let missing = keyID.isEmpty ? Self.names.keyID : Self.names.secretKey
                throw CordonError(
                    .failedPrecondition, "the secrets of the bucket have no \(missing)", field: field, value: missing,
                    rule: "\(Self.names.keyID) and \(Self.names.secretKey), or neither")
            }
            try self.init(keyID: keyID, secretKey: secretKey, sessionToken: token, field: field)
        }
    }

    /// What would change the meaning of a line in a file of settings stays out.
    private static func isPlain(_ text: String, most: Int) -> Bool {
        (1...most).contains(text.utf8.count)
            && text.utf8.allSatisfy { (0x21...0x7e).contains($0) && !"\"'`%#;\\".utf8.contains($0) }
    }

    public var description: String { "credentials" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: [] as [Mirror.Child]) }
}
