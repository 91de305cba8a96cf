public import SandboxModel

/// Who a bearer token belongs to. cordond adapts its access rooms to this.
public protocol CallerVerifier: Sendable {
    /// The caller behind `<id>.<secret>`; throws `unauthenticated` when there is none. Its own
    /// failure is another code, so that a broken store isn't taken for a wrong token.
    func verify(bearer: String) async throws -> Caller
}
