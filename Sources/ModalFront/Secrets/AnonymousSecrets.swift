import SandboxModel

/// Secrets that a client makes for itself, without a name: the same variables are one secret, and those that were made
/// long ago go. What sandboxes were created with, they have.
actor AnonymousSecrets {
    private static let prefix = "modal-anonymous."
    private static let lifetime = Duration.seconds(7 * 86_400)
    private static let interval = Duration.seconds(3600)

    private let secrets: any SecretService
    /// A keyed hash: names tell nothing of values.
    private let hash: @Sendable ([UInt8]) -> [UInt8]
    private var nextRound = ContinuousClock.now

    init(secrets: any SecretService, hash: @escaping @Sendable ([UInt8]) -> [UInt8]) {
        self.secrets = secrets
        self.hash = hash
    }

    static func owns(_ name: SecretName) -> Bool { name.text.hasPrefix(prefix) }

    func keep(_ environment: Environment, by caller: Caller) async throws -> SecretSnapshot {
        await removeOld()
        let text = environment.variables.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)\0" }.joined()
        let mark = ImageID(digest: hash(Array("anonymous secret\0\(text)".utf8))).text.dropFirst(ImageID.prefix.count)
        return try await secrets.createSecret(
            try SecretName(Self.prefix + mark), environment, ifExists: .replace, by: caller, key: nil)
    }

    private func removeOld() async {
        guard nextRound <= .now else { return }
        nextRound = .now + Self.interval
        var before: Timestamp?
        let oldest = Timestamp(microseconds: Timestamp.now().microseconds - Self.lifetime.microseconds)
        while let page = try? await secrets.secrets(before: before, limit: 1000) {
            for secret in page.secrets where Self.owns(secret.name) && secret.updatedAt < oldest {
                try? await secrets.deleteSecret(.id(secret.id))
            }
            guard let next = page.next else { return }
            before = next
        }
    }
}
