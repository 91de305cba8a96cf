import SandboxModel

extension Engine: SecretService {
    public func createSecret(
        _ name: SecretName, _ environment: Environment, ifExists: ExistingSecretPolicy, by caller: Caller,
        key: IdempotencyKey?
    ) async throws -> SecretSnapshot {
        try await uncancelled("creating a secret") { [self] in
            let storage = try world.vault.require()
            guard let key else { return try await create(name, environment, ifExists, by: caller, key: nil, storage) }
            return try await gate.pass(KeyGate.Scope(key, caller)) {
                switch try await storage.records.outcome(of: key, by: caller, at: world.clock.now()) {
                case .new: return try await create(name, environment, ifExists, by: caller, key: key, storage)
                case .existing(let text):
                    guard let id = SecretID(text), let known = try await storage.records.secret(.id(id)) else {
                        throw CordonError.keyConflict(key)
                    }
                    return known.snapshot
                case .conflict: throw CordonError.keyConflict(key)
                }
            }
        }
    }

    public func secret(_ reference: SecretReference) async throws -> SecretSnapshot {
        try await world.boundary.during("reading a secret") {
            guard let found = try await world.vault.require().records.secret(reference) else {
                throw CordonError.noSecret(reference)
            }
            return found.snapshot
        }
    }

    public func secrets(before: Timestamp?, limit: Int) async throws -> SecretPage {
        try await world.boundary.during("listing secrets") {
            try await world.vault.require().records.secrets(before: before, limit: min(max(limit, 1), 1000))
        }
    }

    public func replaceSecret(
        _ reference: SecretReference, with environment: Environment
    ) async throws -> SecretSnapshot {
        try await uncancelled("replacing a secret") { [self] in
            try await update(reference) { _ in environment }
        }
    }

    public func changeSecret(_ reference: SecretReference, _ changes: SecretChanges) async throws -> SecretSnapshot {
        try await uncancelled("changing a secret") { [self] in
            try await update(reference) { old in
                let kept = try old().variables.filter { !changes.removed.contains($0.key) }
                return try Environment(kept.merging(changes.set.variables) { $1 })
            }
        }
    }

    public func deleteSecret(_ reference: SecretReference) async throws {
        try await uncancelled("deleting a secret") { [self] in
            guard try await world.vault.require().records.remove(reference) else {
                throw CordonError.noSecret(reference)
            }
        }
    }

    public func environment(of sources: [SecretSource]) async throws -> Environment {
        try await world.boundary.during("looking up secrets") { try await world.vault.resolve(sources) }
    }

    private func create(
        _ name: SecretName, _ environment: Environment, _ ifExists: ExistingSecretPolicy, by caller: Caller,
        key: IdempotencyKey?, _ storage: SecretStorage
    ) async throws -> SecretSnapshot {
        try Self.checkCount(environment)
        let now = world.clock.now()
        let fresh = SecretSnapshot(
            id: .mint(), name: name, keys: environment.names, version: 1, createdAt: now, updatedAt: now)
        let sealed = try storage.sealer.seal(environment, at: .secret(fresh.id, version: 1))
        switch try await storage.records.add(StoredSecret(snapshot: fresh, sealed: sealed), key: key, by: caller) {
        case .added(let secret): return secret
        case .full(let rule): throw CordonError(.resourceExhausted, "secrets take too much room: \(rule)", rule: rule)
        case .nameTaken(let there):
            switch ifExists {
            case .fail:
                throw CordonError(
                    .alreadyExists, "there is a secret \(name) already", field: "name", value: name.text,
                    rule: "a name is one secret's; if_exists says what else may happen",
                    detail: ["secret_id": there.id.text])
            case .keep:
                if let key { try await storage.records.use(key, by: caller, for: there.id, at: now) }
                return there
            case .replace:
                return try await update(.id(there.id), key: key, by: caller) { _ in environment }
            }
        }
    }

    /// Writes the next version. When another change came between, it is made to what that one left.
    private func update(
        _ reference: SecretReference, key: IdempotencyKey? = nil, by caller: Caller? = nil,
        _ change: (_ old: () throws -> Environment) throws -> Environment
    ) async throws -> SecretSnapshot {
        let storage = try world.vault.require()
        for _ in 0..<16 {
            guard let old = try await storage.records.secret(reference) else { throw CordonError.noSecret(reference) }
            let environment = try change { try world.vault.open(old, storage) }
            try Self.checkCount(environment)
            var next = old.snapshot
            next.version += 1
            next.keys = environment.names
            next.updatedAt = world.clock.now()
            let sealed = try storage.sealer.seal(environment, at: .secret(next.id, version: next.version))
            let isWritten = try await storage.records.replace(
                with: StoredSecret(snapshot: next, sealed: sealed), key: key, by: caller)
            if isWritten { return next }
        }
        throw CordonError(.aborted, "the secret \(reference) is being changed by too many at once")
    }

    private static func checkCount(_ environment: Environment) throws(CordonError) {
        let count = environment.variables.count
        guard count <= SecretSnapshot.maximumKeys else {
            throw .invalid(field: "env", value: "\(count) variables", rule: "at most \(SecretSnapshot.maximumKeys)")
        }
    }
}
