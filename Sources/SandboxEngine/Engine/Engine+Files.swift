import SandboxModel

extension Engine {
    public func openFiles(in id: SandboxID, as user: String?) async throws -> any FileSession {
        let sandbox = try find(id)
        return try await world.boundary.during("opening files") {
            try await sandbox.requireRunning()
            return try await world.host.openFiles(in: id, as: user)
        }
    }
}
