public import ShimProtocol

extension LocalHost {
    /// How the launcher's pool stands; nil while there is no launcher, or one that doesn't say.
    public func poolCounts() async -> PoolCounts? {
        guard launcher.isConnected, let connection = try? await launcher.connection(within: .zero) else { return nil }
        return try? await withTimeout(.seconds(1)) { try await connection.call(PoolStatus(), for: PoolCounts.self) }
    }
}
