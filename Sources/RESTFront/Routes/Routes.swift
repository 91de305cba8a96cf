import HTTPTypes
import HummingbirdCore

extension FrontState {
    /// Every operation of `openapi.yaml`, and nothing else.
    static let routes: [Route] = operationRoutes + runRoutes + sandboxRoutes + execRoutes + streamRoutes + fileRoutes

    private static let operationRoutes: [Route] = [
        Route(.get, "/healthz") { try await OperationRoutes.health($0) },
        Route(.get, "/readyz") { try await OperationRoutes.readiness($0) },
        Route(.get, "/metrics") { await OperationRoutes.metrics($0) },
        Route(.get, "/openapi.yaml") { OperationRoutes.contract($0) },
    ]

    private static let runRoutes: [Route] = [
        Route(.post, "/v1/run") { try await RunRoutes.run($0) }
    ]

    private static let sandboxRoutes: [Route] = [
        Route(.post, "/v1/sandboxes") { try await SandboxRoutes.create($0) },
        Route(.get, "/v1/sandboxes") { try await SandboxRoutes.list($0) },
        Route(.get, "/v1/sandboxes/{id}") { try await SandboxRoutes.show($0) },
        Route(.patch, "/v1/sandboxes/{id}") { try await SandboxRoutes.changeDeadlines($0) },
        Route(.delete, "/v1/sandboxes/{id}") { try await SandboxRoutes.terminate($0) },
        Route(.put, "/v1/sandboxes/{id}/tags") { try await SandboxRoutes.replaceTags($0) },
        Route(.get, "/v1/sandboxes/{id}/wait") { try await SandboxRoutes.wait($0) },
        Route(.get, "/v1/sandboxes/{id}/events") { try await EventRoutes.events($0) },
        Route(.get, "/v1/apps/{app}/sandboxes/{name}") { try await SandboxRoutes.showNamed($0) },
    ]

    private static let execRoutes: [Route] = [
        Route(.post, "/v1/sandboxes/{id}/execs") { try await ExecRoutes.start($0) },
        Route(.get, "/v1/sandboxes/{id}/execs") { try await ExecRoutes.list($0) },
        Route(.get, "/v1/sandboxes/{id}/execs/{exec}") { try await ExecRoutes.show($0) },
        Route(.get, "/v1/sandboxes/{id}/execs/{exec}/wait") { try await ExecRoutes.wait($0) },
    ]

    private static let fileRoutes: [Route] = [
        Route(.get, "/v1/sandboxes/{id}/files") { try await FileContentRoutes.read($0) },
        Route(.put, "/v1/sandboxes/{id}/files") { try await FileContentRoutes.write($0) },
        Route(.delete, "/v1/sandboxes/{id}/files") { try await FileRoutes.remove($0) },
        Route(.get, "/v1/sandboxes/{id}/files/stat") { try await FileRoutes.stat($0) },
        Route(.get, "/v1/sandboxes/{id}/files/list") { try await FileRoutes.list($0) },
        Route(.post, "/v1/sandboxes/{id}/files/mkdir") { try await FileRoutes.makeDirectory($0) },
        Route(.post, "/v1/sandboxes/{id}/files/rename") { try await FileRoutes.rename($0) },
        Route(.post, "/v1/sandboxes/{id}/files/chmod") { try await FileRoutes.changeMode($0) },
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
