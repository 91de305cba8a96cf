import ModalProtocol
import SandboxModel
import SwiftProtobuf

/// Lists of apps, and their ends.
enum AppLists {
    private static let mostApps = 1000
    private static let pageSize = 1000

    static func add(to table: inout CallTable) {
        table.unary("AppList", list)
        table.unary("AppStop") { (request: ModalAppStopRequest, call) in
            let app = try await AppCalls.app(request.appID, call)
            // As many pages as there are: those of a page are gone before the next is asked for.
            while true {
                let page = try await call.service.sandboxes(
                    matching: SandboxQuery(app: app.name, state: .running, limit: pageSize))
                for sandbox in page.sandboxes { _ = try await call.service.terminate(sandbox.id) }
                guard page.sandboxes.count == pageSize else { return Google_Protobuf_Empty() }
            }
        }
    }

    @Sendable private static func list(_ request: ModalAppListRequest, _ call: Call) async throws
        -> ModalAppListResponse
    {
        try await call.requireEnvironment(request.environmentName)
        let known = await call.front.content.environments.names
        var running: [AppName: Int32] = [:]
        for sandbox in try await Self.running(nil, call) { running[sandbox.spec.app, default: 0] += 1 }
        var answer = ModalAppListResponse()
        for app in try await call.front.apps.apps(before: nil, limit: mostApps) {
            guard let name = EnvironmentNames.inner(app.name.text, in: request.environmentName, of: known) else {
                continue
            }
            answer.apps.append(
                .with {
                    $0.appID = app.id.text
                    $0.name = name
                    $0.description_p = name
                    $0.state = .deployed
                    $0.createdAt = app.createdAt.inSeconds
                    $0.nRunningTasks = running[app.name] ?? 0
                })
        }
        return answer
    }

    /// All sandboxes that run, of one app or of all.
    static func running(_ app: AppName?, _ call: Call) async throws -> [SandboxSnapshot] {
        var (found, before): ([SandboxSnapshot], Timestamp?) = ([], nil)
        while true {
            let page = try await call.service.sandboxes(
                matching: SandboxQuery(app: app, state: .running, before: before, limit: pageSize))
            found += page.sandboxes
            guard let next = page.next else { return found }
            before = next
        }
    }
}
