import CordonAPI

extension CordonClient {
    /// A token for what a sandbox serves on a port.
    public func createConnectToken(
        for id: String, _ request: CreateConnectTokenRequest
    ) async throws -> ConnectTokenResponse {
        try await ask(.POST, Self.path(id) + "/connect-tokens", request, key: Self.newKey())
    }

    /// Takes a token back by its id.
    public func revokeConnectToken(_ token: String, of id: String) async throws {
        try await bytes(.DELETE, Self.path(id) + "/connect-tokens/" + Self.escape(token), [])
    }
}
