/// A connect token, shown this once.
public struct ConnectTokenResponse: Sendable, Hashable, Codable {
    /// By what it is taken back; no secret.
    public var id: String
    /// Where to show it.
    public var url: String
    public var token: String
    public var expiresAt: APITime

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case id, url, token
        case expiresAt = "expires_at"
    }

    public init(id: String, url: String, token: String, expiresAt: APITime) {
        self.id = id
        self.url = url
        self.token = token
        self.expiresAt = expiresAt
    }
}
