import ModalProtocol
import SandboxModel

/// Tasks, which are sandboxes that run.
struct TaskCalls: Sendable {
    func add(to table: inout CallTable) {
        table.unary("TaskList", list)
        table.unary("TaskGetInfo") { (request: ModalTaskGetInfoRequest, call) -> ModalTaskGetInfoResponse in
            let sandbox = try await call.service.sandbox(call.sandbox(ofTask: request.taskID))
            let app = try await call.front.apps.createApp(named: sandbox.spec.app)
            return .with { (answer: inout ModalTaskGetInfoResponse) in
                answer.appID = app.id.text
                answer.info = Self.info(sandbox)
            }
        }
        table.unary("ContainerStop") { (request: ModalContainerStopRequest, call) in
            _ = try await call.service.terminate(call.sandbox(ofTask: request.taskID))
            return ModalContainerStopResponse()
        }
    }

    @Sendable private func list(_ request: ModalTaskListRequest, _ call: Call) async throws -> ModalTaskListResponse {
        let app = request.appID.isEmpty ? nil : try await AppCalls.app(request.appID, call)
        var apps: [AppName: AppSnapshot] = [:]
        var answer = ModalTaskListResponse()
        for sandbox in try await AppLists.running(app?.name, call) {
            let name = sandbox.spec.app
            // One that was created over REST may be the first that names its app.
            let app =
                if let known = apps[name] { known } else { try await call.front.apps.createApp(named: name) }
            apps[name] = app
            answer.tasks.append(
                .with {
                    $0.taskID = TaskID(sandbox.id).description
                    $0.appID = app.id.text
                    $0.appDescription = name.text
                    $0.startedAt = sandbox.createdAt.inSeconds
                    $0.enqueuedAt = sandbox.createdAt.inSeconds
                })
        }
        return answer
    }

    private static func info(_ sandbox: SandboxSnapshot) -> ModalTaskInfo {
        .with {
            $0.id = TaskID(sandbox.id).description
            $0.sandboxID = sandbox.id.text
            $0.startedAt = sandbox.createdAt.inSeconds
            $0.enqueuedAt = sandbox.createdAt.inSeconds
            if case .ended(let ending) = sandbox.status { $0.finishedAt = ending.at.inSeconds }
            if let result = sandbox.result { $0.result = result }
        }
    }
}
