import ModalProtocol
import SandboxModel
import SwiftProtobuf

/// The life of a sandbox. Clients of today call most of them by a name that ends with V2; what they say and mean is
/// the same.
struct SandboxCalls {
    func add(to table: inout CallTable) {
        table.unary("SandboxCreate", create)
        table.unary("SandboxCreateV2", createWithRouter)
        table.unary("SandboxGetTaskId", taskID)
        table.unary("SandboxGetTaskIdV2", taskID)
        table.unary("SandboxGetCommandRouterAccess", routerAccess)
        table.unary("TaskGetCommandRouterAccess", routerAccessOfTask)
        table.unary("SandboxWait", wait)
        table.unary("SandboxWaitV2", wait)
        table.unary("SandboxTerminate", terminate)
        table.unary("SandboxTerminateV2", terminate)
        table.unary("SandboxGetFromName", fromName)
        table.unary("SandboxGetFromNameV2", fromName)
        table.unary("SandboxList", list)
        table.unary("SandboxListV2", list)
        table.unary("SandboxTagsGet", tags)
        table.unary("SandboxTagsGetV2", tags)
        table.unary("SandboxTagsSet", setTags)
        table.unary("SandboxTagsSetV2", setTags)
        table.unary("SandboxGetTunnels", tunnels)
        table.unary("SandboxGetTunnelsV2", tunnels)
        table.unary("SandboxCreateConnectToken", connectToken)
        table.unary("SandboxCreateConnectTokenV2", connectToken)
        table.unary("SandboxWaitUntilReady", of: .router, waitUntilReady)
        table.unary("TaskSetNetworkAccess", of: .router, setNetwork)
        table.unary("SandboxSetName") { (request: ModalSandboxSetNameRequest, call) in
            _ = try await call.service.setName(
                of: call.sandboxID(request.sandboxID), to: SandboxName(request.name))
            return ModalSandboxSetNameResponse()
        }
    }

    // MARK: Creation

    @Sendable private func create(
        _ request: ModalSandboxCreateRequest, _ call: Call
    ) async throws -> ModalSandboxCreateResponse {
        try await call.requireEnvironment(request.environmentName)
        let sources = try SandboxModel.SecretSource.all(ids: request.definition.secretIds)
        let sandbox = try await created(
            request.definition, request.appID, request.tags, sources, [:], call, key: call.key(over: request))
        return .with {
            $0.sandboxID = sandbox.id.text
            $0.metadata = sandbox.handle
        }
    }

    @Sendable private func createWithRouter(
        _ request: ModalSandboxCreateV2Request, _ call: Call
    ) async throws -> ModalSandboxCreateV2Response {
        var sources = try SandboxModel.SecretSource.all(request.secretSources, orIDs: request.definition.secretIds)
        if request.hasEphemeralSecrets { sources.append(.inline(try Environment(request.ephemeralSecrets.contents))) }
        let sandbox = try await created(
            request.definition, request.appID, request.tags, sources, request.cloudBucketMountCredentials, call,
            key: call.key(over: request))
        let tunnels = sandbox.spec.tunnels.isEmpty ? [] : try await call.service.tunnels(of: sandbox.id)
        let access = try Self.access(to: sandbox.id, call)
        return .with {
            $0.sandboxID = sandbox.id.text
            $0.taskID = TaskID(sandbox.id).description
            $0.metadata = sandbox.handle
            $0.tunnels = tunnels.map(\.modal)
            $0.commandRouterAccess = access
        }
    }

    private func created(
        _ definition: ModalSandbox, _ appID: String, _ tags: [ModalSandboxTag], _ secrets: [SandboxModel.SecretSource],
        _ bucketCredentials: [String: ModalStringMap], _ call: Call, key: IdempotencyKey?
    ) async throws -> SandboxSnapshot {
        let app = try await AppCalls.app(appID, call)
        // What isn't served is refused before anything is built.
        try definition.requireServed()
        let image = try await call.front.content.images.name(of: definition.imageID, with: definition.mountIds)
        let spec = try SandboxSpec(
            definition, in: app, image: image, tags: tags, secrets: secrets, bucketCredentials: bucketCredentials)
        return try await call.service.create(spec, by: call.caller, key: key)
    }

