import SandboxModel

extension Engine {
    public func issueConnectToken(_ request: ConnectTokenRequest, for id: SandboxID) async throws -> ConnectToken {
        let sandbox = try find(id)
        return try await world.boundary.during("making a connect token") {
            try await sandbox.requireRunning()
            guard let connectTokens else {
                throw CordonError(.unimplemented, "this service has no connect proxy")
            }
            let expiry = Timestamp(
                microseconds: world.clock.now().microseconds + request.lifetime.microseconds)
            return try connectTokens.issue(
                ConnectGrant(sandbox: id, port: request.port, metadata: request.metadata, expiresAt: expiry))
        }
    }

    public func revokeConnectToken(_ token: ConnectTokenID, of id: SandboxID) async throws {
        let sandbox = try find(id)
        try await world.boundary.during("taking a connect token back") {
            // With its sandbox every token has ended.
            guard (try? await sandbox.requireRunning()) != nil else { return }
            guard let connectTokens else {
                throw CordonError(.unimplemented, "this service has no connect proxy")
            }
            try await connectTokens.revoke(token, of: id)
        }
    }
}
