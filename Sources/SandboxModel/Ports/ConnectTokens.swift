/// Makes connect tokens; only the engine says for what.
public protocol ConnectTokenIssuer: Sendable {
    /// Throws `unavailable` as long as it isn't known where tokens can be shown.
    func issue(_ grant: ConnectGrant) throws(CordonError) -> ConnectToken
    /// Takes a token of a sandbox back, for good, also through restarts, once this returns. Throws
    /// `resourceExhausted` where too many were taken back that could still be good.
    func revoke(_ id: ConnectTokenID, of sandbox: SandboxID) async throws
}

/// Tells what a connect token allows.
public protocol ConnectTokenVerifier: Sendable {
    /// Throws `unauthenticated` for a token that was never made, was changed or taken back, or has expired; the
    /// error holds nothing of it.
    func grant(of token: String) throws(CordonError) -> ConnectGrant
    /// Whether a grant, which was good once, was taken back since.
    func isRevoked(_ grant: ConnectGrant) -> Bool
}

/// The ways into sandboxes that the connect proxy needs.
public protocol SandboxPorts: Sendable {
    /// Connects to a port of a running sandbox. Throws `unavailable` when nobody listens there, `notFound` or
    /// `failedPrecondition` when the sandbox isn't there any more.
    func connect(to port: UInt16, of id: SandboxID) async throws -> SandboxConnection
    /// Keeps a running sandbox from being idle until the lease is released.
    func lease(on id: SandboxID) async throws -> any SandboxLease
}
