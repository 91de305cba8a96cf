/// The body of `POST /v1/sandboxes/{id}/connect-tokens`.
public struct CreateConnectTokenRequest: Sendable, Hashable, Encodable {
    /// JSON text; a server inside gets it as `X-Verified-User-Data`.
    public var userMetadata: String?
    public var port: Int?
    public var expiresSeconds: Int?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case userMetadata = "user_metadata"
        case port
        case expiresSeconds = "expires_seconds"
    }

    public init(userMetadata: String? = nil, port: Int? = nil, expiresSeconds: Int? = nil) {
        self.userMetadata = userMetadata
        self.port = port
        self.expiresSeconds = expiresSeconds
    }
}
