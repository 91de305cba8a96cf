public import CordonAPI

extension CordonClient {
    public func createSecret(_ request: CreateSecretRequest) async throws -> Secret {
        try await ask(.POST, "/v1/secrets", request, key: Self.newKey())
    }

    /// The secret of that name or id.
    public func secret(_ name: String) async throws -> Secret { try await ask(.GET, Self.path(ofSecret: name)) }

    /// One page, newest first.
    public func secrets(cursor: String? = nil) async throws -> SecretList {
        try await ask(.GET, "/v1/secrets" + (cursor.map { "?cursor=\(Self.escape($0))" } ?? ""))
    }

    /// Replaces all variables.
    public func replaceSecret(_ name: String, with variables: [String: String]) async throws -> Secret {
        try await ask(.PUT, Self.path(ofSecret: name), ReplaceSecretRequest(env: variables))
    }

    /// Sets variables, and removes those that are nil.
    public func changeSecret(_ name: String, _ variables: [String: String?]) async throws -> Secret {
        try await ask(.PATCH, Self.path(ofSecret: name), ChangeSecretRequest(env: variables))
    }

    public func deleteSecret(_ name: String) async throws { try await bytes(.DELETE, Self.path(ofSecret: name), []) }

    private static func path(ofSecret name: String) -> String { "/v1/secrets/\(escape(name))" }
}
