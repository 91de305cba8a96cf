import SandboxModel

extension Engine {
    /// How long a server inside may take to accept.
    private static let connectLimit = Duration.seconds(10)

    public func connect(to port: UInt16, of id: SandboxID) async throws -> SandboxConnection {
        let sandbox = try find(id)
        return try await world.boundary.during("connecting to a sandbox") {
            try await sandbox.requireRunning()
            return try await world.host.connect(to: port, of: id, within: Self.connectLimit)
        }
    }

    public func lease(on id: SandboxID) async throws -> any SandboxLease {
        let sandbox = try find(id)
        return try await world.boundary.during("keeping a sandbox awake") {
            try await sandbox.requireRunning()
            return try world.host.lease(on: id)
        }
    }
}

extension Engine {
    public func tunnels(of id: SandboxID) async throws -> [TunnelEndpoint] {
        let sandbox = try find(id)
        return try await world.boundary.during("listing tunnels") { try await sandbox.tunnelEndpoints() }
    }

    public func waitReady(_ id: SandboxID, upTo limit: Duration) async throws -> SandboxSnapshot {
        let sandbox = try find(id)
        return try await world.boundary.during("waiting for readiness") {
            try await sandbox.waitForReadiness(upTo: limit)
        }
    }
}
