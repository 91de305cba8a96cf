public import SandboxModel

/// Who may call, as the service's tokens say.
public protocol ModalAccess: Sendable {
    /// The caller that a token's two parts belong to; throws `unauthenticated`, without any part of them.
    func verify(tokenID: String, secret: String) async throws -> Caller
    /// A signed statement (RFC 7519) that whoever shows it speaks for this caller, about one sandbox or, with nil,
    /// about any; good for an hour.
    func statement(for caller: Caller, about sandbox: SandboxID?) throws(CordonError) -> String
    /// Who is spoken for, and about which sandbox; throws `unauthenticated` for a statement that isn't good, or isn't
    /// about one sandbox.
    func router(of statement: String) throws(CordonError) -> (caller: Caller, sandbox: SandboxID)
}