    // MARK: Tasks and their routers

    @Sendable private func taskID(
        _ request: ModalSandboxGetTaskIdRequest, _ call: Call
    ) async throws -> ModalSandboxGetTaskIdResponse {
        let sandbox = try await call.service.sandbox(call.sandboxID(request.sandboxID))
        return .with {
            $0.taskID = TaskID(sandbox.id).description
            if let result = sandbox.result { $0.taskResult = result }
        }
    }

    @Sendable private func routerAccess(
        _ request: ModalSandboxGetCommandRouterAccessRequest, _ call: Call
    ) async throws -> ModalSandboxGetCommandRouterAccessResponse {
        let id =
            switch request.target {
            case .sandboxID(let text): try call.sandboxID(text)
            case .taskID(let text): try call.sandbox(ofTask: text)
            case nil: throw CordonError.invalid(field: "target", value: nil, rule: "a sandbox or a task")
            }
        _ = try await call.service.sandbox(id)
        let access = try Self.access(to: id, call)
        return .with {
            $0.url = access.url
            $0.jwt = access.jwt
        }
    }

    /// The clients of old that call this can go by way of the control plane, and are told to where they would have to
    /// trust a certificate that nobody has given them.
    @Sendable private func routerAccessOfTask(
        _ request: ModalTaskGetCommandRouterAccessRequest, _ call: Call
    ) async throws -> ModalTaskGetCommandRouterAccessResponse {
        let id = try call.sandbox(ofTask: request.taskID)
        _ = try await call.service.sandbox(id)
        guard call.front.address.router(for: call) != nil else {
            throw CordonError(
                .failedPrecondition, "this client reaches tasks over TLS alone, and came in plain text")
        }
        let access = try Self.access(to: id, call)
        return .with {
            $0.url = access.url
            $0.jwt = access.jwt
        }
    }

    private static func access(to id: SandboxID, _ call: Call) throws -> ModalCommandRouterAccess {
        let jwt = try call.front.access.statement(for: call.caller, about: id)
        return .with {
            $0.url = call.front.address.router(for: call) ?? call.front.address.tlsURL
            $0.jwt = jwt
        }
    }

    // MARK: Ends

    @Sendable private func wait(
        _ request: ModalSandboxWaitRequest, _ call: Call
    ) async throws -> ModalSandboxWaitResponse {
        let sandbox = try await call.service.wait(
            for: call.sandboxID(request.sandboxID), upTo: Duration(wait: request.timeout))
        return .with {
            if let result = sandbox.result { $0.result = result }
            $0.metadata = sandbox.handle
        }
    }

    @Sendable private func terminate(
        _ request: ModalSandboxTerminateRequest, _ call: Call
    ) async throws -> ModalSandboxTerminateResponse {
        let id = try call.sandboxID(request.sandboxID)
        let before = try await call.service.sandbox(id)
        _ = try await call.service.terminate(id)
        return .with { if let result = before.result { $0.existingResult = result } }
    }

    // MARK: Finding

    @Sendable private func fromName(
        _ request: ModalSandboxGetFromNameRequest, _ call: Call
    ) async throws -> ModalSandboxGetFromNameResponse {
        try await call.requireEnvironment(request.environmentName)
        let name = try SandboxName(request.sandboxName, field: "sandbox_name")
        let app = try AppName(
            EnvironmentNames.outer(request.appName, in: request.environmentName), field: "app_name")
        let sandbox: SandboxSnapshot
        do {
            sandbox = try await call.service.sandbox(named: name, in: app)
        } catch let error as CordonError where error.code == .notFound && request.includeTerminated {
            guard let ended = try await latest(name, in: app, call) else { throw error }
            sandbox = ended
        }
        return .with {
            $0.sandboxID = sandbox.id.text
            $0.metadata = sandbox.handle
        }
    }

    /// The one of that name that was created last, over or not.
    private func latest(_ name: SandboxName, in app: AppName, _ call: Call) async throws -> SandboxSnapshot? {
        var query = SandboxQuery(app: app, limit: 1000)
        while true {
            let page = try await call.service.sandboxes(matching: query)
            if let found = page.sandboxes.first(where: { $0.spec.name == name }) { return found }
            guard let next = page.next else { return nil }
            query.before = next
        }
    }

