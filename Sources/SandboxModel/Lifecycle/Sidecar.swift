/// What holds for sidecars: sandboxes in the network of another one, which end with it at the latest.
public enum Sidecar {
    /// The most that run, or are being created, in one sandbox.
    public static let most = 16
    /// What the sandbox itself goes by among its sidecars.
    public static let mainName = "main"

    /// Throws `invalidArgument` for what no sidecar can be named.
    public static func name(_ text: String?, field: String = "name") throws(CordonError) -> SandboxName {
        guard let text, text != mainName else {
            throw .invalid(
                field: field, value: text,
                rule: "a sidecar has a name, \(NameRules.rule); \(mainName) is the sandbox itself")
        }
        return try SandboxName(text, field: field)
    }
}

extension SandboxSnapshot {
    /// A sidecar's, as it is beside its sandbox: it has that one's network, and no more time.
    package func beside(_ main: SandboxSnapshot) -> SandboxSnapshot {
        var snapshot = self
        snapshot.spec.network = main.spec.network
        if let own = deadline, let end = main.deadline { snapshot.deadline = min(own, end) }
        return snapshot
    }
}
