public import CordonAPI

extension CordonClient {
    public func createVolume(_ request: CreateVolumeRequest) async throws -> Volume {
        try await ask(.POST, "/v1/volumes", request, key: Self.newKey())
    }

    /// The volume of that name or id.
    public func volume(_ name: String) async throws -> Volume { try await ask(.GET, Self.path(ofVolume: name)) }

    /// One page, newest first.
    public func volumes(cursor: String? = nil) async throws -> VolumeList {
        try await ask(.GET, "/v1/volumes" + (cursor.map { "?cursor=\(Self.escape($0))" } ?? ""))
    }

    public func renameVolume(_ name: String, to other: String) async throws -> Volume {
        try await ask(.PATCH, Self.path(ofVolume: name), RenameVolumeRequest(name: other))
    }

    public func deleteVolume(_ name: String) async throws { try await bytes(.DELETE, Self.path(ofVolume: name), []) }

    /// Copies a file within a volume.
    public func copyFile(_ path: String, to other: String, inVolume name: String) async throws {
        _ = try await bytes(
            .POST, Self.path(ofVolume: name) + "/files/copy", JSONText.encode(CopyFileRequest(path: path, to: other)))
    }

    /// Publishes what a sandbox has written to its volumes.
    public func commitVolumes(of sandbox: String) async throws -> VolumeCommits {
        try JSONText.decode(
            VolumeCommits.self, from: try await bytes(.POST, Self.path(sandbox) + "/volumes/commit", []))
    }

    /// Shows a sandbox what its volumes have become.
    public func reloadVolumes(of sandbox: String) async throws {
        _ = try await bytes(.POST, Self.path(sandbox) + "/volumes/reload", [])
    }

    static func path(ofVolume name: String) -> String { "/v1/volumes/\(escape(name))" }
}
