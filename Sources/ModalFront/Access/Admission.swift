import GRPCCore
import SandboxModel

/// Tells who calls by what a call carries: the control plane's calls a token, a task's calls a statement of ours.
struct Admission: Sendable {
    private static let tokenID = "x-modal-token-id"
    private static let tokenSecret = "x-modal-token-secret"
    private static let bearer = "Bearer "

    let access: any ModalAccess

    /// A caller of the control plane.
    func client(_ metadata: Metadata) async throws -> Caller {
        guard let id = metadata.only(Self.tokenID), let secret = metadata.only(Self.tokenSecret) else {
            throw CordonError(
                .unauthenticated,
                "this needs a token; set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET as cordon modal-env says")
        }
        return try await access.verify(tokenID: id, secret: secret)
    }

    /// A caller of a task, and the sandbox that it may speak to.
    func router(_ metadata: Metadata) throws -> (caller: Caller, sandbox: SandboxID) {
        guard let field = metadata.only("authorization"), field.hasPrefix(Self.bearer) else {
            throw CordonError(.unauthenticated, "a call to a task needs the statement that goes with it")
        }
        return try access.router(of: String(field.dropFirst(Self.bearer.count)))
    }
}

extension Metadata {
    /// The field's value where there is exactly one.
    func only(_ name: String) -> String? {
        var values = self[stringValues: name].makeIterator()
        guard let value = values.next(), values.next() == nil else { return nil }
        return value
    }
}
