import Foundation
import SandboxModel

/// A sandbox's spec as JSON on disk. The shape is ours to keep: fields are only ever added, and
/// optional. Tags have a table of their own.
struct SandboxSpecRow: Codable {
    static let currentVersion = 1

    var version: Int
    var app: String
    var name: String?
    var image: String
    var argv: [String]?
    var environment: [String: String]
    var workdir: String
    var timeoutMicroseconds: Int64
    var idleTimeoutMicroseconds: Int64?
    var cpuRequestMillicores: Int
    var cpuLimitMillicores: Int?
    var memoryRequestMiB: Int
    var memoryLimitMiB: Int?
    var pidsLimit: Int?
    var policy: String
    var terminal: TerminalRow?

    enum CodingKeys: String, CodingKey {
        case version, app, name, image, argv, workdir, policy, terminal
        case environment = "env"
        case timeoutMicroseconds = "timeout_microseconds"
        case idleTimeoutMicroseconds = "idle_timeout_microseconds"
        case cpuRequestMillicores = "cpu_request_millicores"
        case cpuLimitMillicores = "cpu_limit_millicores"
        case memoryRequestMiB = "memory_request_mib"
        case memoryLimitMiB = "memory_limit_mib"
        case pidsLimit = "pids_limit"
    }

    init(_ spec: SandboxSpec) {
        version = Self.currentVersion
        app = spec.app.text
        name = spec.name?.text
        image = spec.image
        argv = spec.command?.argv
        environment = spec.environment.variables
        workdir = spec.workdir
        timeoutMicroseconds = spec.timeout.microseconds
        idleTimeoutMicroseconds = spec.idleTimeout?.microseconds
        cpuRequestMillicores = spec.resources.cpuMillicores.request
        cpuLimitMillicores = spec.resources.cpuMillicores.limit
        memoryRequestMiB = spec.resources.memoryMiB.request
        memoryLimitMiB = spec.resources.memoryMiB.limit
        pidsLimit = spec.resources.pidsLimit
        policy = spec.policy
        terminal = spec.terminal.map { TerminalRow($0) }
    }

    /// The spec; throws when a value breaks a rule of the model, or a newer version wrote the row.
    func spec(tags: Tags) throws -> SandboxSpec {
        guard version <= Self.currentVersion else { throw RowShape.newerVersion(version) }
        return SandboxSpec(
            app: try AppName(app), name: try name.map { try SandboxName($0) }, tags: tags, image: image,
            command: try argv.map { try CommandSpec(argv: $0) }, terminal: try terminal.map { try $0.terminal() },
            environment: try Environment(environment),
            workdir: workdir, timeout: .microseconds(timeoutMicroseconds),
            idleTimeout: idleTimeoutMicroseconds.map { .microseconds($0) },
            resources: Resources(
                cpuMillicores: .init(request: cpuRequestMillicores, limit: cpuLimitMillicores),
                memoryMiB: .init(request: memoryRequestMiB, limit: memoryLimitMiB), pidsLimit: pidsLimit),
            policy: policy)
    }
}
