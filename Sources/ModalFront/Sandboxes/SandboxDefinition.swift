import FoundationEssentials
import ModalProtocol
import SandboxModel

extension SandboxSpec {
    /// What a definition asks for. Throws `unimplemented` for what can't be had: nothing that bears on what the
    /// sandbox is or may do is passed over.
    init(
        _ definition: ModalSandbox, in app: AppSnapshot, image: ImageName, tags: [ModalSandboxTag],
        secrets: [SandboxModel.SecretSource], bucketCredentials: [String: ModalStringMap] = [:]
    )
        throws
    {
        try definition.requireServed()
        self.init(app: app.name)
        if definition.hasName { name = try SandboxName(definition.name) }
        self.tags = try Tags(tags)
        self.image = image.description
        command = definition.entrypointArgs.isEmpty ? nil : try CommandSpec(argv: definition.entrypointArgs)
        runsImageCommand = definition.entrypointArgs.isEmpty
        terminal = try definition.hasPtyInfo ? TerminalSpec(definition.ptyInfo) : nil
        if definition.hasWorkdir, !definition.workdir.isEmpty {
            try Workdir.check(definition.workdir)
            workdir = definition.workdir
        }
        environment = try Environment(
            ["MODAL_IMAGE_ID": definition.imageID].merging(definition.environmentVariables.contents) { $1 })
        ownNames = [
            "MODAL_SANDBOX_ID": OwnName(before: SandboxID.prefix), "MODAL_TASK_ID": OwnName(before: "ta-", behind: "V"),
        ]
        self.secrets = secrets
        volumes = try definition.volumeMounts.map { try SandboxModel.VolumeMount($0) }
        buckets = try BucketMount.all(
            definition.cloudBucketMounts, credentials: bucketCredentials, beside: volumes)
        timeout = try Self.limit(definition.timeoutSecs, "timeout") ?? timeout
        idleTimeout = try Self.limit(definition.idleTimeoutSecs, "idle_timeout")
        resources = try Resources(definition.resources)
        // Open is what clients say that say nothing: where the service has no network, there is none to open.
        let wanted = try NetworkPolicy(definition)
        network = wanted == .open ? nil : wanted
        tunnels = try TunnelSpec(definition)
        readinessProbe = try definition.hasReadinessProbe ? ReadinessProbe(definition.readinessProbe) : nil
    }

    /// nil for none.
    private static func limit(_ seconds: UInt32, _ field: String) throws -> Duration? {
        guard seconds > 0 else { return nil }
        guard .seconds(seconds) <= maximumTimeout else {
            throw CordonError.invalid(
                field: field, value: "\(seconds)", rule: "at most \(Int(maximumTimeout.inSeconds)) seconds")
        }
        return .seconds(seconds)
    }
}

extension SandboxModel.VolumeMount {
    init(_ mount: ModalVolumeMount) throws(CordonError) {
        self.init(
            volume: try VolumeCalls.reference(mount.volumeID),
            path: try FilePath(mount.mountPath, field: "volume_mounts.mount_path"), isReadOnly: mount.readOnly,
            subPath: mount.hasSubPath && !mount.subPath.allSatisfy { $0 == "/" }
                ? try VolumePath(mount.subPath) : nil)
    }
}

extension Tags {
    init(_ tags: [ModalSandboxTag]) throws(CordonError) {
        var pairs: [String: String] = [:]
        for tag in tags where pairs.updateValue(tag.tagValue, forKey: tag.tagName) != nil {
            throw .invalid(field: "tags", value: tag.tagName, rule: "each key at most once")
        }
        try self.init(pairs)
    }

    var modal: [ModalSandboxTag] {
        pairs.sorted { $0.key < $1.key }.map { pair in
            .with {
                $0.tagName = pair.key
                $0.tagValue = pair.value
            }
        }
    }
}

extension TerminalSpec {
    /// nil where none is asked for.
    init?(_ info: ModalPTYInfo) throws(CordonError) {
        guard info.enabled else { return nil }
        let standard = TerminalSize.standard
        try self.init(
            size: TerminalSize(
                rows: info.winszRows == 0 ? standard.rows : Int(info.winszRows),
                columns: info.winszCols == 0 ? standard.columns : Int(info.winszCols), field: "pty_info"),
            term: info.envTerm.isEmpty ? Self.standardTerm : info.envTerm, field: "pty_info")
    }
}

extension Resources {
    private static let leastMemoryMiB = 4

