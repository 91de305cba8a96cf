import Logging
import SandboxModel

/// Where secrets are kept, and what they are sealed with.
public struct SecretStorage: Sendable {
    let records: any SecretRecords
    let sealer: any EnvironmentSealer

    public init(records: any SecretRecords, sealer: any EnvironmentSealer) {
        self.records = records
        self.sealer = sealer
    }
}

/// Makes environments of what requests call secrets. Values are in memory for as long as it takes.
struct Vault: Sendable {
    /// nil where the service keeps no secrets.
    let storage: SecretStorage?
    let logger: Logger

    func require() throws(CordonError) -> SecretStorage {
        guard let storage else { throw CordonError(.unimplemented, "this service keeps no secrets", field: "secrets") }
        return storage
    }

    /// What `sources` come to, later ones over earlier ones. Every one must be there, with the keys asked for.
    func resolve(_ sources: [SecretSource], field: String = "secrets") async throws -> Environment {
        guard !sources.isEmpty else { return .empty }
        let storage = try require()
        var resolved = Environment.empty
        // From the last to the first: what is held only grows, and too much is refused before more is opened.
        for (index, source) in sources.enumerated().reversed() {
            let environment = try await variables(of: source, field: "\(field)[\(index)]", storage)
            resolved = try Environment(environment.overlaid(with: resolved).variables, field: field)
        }
        return resolved
    }

    private func variables(
        of source: SecretSource, field: String, _ storage: SecretStorage
    ) async throws -> Environment {
        switch source {
        case .inline(let given): return given
        case .stored(let reference, let required):
            guard let stored = try await storage.records.secret(reference) else {
                throw CordonError.noSecret(reference, field: field)
            }
            try Self.check(stored.snapshot, has: required, field: field)
            return try open(stored, storage)
        }
    }

    func open(_ stored: StoredSecret, _ storage: SecretStorage) throws -> Environment {
        let snapshot = stored.snapshot
        do {
            return try storage.sealer.open(stored.sealed, at: .secret(snapshot.id, version: snapshot.version))
        } catch {
            logger.error("a secret can't be opened", metadata: ["secret": "\(snapshot.id)", "error": "\(error)"])
            throw CordonError(
                .dataLoss, "the secret \(snapshot.name) can't be opened; the service's log says why", field: "secrets",
                value: snapshot.name.text)
        }
    }

    func seal(_ environment: Environment, of id: SandboxID) throws -> SealedEnvironment {
        try require().sealer.seal(environment, at: .sandbox(id))
    }

    func open(_ sealed: SealedEnvironment, of id: SandboxID) throws -> Environment {
        do {
            return try require().sealer.open(sealed, at: .sandbox(id))
        } catch {
            logger.error("a sandbox's secrets can't be opened", metadata: ["sandbox": "\(id)", "error": "\(error)"])
            throw CordonError(
                .dataLoss, "the secrets of sandbox \(id) can't be opened; the service's log says why", field: "secrets")
        }
    }

    /// The spec with a fingerprint in the place of its secrets.
    func takeIn(_ spec: ExecSpec) throws -> ExecSpec {
        guard !spec.secrets.isEmpty else { return spec }
        var spec = spec
        spec.secretsHash = try require().sealer.fingerprint(of: spec.secrets)
        spec.secrets = []
        return spec
    }

    private static func check(
        _ secret: SecretSnapshot, has required: [String], field: String
    ) throws(CordonError) {
        for (index, key) in required.enumerated() where !secret.keys.contains(key) {
            throw CordonError(
                .failedPrecondition, "the secret \(secret.name) has no \(key)",
                field: "\(field).required_keys[\(index)]",
                value: key, rule: "every required key is in the secret")
        }
    }
}

extension CordonError {
    static func noSecret(_ reference: SecretReference, field: String = "secret") -> CordonError {
        CordonError(.notFound, "there is no secret \(reference)", field: field, value: reference.description)
    }
}
