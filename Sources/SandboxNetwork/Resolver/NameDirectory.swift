import SandboxModel

/// Who asks, and what they may.
package struct NameDirectory: Sendable {
    private let host: any SandboxNetworkHost
    /// The policy of a sandbox; nil once it is gone, and while it is being changed.
    package let policy: @Sendable (SandboxID) -> NetworkPolicy?

    /// A new sandbox can be heard before the service knows its address.
    private static let patience = Duration.seconds(1)

    package init(host: any SandboxNetworkHost, policy: @escaping @Sendable (SandboxID) -> NetworkPolicy?) {
        self.host = host
        self.policy = policy
    }

    package func sandbox(at address: IPAddress) async -> SandboxID? {
        let deadline = ContinuousClock.now + Self.patience
        while true {
            if let id = host.sandbox(at: address) { return id }
            guard ContinuousClock.now < deadline else { return nil }
            do { try await Task.sleep(for: .milliseconds(20)) } catch { return nil }
        }
    }

    func open(_ addresses: [IPAddress], of id: SandboxID, for duration: Duration) async throws {
        try await host.open(addresses, of: id, for: duration)
    }

    package func deny(_ denial: NetworkDenial, of id: SandboxID) { host.deny(denial, of: id) }
}
