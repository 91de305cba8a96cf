import HTTPTypes
import HummingbirdCore

extension FrontState {
    /// Every operation of `openapi.yaml`, and nothing else.
    static let routes: [Route] =
        operationRoutes + authorityRoutes + runRoutes + secretRoutes + sandboxRoutes + execRoutes + streamRoutes
        + fileRoutes(of: "/v1/sandboxes/{id}") + watchRoutes + imageRoutes + contentRoutes + volumeRoutes
        + fileRoutes(of: "/v1/volumes/{volume}")

    private static let operationRoutes: [Route] = [
        Route(.get, "/healthz") { try await OperationRoutes.health($0) },
        Route(.get, "/readyz") { try await OperationRoutes.readiness($0) },
        Route(.get, "/metrics") { await OperationRoutes.metrics($0) },
        Route(.get, "/openapi.yaml") { OperationRoutes.contract($0) },
    ]

    private static let authorityRoutes: [Route] = [
        Route(.get, "/v1/ca") { try OperationRoutes.tunnelAuthority($0) }
    ]

    private static let runRoutes: [Route] = [
        Route(.post, "/v1/run") { try await RunRoutes.run($0) }
    ]

    private static let secretRoutes: [Route] = [
        Route(.post, "/v1/secrets") { try await SecretRoutes.create($0) },
        Route(.get, "/v1/secrets") { try await SecretRoutes.list($0) },
        Route(.get, "/v1/secrets/{secret}") { try await SecretRoutes.show($0) },
        Route(.put, "/v1/secrets/{secret}") { try await SecretRoutes.replace($0) },
        Route(.patch, "/v1/secrets/{secret}") { try await SecretRoutes.change($0) },
        Route(.delete, "/v1/secrets/{secret}") { try await SecretRoutes.delete($0) },
    ]

    private static let sandboxRoutes: [Route] = [
        Route(.post, "/v1/sandboxes") { try await SandboxRoutes.create($0) },
        Route(.get, "/v1/sandboxes") { try await SandboxRoutes.list($0) },
        Route(.get, "/v1/sandboxes/{id}") { try await SandboxRoutes.show($0) },
        Route(.patch, "/v1/sandboxes/{id}") { try await SandboxRoutes.changeDeadlines($0) },
        Route(.delete, "/v1/sandboxes/{id}") { try await SandboxRoutes.terminate($0) },
        Route(.put, "/v1/sandboxes/{id}/tags") { try await SandboxRoutes.replaceTags($0) },
        Route(.put, "/v1/sandboxes/{id}/network") { try await SandboxRoutes.replaceNetwork($0) },
        Route(.get, "/v1/sandboxes/{id}/wait") { try await SandboxRoutes.wait($0) },
        Route(.post, "/v1/sandboxes/{id}/sidecars") { try await SidecarRoutes.create($0) },
        Route(.get, "/v1/sandboxes/{id}/sidecars") { try await SidecarRoutes.list($0) },
        Route(.post, "/v1/sandboxes/{id}/snapshots") { try await SnapshotRoutes.create($0) },
        Route(.post, "/v1/sandboxes/{id}/branches") { try await BranchRoutes.run($0) },
        Route(.post, "/v1/sandboxes/{id}/mounts") { try await SnapshotRoutes.mount($0) },
        Route(.delete, "/v1/sandboxes/{id}/mounts") { try await SnapshotRoutes.unmount($0) },
        Route(.post, "/v1/sandboxes/{id}/connect-tokens") { try await ConnectTokenRoutes.create($0) },
        Route(.delete, "/v1/sandboxes/{id}/connect-tokens/{token}") { try await ConnectTokenRoutes.revoke($0) },
        Route(.get, "/v1/sandboxes/{id}/wait-ready") { try await TunnelRoutes.waitReady($0) },
        Route(.get, "/v1/sandboxes/{id}/tunnels") { try await TunnelRoutes.list($0) },
        Route(.get, "/v1/sandboxes/{id}/events") { try await EventRoutes.events($0) },
        Route(.get, "/v1/apps/{app}/sandboxes/{name}") { try await SandboxRoutes.showNamed($0) },
    ]

    private static let execRoutes: [Route] = [
        Route(.post, "/v1/sandboxes/{id}/execs") { try await ExecRoutes.start($0) },
        Route(.get, "/v1/sandboxes/{id}/execs") { try await ExecRoutes.list($0) },
        Route(.get, "/v1/sandboxes/{id}/execs/{exec}") { try await ExecRoutes.show($0) },
        Route(.get, "/v1/sandboxes/{id}/execs/{exec}/wait") { try await ExecRoutes.wait($0) },
    ]

