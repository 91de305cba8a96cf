import SandboxModel

extension Engine {
    public func snapshot(_ id: SandboxID, _ order: SnapshotOrder) async throws -> ImageRecord {
        let sandbox = try find(id)
        return try await uncancelled("making a snapshot") { [world] in
            try await world.images.snapshot(of: id, sandbox.runningSpec(), order)
        }
    }

    public func mount(_ order: MountOrder, in id: SandboxID) async throws {
        let sandbox = try find(id)
        try await uncancelled("mounting an image") { [world] in
            _ = try await sandbox.runningSpec()
            let files = try await world.host.openFiles(in: id, as: nil)
            defer { files.close() }
            try await files.makeDirectory(order.path, parents: true, mode: nil)
            try await world.images.mount(order, in: id)
        }
    }

    public func unmount(_ path: FilePath, in id: SandboxID) async throws {
        let sandbox = try find(id)
        try await uncancelled("unmounting an image") { [world] in
            _ = try await sandbox.runningSpec()
            try await world.images.unmount(path, in: id)
        }
    }
}

extension Sandbox {
    /// What it was made from. Throws `failedPrecondition` once it is over.
    func runningSpec() async throws -> SandboxSpec {
        try await requireRunning()
        return spec
    }
}
