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
    /// Absent for the host's image, and in rows of before there were others.
    var imageID: String?
    var rootBase: UInt8?
    var layers: [String]?
    var user: String?
    var imageEnvironment: [String: String]?
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
    var diskMiB: Int?
    var policy: String
    var terminal: TerminalRow?
    /// Absent in rows of before there was a network.
    var network: NetworkRow?
    var networkChange: NetworkRow?
    var run: RunRow?
    var tunnels: TunnelsRow?
    var probe: ProbeRow?
    /// true or absent; what they came to is in `sandbox_secrets`.
    var secrets: Bool?
    /// true or absent.
    var imageHostHasChanged: Bool?
    var volumes: [VolumeMountRow]?
    var sidecarOf: String?
    var buckets: [BucketMountRow]?

    struct RunRow: Codable {
        var detached: Bool
        var keyed: Bool
    }

    enum CodingKeys: String, CodingKey {
        case version, app, name, image, layers, user, argv, workdir, policy, terminal, network, run, tunnels, probe
        case secrets, volumes, buckets
        case sidecarOf = "sidecar_of"
        case imageID = "image_id"
        case rootBase = "root_base"
        case imageEnvironment = "image_env"
        case imageHostHasChanged = "image_host_changed"
        case networkChange = "network_change"
        case environment = "env"
        case timeoutMicroseconds = "timeout_microseconds"
        case idleTimeoutMicroseconds = "idle_timeout_microseconds"
        case cpuRequestMillicores = "cpu_request_millicores"
        case cpuLimitMillicores = "cpu_limit_millicores"
        case memoryRequestMiB = "memory_request_mib"
        case memoryLimitMiB = "memory_limit_mib"
        case pidsLimit = "pids_limit"
        case diskMiB = "disk_mib"
    }

    init(_ spec: SandboxSpec) {
        version = Self.currentVersion
        app = spec.app.text
        name = spec.name?.text
        image = spec.image
        imageID = spec.imageID?.text
        if spec.root != .host {
            rootBase = spec.root.base.rawValue
            layers = spec.root.layers.map(\.text)
        }
        user = spec.user
        imageEnvironment = spec.imageEnvironment == .empty ? nil : spec.imageEnvironment.variables
        argv = spec.command?.argv
        environment = spec.environment.variables
        workdir = spec.workdir ?? "/"
        timeoutMicroseconds = spec.timeout.microseconds
        idleTimeoutMicroseconds = spec.idleTimeout?.microseconds
        cpuRequestMillicores = spec.resources.cpuMillicores.request
        cpuLimitMillicores = spec.resources.cpuMillicores.limit
        memoryRequestMiB = spec.resources.memoryMiB.request
        memoryLimitMiB = spec.resources.memoryMiB.limit
        pidsLimit = spec.resources.pidsLimit
        diskMiB = spec.resources.diskMiB
        policy = spec.policy
        network = spec.network.map { NetworkRow($0) }
        networkChange = spec.networkChange.map { NetworkRow($0) }
        run = spec.run.map { RunRow(detached: $0.isDetached, keyed: $0.hasKey) }
        terminal = spec.terminal.map { TerminalRow($0) }
        tunnels = TunnelsRow(spec.tunnels)
        probe = spec.readinessProbe.map { ProbeRow($0) }
        secrets = spec.hasSecrets ? true : nil
        imageHostHasChanged = spec.imageHostHasChanged ? true : nil
        volumes = spec.volumes.isEmpty ? nil : spec.volumes.map { VolumeMountRow($0) }
        sidecarOf = spec.sidecarOf?.text
        buckets = spec.buckets.isEmpty ? nil : spec.buckets.map { BucketMountRow($0) }
    }

    /// The spec; throws when a value breaks a rule of the model, or a newer version wrote the row.
    func spec(tags: Tags) throws -> SandboxSpec {
        guard version <= Self.currentVersion else { throw RowShape.newerVersion(version) }
        var spec = SandboxSpec(
            app: try AppName(app), name: try name.map { try SandboxName($0) }, tags: tags, image: image,
            command: try argv.map { try CommandSpec(argv: $0) }, terminal: try terminal.map { try $0.terminal() },
            environment: try Environment(environment),
            workdir: workdir, timeout: .microseconds(timeoutMicroseconds),
            idleTimeout: idleTimeoutMicroseconds.map { .microseconds($0) },
            resources: Resources(
                cpuMillicores: .init(request: cpuRequestMillicores, limit: cpuLimitMillicores),
                memoryMiB: .init(request: memoryRequestMiB, limit: memoryLimitMiB), pidsLimit: pidsLimit,
                diskMiB: diskMiB),
            policy: policy, network: try network?.policy(), networkChange: try networkChange?.policy(),
            run: run.map { RunMark(isDetached: $0.detached, hasKey: $0.keyed) })
        spec.imageID = try imageID.map { try RowShape.id($0) { ImageID($0) } }
        spec.root = try root()
        spec.user = user
        spec.imageEnvironment = try Environment(imageEnvironment ?? [:])
        spec.tunnels = try tunnels?.spec() ?? .none
        spec.readinessProbe = try probe?.probe()
        spec.hasSecrets = secrets ?? false
        spec.imageHostHasChanged = imageHostHasChanged ?? false
        spec.volumes = try (volumes ?? []).map { try $0.mount() }
        spec.sidecarOf = try sidecarOf.map { try RowShape.id($0) { SandboxID($0) } }
        spec.buckets = try (buckets ?? []).map { try $0.mount() }
        return spec
    }

    private func root() throws -> RootImage {
        guard let rootBase else { return .host }
        guard let base = RootImage.Base(rawValue: rootBase) else {
            throw RowShape.unknownValue("\(rootBase)", type: "RootImage.Base")
        }
        return try RootImage(base: base, layers: try (layers ?? []).map { try RowShape.id($0) { LayerName($0) } })
    }
}
