public import CordonAPI

extension CordonClient {
    /// Keeps what a sandbox has changed, or one of its directories, as an image. With an id of the client's own it is
    /// asked for again where the connection is lost.
    public func snapshot(_ sandbox: String, _ request: CreateSnapshotRequest) async throws -> Image {
        try JSONText.decode(
            Image.self,
            from: try await bytes(.POST, "/v1/sandboxes/\(Self.escape(sandbox))/snapshots", JSONText.encode(request)))
    }

    /// Shows an image at a directory of a running sandbox.
    public func mount(_ request: CreateMountRequest, in sandbox: String) async throws {
        _ = try await bytes(.POST, "/v1/sandboxes/\(Self.escape(sandbox))/mounts", JSONText.encode(request))
    }

    public func unmount(_ path: String, in sandbox: String) async throws {
        _ = try await bytes(
            .DELETE, "/v1/sandboxes/\(Self.escape(sandbox))/mounts?path=\(Self.escape(path))", [])
    }
}