    package init(_ resources: ModalResources) throws(CordonError) {
        self.init()
        cpuMillicores = try Self.amount(resources.milliCpu, resources.milliCpuMax, "cpu", in: 0...1_024_000)
        memoryMiB = try Self.amount(resources.memoryMb, resources.memoryMbMax, "memory", in: 0...(1 << 24))
        if let limit = memoryMiB.limit, limit < Self.leastMemoryMiB {
            throw .invalid(field: "memory", value: "\(limit)", rule: "at least \(Self.leastMemoryMiB) MiB")
        }
        let disk = Int(resources.ephemeralDiskMb)
        guard disk == 0 || Self.diskMiBRange.contains(disk) else {
            throw .invalid(
                field: "ephemeral_disk", value: "\(disk)",
                rule: "\(Self.diskMiBRange.lowerBound) to \(Self.diskMiBRange.upperBound) MiB")
        }
        diskMiB = disk == 0 ? nil : disk
    }

    private static func amount(
        _ request: UInt32, _ limit: UInt32, _ field: String, in range: ClosedRange<Int>
    ) throws(CordonError) -> ResourceAmount<Int> {
        for value in [request, limit] where !range.contains(Int(value)) {
            throw .invalid(field: field, value: "\(value)", rule: "at most \(range.upperBound)")
        }
        guard limit == 0 || request <= limit else {
            throw .invalid(field: field, value: "\(request)", rule: "a request is at most its limit, \(limit)")
        }
        return ResourceAmount(request: Int(request), limit: limit == 0 ? nil : Int(limit))
    }
}

extension NetworkPolicy {
    /// nil where the definition says nothing of it.
    init?(_ definition: ModalSandbox) throws(CordonError) {
        if definition.blockNetwork {
            self = .blocked
        } else if definition.hasNetworkAccess {
            try self.init(definition.networkAccess)
        } else {
            return nil
        }
    }

    /// nil for an access of no type.
    init?(_ access: ModalNetworkAccess) throws(CordonError) {
        switch access.networkAccessType {
        case .open: self = .open
        case .blocked: self = .blocked
        case .allowlist:
            guard
                let policy = try NetworkPolicy(
                    block: nil, ranges: access.allowedCidrs, domains: access.allowedDomains)
            else { return nil }
            self = policy
        case .unspecified: return nil
        case .UNRECOGNIZED(let number):
            throw .invalid(field: "network_access", value: "\(number)", rule: "open, blocked or an allowlist")
        }
    }
}

extension TunnelSpec {
    init(_ definition: ModalSandbox) throws(CordonError) {
        var ports: [TunnelPort] = []
        for spec in definition.openPorts.ports {
            guard let port = UInt16(exactly: spec.port), port > 0 else {
                throw .invalid(field: "open_ports", value: "\(spec.port)", rule: "a port from 1 to 65535")
            }
            ports.append(
                TunnelPort(
                    port: port,
                    kind: spec.unencrypted ? .unencrypted : spec.tunnelType == .h2 ? .h2 : .encrypted))
        }
        let texts = definition.inboundCidrAllowlist
        var ranges: [AddressRange] = []
        for (index, text) in texts.prefix(Self.maximumRanges + 1).enumerated() {
            guard let range = AddressRange(text) else {
                throw .invalid(
                    field: "inbound_cidr_allowlist[\(index)]", value: text,
                    rule: "an address or ADDRESS/PREFIX, with no bit set behind the prefix")
            }
            ranges.append(range)
        }
        try self.init(ports, inbound: texts.isEmpty ? nil : ranges)
    }
}

extension ReadinessProbe {
    private static let standardInterval: Duration = .milliseconds(100)
    /// How long one try of a client's probe may take, which says nothing of it.
    private static let tryTimeout: Duration = .seconds(30)

    init(_ probe: ModalProbe) throws(CordonError) {
        let check: Check
        switch probe.probeOneof {
        case .tcpPort(let number):
            guard let port = UInt16(exactly: number), port > 0 else {
                throw .invalid(field: "readiness_probe", value: "\(number)", rule: "a port from 1 to 65535")
            }
            check = .tcp(port: port)
        case .execCommand(let command): check = .exec(try CommandSpec(argv: command.argv, field: "readiness_probe"))
        case nil: throw .invalid(field: "readiness_probe", value: nil, rule: "a port or a command")
        }
        let interval: Duration = probe.hasIntervalMs ? .milliseconds(probe.intervalMs) : Self.standardInterval
        try self.init(
            check, interval: max(interval, Self.shortestInterval), timeout: Self.tryTimeout)
    }
}
