import SandboxModel

/// Secrets in memory: what was given is kept, so that tests can see that no answer tells it.
extension FakeService: SecretService {
    struct FakeSecret {
        var snapshot: SecretSnapshot
        var environment: Environment
    }

    private func missing(_ reference: SecretReference) -> CordonError {
        CordonError(.notFound, "there is no secret \(reference)", field: "secret", value: reference.description)
    }

    private func index(of reference: SecretReference, in secrets: [FakeSecret]) -> Int? {
        secrets.firstIndex {
            switch reference {
            case .id(let id): $0.snapshot.id == id
            case .name(let name): $0.snapshot.name == name
            }
        }
    }

    func createSecret(
        _ name: SecretName, _ environment: Environment, ifExists: ExistingSecretPolicy, by caller: Caller,
        key: IdempotencyKey?
    ) async throws -> SecretSnapshot {
        try state.withLock { state in
            if let index = index(of: .name(name), in: state.secrets) {
                guard ifExists != .fail else {
                    throw CordonError(.alreadyExists, "there is a secret \(name)", field: "name", value: name.text)
                }
                return state.secrets[index].snapshot
            }
            state.clock += 1
            let at = Timestamp(microseconds: state.clock)
            let snapshot = SecretSnapshot(
                id: .mint(), name: name, keys: environment.names, version: 1, createdAt: at, updatedAt: at)
            state.secrets.append(FakeSecret(snapshot: snapshot, environment: environment))
            return snapshot
        }
    }

    func secret(_ reference: SecretReference) async throws -> SecretSnapshot {
        try state.withLock { state in
            guard let index = index(of: reference, in: state.secrets) else { throw missing(reference) }
            return state.secrets[index].snapshot
        }
    }

    func secrets(before: Timestamp?, limit: Int) async throws -> SecretPage {
        let all = state.withLock { $0.secrets.map(\.snapshot) }.reversed().filter { secret in
            before.map { secret.createdAt < $0 } ?? true
        }
        return SecretPage(
            secrets: Array(all.prefix(limit)), next: all.count > limit ? all[limit - 1].createdAt : nil)
    }

    func replaceSecret(
        _ reference: SecretReference, with environment: Environment
    ) async throws -> SecretSnapshot { try update(reference) { _ in environment } }

    func changeSecret(_ reference: SecretReference, _ changes: SecretChanges) async throws -> SecretSnapshot {
        try update(reference) { old in
            try Environment(
                old.variables.filter { !changes.removed.contains($0.key) }.merging(changes.set.variables) { $1 })
        }
    }

    func deleteSecret(_ reference: SecretReference) async throws {
        try state.withLock { state in
            guard let index = index(of: reference, in: state.secrets) else { throw missing(reference) }
            state.secrets.remove(at: index)
        }
    }

    func environment(of sources: [SecretSource]) async throws -> Environment {
        throw CordonError(.unimplemented, "nobody asks over HTTP")
    }

    private func update(
        _ reference: SecretReference, _ change: (Environment) throws -> Environment
    ) throws -> SecretSnapshot {
        try state.withLock { state in
            guard let index = index(of: reference, in: state.secrets) else { throw missing(reference) }
            state.secrets[index].environment = try change(state.secrets[index].environment)
            state.secrets[index].snapshot.keys = state.secrets[index].environment.names
            state.secrets[index].snapshot.version += 1
            return state.secrets[index].snapshot
        }
    }
}
