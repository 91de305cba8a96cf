import ModalProtocol
import SandboxModel

/// Sidecars of a sandbox, which clients call containers. A container's id is the sidecar's own id as a sandbox.
struct SidecarCalls {
    func add(to table: inout CallTable) {
        table.unary("SandboxContainerCreateV2", create)
        table.unary("TaskContainerCreate", of: .router, createByRouter)
        table.unary("TaskContainerGet", of: .router, get)
        table.unary("TaskContainerList", of: .router, list)
        table.unary("TaskContainerWait", of: .router, wait)
        table.unary("TaskContainerTerminate", of: .router, terminate)
    }

    // MARK: Creation

    @Sendable private func create(
        _ request: ModalSandboxContainerCreateV2Request, _ call: Call
    ) async throws -> ModalSandboxContainerCreateV2Response {
        var sources = try SandboxModel.SecretSource.all(request.secretSources, orIDs: request.definition.secretIds)
        if request.hasEphemeralSecrets { sources.append(.inline(try Environment(request.ephemeralSecrets.contents))) }
        let sidecar = try await created(
            request.containerName, request.definition, sources, request.cloudBucketMountCredentials,
            besides: call.sandboxID(request.sandboxID), call,
            key: call.key(over: request))
        return .with {
            $0.containerID = sidecar.id.text
            $0.containerName = request.containerName
        }
    }

    @Sendable private func createByRouter(
        _ request: ModalTaskContainerCreateRequest, _ call: Call
    ) async throws -> ModalTaskContainerCreateResponse {
        let sources = try SandboxModel.SecretSource.all(request.secretSources, orIDs: request.secretIds)
        let definition = ModalSandbox.with {
            $0.entrypointArgs = request.args
            $0.imageID = request.imageID
            $0.environmentVariables.contents = request.env
            if !request.workdir.isEmpty { $0.workdir = request.workdir }
            $0.volumeMounts = request.volumeMounts
            if request.hasNetworkAccess { $0.networkAccess = request.networkAccess }
            if request.hasPtyInfo { $0.ptyInfo = request.ptyInfo }
            if request.hasMemoryReserveConsumeMib { $0.resources.memoryMb = request.memoryReserveConsumeMib }
        }
        let sidecar = try await created(
            request.containerName, definition, sources, [:], besides: call.sandbox(ofTask: request.taskID), call,
            key: call.key(over: request))
        return .with {
            $0.containerID = sidecar.id.text
            $0.containerName = request.containerName
        }
    }

    private func created(
        _ name: String, _ definition: ModalSandbox, _ secrets: [SandboxModel.SecretSource],
        _ bucketCredentials: [String: ModalStringMap], besides id: SandboxID, _ call: Call, key: IdempotencyKey?
    ) async throws -> SandboxSnapshot {
        let name = try Sidecar.name(name, field: Self.nameField)
        let main = try await call.service.sandbox(id)
        try definition.requireServed()
        guard !definition.imageID.isEmpty else {
            throw CordonError.invalid(field: "image_id", value: nil, rule: "an image that was built")
        }
        let image = try await call.front.content.images.name(of: definition.imageID, with: definition.mountIds)
        let spec = try SandboxSpec(
            definition, as: name, besides: main, image: image, secrets: secrets,
            bucketCredentials: bucketCredentials)
        return try await call.service.create(spec, by: call.caller, key: key)
    }

    // MARK: Those there are

    private static let nameField = "container_name"

    @Sendable private func get(
        _ request: ModalTaskContainerGetRequest, _ call: Call
    ) async throws -> ModalTaskContainerGetResponse {
        let name = try Sidecar.name(request.containerName, field: Self.nameField)
        var query = SandboxQuery(
            sidecarsOf: try call.sandbox(ofTask: request.taskID), name: name, state: .running, limit: 1)
        var found = try await call.service.sandboxes(matching: query).sandboxes.first
        if found == nil, request.includeTerminated {
            query.state = nil
            found = try await call.service.sandboxes(matching: query).sandboxes.first
        }
        guard let found else {
            throw CordonError(
                .notFound, "no sidecar of the sandbox is named \(name)", field: Self.nameField, value: name.text)
        }
        return .with { $0.container = found.container }
    }

    @Sendable private func list(
        _ request: ModalTaskContainerListRequest, _ call: Call
    ) async throws -> ModalTaskContainerListResponse {
        let query = SandboxQuery(
            sidecarsOf: try call.sandbox(ofTask: request.taskID), state: request.includeTerminated ? nil : .running,
            limit: 1000)
        let page = try await call.service.sandboxes(matching: query)
        return .with { $0.containers = page.sandboxes.reversed().map(\.container) }
    }

    // MARK: Ends

    @Sendable private func wait(
        _ request: ModalTaskContainerWaitRequest, _ call: Call
    ) async throws -> ModalTaskContainerWaitResponse {
        let id = try await call.sidecar(request.containerID, ofTask: request.taskID)
        let sidecar = try await call.service.wait(for: id, upTo: Duration(wait: request.timeout))
        return .with { if let result = sidecar.result { $0.result = result } }
    }

    @Sendable private func terminate(
        _ request: ModalTaskContainerTerminateRequest, _ call: Call
    ) async throws -> ModalTaskContainerTerminateResponse {
        _ = try await call.service.terminate(call.sidecar(request.containerID, ofTask: request.taskID))
        return ModalTaskContainerTerminateResponse()
    }
}

extension SandboxSnapshot {
    /// A sidecar, as clients are told of it.
    fileprivate var container: ModalTaskContainerInfo {
        .with {
            $0.containerID = id.text
            $0.containerName = spec.name?.text ?? ""
            $0.status = status.ending == nil ? "running" : "terminated"
            if let result { $0.result = result }
        }
    }
}

extension SandboxSpec {
    /// A sidecar, as a definition asks for it.
    fileprivate init(
        _ definition: ModalSandbox, as name: SandboxName, besides main: SandboxSnapshot, image: ImageName,
        secrets: [SandboxModel.SecretSource], bucketCredentials: [String: ModalStringMap]
    ) throws {
        let app = AppSnapshot(id: main.appID, name: main.spec.app, tags: .none, createdAt: main.createdAt)
        try self.init(
            definition, in: app, image: image, tags: [], secrets: secrets, bucketCredentials: bucketCredentials)
        sidecarOf = main.id
        self.name = name
        // It ends with its sandbox, and its variables name that one.
        if definition.timeoutSecs == 0 { timeout = Self.maximumTimeout }
        ownNames = [:]
        environment = try Environment([
            "MODAL_SANDBOX_ID": main.id.text, "MODAL_TASK_ID": TaskID(main.id).description,
        ]).overlaid(with: environment)
        if let wanted = network, wanted != main.spec.network {
            throw CordonError(
                .unimplemented,
                "network policies of a sidecar's own aren't served: it shares its sandbox's network, whose policy holds "
                    + "for both", field: "network_access")
        }
        network = nil
    }
}
