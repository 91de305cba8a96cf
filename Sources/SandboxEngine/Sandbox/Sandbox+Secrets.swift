import SandboxModel

extension Sandbox {
    /// The variables of every command in this sandbox: its own, over what its secrets came to when it was created,
    /// over its image's.
    func environment() async throws -> Environment {
        guard spec.hasSecrets else { return spec.imageEnvironment.overlaid(with: spec.environment) }
        guard let sealed = try await world.records.secrets(of: id) else {
            // They are forgotten with the end, which may have come meanwhile.
            try await requireRunning()
            throw CordonError(
                .dataLoss, "the secrets of sandbox \(id) aren't on record any more", field: "id", value: id.text)
        }
        return try spec.imageEnvironment.overlaid(with: world.vault.open(sealed, of: id)).overlaid(
            with: spec.environment)
    }

    /// What its secrets came to when it was created; nil without any, and once they are forgotten.
    func secretVariables() async throws -> Environment? {
        guard spec.hasSecrets, let sealed = try await world.records.secrets(of: id) else { return nil }
        return try world.vault.open(sealed, of: id)
    }

    /// The variables of an exec. Whoever is nearer to the command holds: its own, its secrets', the sandbox's.
    func environment(of exec: ExecSpec, _ secrets: [SecretSource]) async throws -> Environment {
        var own = exec.environment
        if !secrets.isEmpty { own = try await world.vault.resolve(secrets).overlaid(with: own) }
        return try await environment().overlaid(with: own)
    }
}
