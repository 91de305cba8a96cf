/// What fronts ask of the engine about secrets. No error holds a value, and no answer but `environment`'s. Every call throws
/// `CordonError` alone.
public protocol SecretService: Sendable {
    /// A repeat with the same key answers with the first's secret.
    func createSecret(
        _ name: SecretName, _ environment: Environment, ifExists: ExistingSecretPolicy, by caller: Caller,
        key: IdempotencyKey?
    ) async throws -> SecretSnapshot
    /// `notFound` when there is none.
    func secret(_ reference: SecretReference) async throws -> SecretSnapshot
    /// A page, newest first, of those created before a time.
    func secrets(before: Timestamp?, limit: Int) async throws -> SecretPage
    /// Replaces all variables. What runs keeps what it has, as with every change.
    func replaceSecret(_ reference: SecretReference, with environment: Environment) async throws -> SecretSnapshot
    /// Changes some of the variables.
    func changeSecret(_ reference: SecretReference, _ changes: SecretChanges) async throws -> SecretSnapshot
    /// Sandboxes that were created with it keep it.
    func deleteSecret(_ reference: SecretReference) async throws
    /// What secrets come to, later ones over earlier ones, for work of the service's own: it is never a client's answer.
    func environment(of sources: [SecretSource]) async throws -> Environment
}