    @Sendable private func list(
        _ request: ModalSandboxListRequest, _ call: Call
    ) async throws -> ModalSandboxListResponse {
        try await call.requireEnvironment(request.environmentName)
        var query = SandboxQuery(tags: try Tags(request.tags), state: request.includeFinished ? nil : .running)
        if !request.appID.isEmpty { query.app = try await AppCalls.app(request.appID, call).name }
        if request.beforeTimestamp > 0 { query.before = Timestamp(seconds: request.beforeTimestamp) }
        let page = try await call.service.sandboxes(matching: query)
        return .with { $0.sandboxes = page.sandboxes.map(\.info) }
    }

    // MARK: Tags

    @Sendable private func tags(
        _ request: ModalSandboxTagsGetRequest, _ call: Call
    ) async throws -> ModalSandboxTagsGetResponse {
        let sandbox = try await call.service.sandbox(call.sandboxID(request.sandboxID))
        return .with { $0.tags = sandbox.spec.tags.modal }
    }

    @Sendable private func setTags(
        _ request: ModalSandboxTagsSetRequest, _ call: Call
    ) async throws -> Google_Protobuf_Empty {
        try await call.requireEnvironment(request.environmentName)
        _ = try await call.service.setTags(of: call.sandboxID(request.sandboxID), to: Tags(request.tags))
        return Google_Protobuf_Empty()
    }

    // MARK: Ways in and out

    @Sendable private func tunnels(
        _ request: ModalSandboxGetTunnelsRequest, _ call: Call
    ) async throws -> ModalSandboxGetTunnelsResponse {
        let tunnels = try await call.service.tunnels(of: call.sandboxID(request.sandboxID))
        return .with {
            $0.result.status = .success
            $0.tunnels = tunnels.map(\.modal)
        }
    }

    @Sendable private func connectToken(
        _ request: ModalSandboxCreateConnectTokenRequest, _ call: Call
    ) async throws -> ModalSandboxCreateConnectTokenResponse {
        var wanted = ConnectTokenRequest()
        if request.hasPort {
            guard let port = UInt16(exactly: request.port), port > 0 else {
                throw CordonError.invalid(field: "port", value: "\(request.port)", rule: "a port from 1 to 65535")
            }
            wanted.port = port
        }
        if !request.userMetadata.isEmpty { wanted.metadata = try UserMetadata(json: request.userMetadata) }
        let token = try await call.service.issueConnectToken(wanted, for: call.sandboxID(request.sandboxID))
        return .with {
            $0.url = token.url
            $0.token = token.text
        }
    }

    @Sendable private func waitUntilReady(
        _ request: ModalSandboxWaitUntilReadyTcrRequest, _ call: Call
    ) async throws -> ModalSandboxWaitUntilReadyTcrResponse {
        let id = try call.sandbox(ofTask: request.taskID)
        guard try await call.service.sandbox(id).spec.readinessProbe != nil else {
            throw CordonError(.failedPrecondition, "sandbox \(id) was created without a readiness probe")
        }
        let end = ContinuousClock.now + .seconds(Double(max(0, min(request.timeout, 86_400))))
        while true {
            let sandbox = try await call.service.waitReady(id, upTo: min(end - .now, .seconds(55)))
            if let ready = sandbox.readyAt { return .with { $0.readyAt = ready.inSeconds } }
            if let result = sandbox.result {
                throw CordonError(
                    .failedPrecondition, "sandbox \(id) was over before it was ready: \(result.exception)")
            }
            guard ContinuousClock.now < end else {
                throw CordonError(.deadlineExceeded, "sandbox \(id) wasn't ready in time")
            }
        }
    }

    @Sendable private func setNetwork(
        _ request: ModalTaskSetNetworkAccessRequest, _ call: Call
    ) async throws -> ModalTaskSetNetworkAccessResponse {
        let policy = try NetworkPolicy(request.networkAccess) ?? .open
        _ = try await call.service.setNetwork(of: call.sandbox(ofTask: request.taskID), to: policy)
        return ModalTaskSetNetworkAccessResponse()
    }
}
