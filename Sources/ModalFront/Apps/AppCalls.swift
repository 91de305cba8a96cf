import ModalProtocol
import SandboxModel
import SwiftProtobuf

/// Apps, by name, and those of one `app.run()`.
struct AppCalls {
    func add(to table: inout CallTable) {
        table.unary("AppGetOrCreate", getOrCreate)
        table.unary("AppGetByDeploymentName", byName)
        table.unary("AppCreate", create)
        table.unary("AppPublish") { (request: ModalAppPublishRequest, call) in
            _ = try await Self.app(request.appID, call)
            return ModalAppPublishResponse()
        }
        table.unary("AppHeartbeat") { (request: ModalAppHeartbeatRequest, call) in
            _ = try await Self.app(request.appID, call)
            return Google_Protobuf_Empty()
        }
        table.unary("AppClientDisconnect", disconnect)
        table.unary("AppGetLifecycle") { (request: ModalAppGetLifecycleRequest, call) in
            let app = try await Self.app(request.appID, call)
            return ModalAppGetLifecycleResponse.with { $0.lifecycle = app.lifecycle }
        }
        table.unary("AppGetTags") { (request: ModalAppGetTagsRequest, call) in
            let app = try await Self.app(request.appID, call)
            return ModalAppGetTagsResponse.with { $0.tags = app.tags.pairs }
        }
        table.unary("AppSetTags") { (request: ModalAppSetTagsRequest, call) in
            let app = try await Self.app(request.appID, call)
            try await call.front.apps.setTags(of: app.id, to: Tags(request.tags))
            return Google_Protobuf_Empty()
        }
    }

    /// The app of that id. Text that can't be an id names no app.
    static func app(_ text: String, _ call: Call) async throws -> AppSnapshot {
        guard let id = AppID(text) else {
            throw CordonError(.notFound, "there is no app \(text.prefix(64))", field: "app_id", value: text)
        }
        return try await call.front.apps.app(id)
    }

    @Sendable private func getOrCreate(
        _ request: ModalAppGetOrCreateRequest, _ call: Call
    ) async throws -> ModalAppGetOrCreateResponse {
        try await call.requireEnvironment(request.environmentName)
        let name = try AppName(
            EnvironmentNames.outer(request.appName, in: request.environmentName), field: "app_name")
        let app =
            switch request.objectCreationType {
            case .unspecified: try await call.front.apps.app(named: name)
            default: try await call.front.apps.createApp(named: name)
            }
        return .with {
            $0.appID = app.id.text
            $0.handleMetadata.appID = app.id.text
            $0.handleMetadata.description_p = request.appName
            $0.handleMetadata.environmentName = EnvironmentNames.resolved(request.environmentName)
        }
    }

    @Sendable private func byName(
        _ request: ModalAppGetByDeploymentNameRequest, _ call: Call
    ) async throws -> ModalAppGetByDeploymentNameResponse {
        try await call.requireEnvironment(request.environmentName)
        let name = try AppName(EnvironmentNames.outer(request.name, in: request.environmentName), field: "name")
        let app = try await call.front.apps.app(named: name)
        return .with {
            $0.appID = app.id.text
            $0.environmentName = EnvironmentNames.resolved(request.environmentName)
            $0.lifecycle = app.lifecycle
        }
    }

    /// What names the apps of one `app.run()`, which have no names of their own.
    private static let passing = "run-"

    @Sendable private func create(_ request: ModalAppCreateRequest, _ call: Call) async throws -> ModalAppCreateResponse
    {
        try await call.requireEnvironment(request.environmentName)
        let name = try AppName(Self.passing + String(AppID.mint().text.dropFirst(AppID.prefix.count)))
        let app = try await call.front.apps.createApp(named: name)
        if !request.tags.isEmpty { try await call.front.apps.setTags(of: app.id, to: Tags(request.tags)) }
        return .with { $0.appID = app.id.text }
    }

    /// The client's `app.run()` is over, and the sandboxes of it with it.
    @Sendable private func disconnect(
        _ request: ModalAppClientDisconnectRequest, _ call: Call
    ) async throws -> Google_Protobuf_Empty {
        let app = try await Self.app(request.appID, call)
        guard app.name.text.hasPrefix(Self.passing) else { return Google_Protobuf_Empty() }
        let page = try await call.service.sandboxes(
            matching: SandboxQuery(app: app.name, state: .running, limit: 1000))
        for sandbox in page.sandboxes { _ = try await call.service.terminate(sandbox.id) }
        return Google_Protobuf_Empty()
    }
}

extension AppSnapshot {
    /// An app stays once it was named.
    fileprivate var lifecycle: ModalAppLifecycle {
        .with {
            $0.appState = .deployed
            $0.createdAt = createdAt.inSeconds
            $0.deployedAt = createdAt.inSeconds
        }
    }
}