    private static func fileRoutes(of base: String) -> [Route] {
        [
            Route(.get, base + "/files") { try await FileContentRoutes.read($0) },
            Route(.put, base + "/files") { try await FileContentRoutes.write($0) },
            Route(.delete, base + "/files") { try await FileRoutes.remove($0) },
            Route(.get, base + "/files/stat") { try await FileRoutes.stat($0) },
            Route(.get, base + "/files/list") { try await FileRoutes.list($0) },
            Route(.get, base + "/files/archive") { try await ArchiveRoutes.pack($0) },
            Route(.put, base + "/files/archive") { try await ArchiveRoutes.unpack($0) },
            Route(.post, base + "/files/mkdir") { try await FileRoutes.makeDirectory($0) },
            Route(.post, base + "/files/rename") { try await FileRoutes.rename($0) },
            Route(.post, base + "/files/chmod") { try await FileRoutes.changeMode($0) },
        ]
    }

    private static let watchRoutes: [Route] = [
        Route(.get, "/v1/sandboxes/{id}/files/watch") { try await WatchRoutes.watch($0) }
    ]

    private static let volumeRoutes: [Route] = [
        Route(.post, "/v1/volumes") { try await VolumeRoutes.create($0) },
        Route(.get, "/v1/volumes") { try await VolumeRoutes.list($0) },
        Route(.get, "/v1/volumes/{volume}") { try await VolumeRoutes.show($0) },
        Route(.patch, "/v1/volumes/{volume}") { try await VolumeRoutes.rename($0) },
        Route(.delete, "/v1/volumes/{volume}") { try await VolumeRoutes.delete($0) },
        Route(.post, "/v1/volumes/{volume}/files/copy") { try await FileRoutes.copy($0) },
        Route(.post, "/v1/sandboxes/{id}/volumes/commit") { try await VolumeRoutes.commit($0) },
        Route(.post, "/v1/sandboxes/{id}/volumes/reload") { try await VolumeRoutes.reload($0) },
    ]

    private static let imageRoutes: [Route] = [
        Route(.get, "/v1/images") { try await ImageRoutes.list($0) },
        Route(.post, "/v1/images/pull") { try await ImageMakingRoutes.pull($0) },
        Route(.post, "/v1/images/import") { try await ImageMakingRoutes.importArchive($0) },
        Route(.post, "/v1/images/contexts") { try await ImageMakingRoutes.addContext($0) },
        Route(.post, "/v1/images/build") { try await ImageMakingRoutes.build($0) },
        Route(.post, "/v1/images/collect") { try await ImageRoutes.collect($0) },
        Route(.get, "/v1/images/{image}") { try await ImageRoutes.show($0) },
        Route(.get, "/v1/images/{image}/diff/{other}") { try await ImageRoutes.diff($0) },
        Route(.delete, "/v1/images/{image}") { try await ImageRoutes.remove($0) },
    ]

    /// Signed addresses: these take no token.
    private static let contentRoutes: [Route] = [
        Route(.put, "/content/blobs/{blob}/parts/{part}") { try await ContentRoutes.putPart($0) },
        Route(.post, "/content/blobs/{blob}/completion") { try await ContentRoutes.complete($0) },
        Route(.get, "/content/blobs/{blob}") { try await ContentRoutes.getBlob($0) },
        Route(.put, "/content/files/{digest}") { try await ContentRoutes.putFile($0) },
        Route(.get, "/content/files/{digest}") { try await ContentRoutes.getFile($0) },
    ]

    /// Each stream of an exec, and the same of the main command directly on the sandbox.
    private static let streamRoutes: [Route] =
        streamRoutes(of: "/v1/sandboxes/{id}/execs/{exec}") + streamRoutes(of: "/v1/sandboxes/{id}")

    private static func streamRoutes(of base: String) -> [Route] {
        [
            Route(.get, base + "/stdout") { try await StreamRoutes.read($0, .stdout) },
            Route(.get, base + "/stderr") { try await StreamRoutes.read($0, .stderr) },
            Route(.get, base + "/stdin") { try await StdinRoutes.show($0) },
            Route(.post, base + "/stdin") { try await StdinRoutes.write($0) },
            Route(.get, base + "/logs") { try await LogRoutes.logs($0) },
            Route(.post, base + "/signal") { try await ExecRoutes.signal($0) },
            Route(.post, base + "/resize") { try await ExecRoutes.resize($0) },
            Route(webSocket: base + "/attach") { try await AttachRoutes.attach($0) },
        ]
    }
}
