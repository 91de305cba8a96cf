import CordonAPI
import SandboxModel

extension SandboxSpec {
    private static let policies = ["default", "strict"]

    /// The spec that a `CreateSandboxRequest`'s body asks for.
    init(json: JSONValue) throws(CordonError) {
        let fields = try FieldReader<CreateSandboxRequest.CodingKeys>(json)
        self.init()
        if let text = try fields.string(.app) { app = try AppName(text) }
        if let text = try fields.string(.name) { name = try SandboxName(text) }
        if let pairs = try fields.pairs(.tags) { tags = try Tags(pairs) }
        if let text = try fields.string(.image) {
            _ = try ImageName(text, field: fields.field(.image))
            image = text
        }
        try Self.require(fields, .runtime, "builtin")
        network = try NetworkPolicy(
            block: try fields.bool(.blockNetwork), ranges: try fields.strings(.cidrAllowlist),
            domains: try fields.strings(.domainAllowlist))
        tunnels = try TunnelSpec(fields)
        readinessProbe = try fields.value(.readinessProbe).map { json throws(CordonError) in
            try ReadinessProbe(json: json, path: fields.field(.readinessProbe))
        }
        if let argv = try fields.strings(.argv), !argv.isEmpty { command = try CommandSpec(argv: argv) }
        terminal = try TerminalSpec(fields, .pty)
        guard terminal == nil || command != nil else {
            throw .invalid(field: "pty", value: nil, rule: "only with a main command in argv, whose terminal it is")
        }
        if let variables = try fields.pairs(.env) { environment = try Environment(variables) }
        secrets = try SecretSource.all(fields, .secrets)
        volumes = try VolumeMount.all(fields, .volumes)
        buckets = try BucketMount.all(fields, .cloudBuckets, beside: volumes)
        if let path = try fields.string(.workdir) {
            try Workdir.check(path)
            workdir = path
        }
        timeout = try fields.duration(.timeoutSeconds, upTo: Self.maximumTimeout) ?? timeout
        idleTimeout = try fields.duration(.idleTimeoutSeconds, upTo: Self.maximumTimeout)
        resources = try Resources(fields)
        if let text = try fields.string(.policy) {
            guard Self.policies.contains(text) else {
                throw .invalid(field: "policy", value: text, rule: Self.policies.joined(separator: " or "))
            }
            policy = text
        }
    }

    /// The spec of a sidecar: what it shares with its sandbox can't be asked for.
    init(json: JSONValue, sidecarOf main: SandboxID) throws(CordonError) {
        let fields = try FieldReader<CreateSandboxRequest.CodingKeys>(json)
        if fields.value(.app) != nil {
            throw .invalid(field: fields.field(.app), value: nil, rule: "a sidecar is of its sandbox's app")
        }
        for key in Self.networkFields where fields.value(key) != nil {
            throw .invalid(
                field: fields.field(key), value: nil,
                rule: "a sidecar shares the network of its sandbox, whose policy and ports are both's")
        }
        try self.init(json: json)
        sidecarOf = main
        name = try Sidecar.name(name?.text)
        // It ends with its sandbox.
        if fields.value(.timeoutSeconds) == nil { timeout = Self.maximumTimeout }
    }

    private static let networkFields: [CreateSandboxRequest.CodingKeys] = [
        .blockNetwork, .cidrAllowlist, .domainAllowlist, .encryptedPorts, .h2Ports, .unencryptedPorts,
        .inboundCIDRAllowlist,
    ]

    /// Throws `unimplemented` when the field holds anything but the one value there is so far.
    private static func require(
        _ fields: FieldReader<CreateSandboxRequest.CodingKeys>, _ key: CreateSandboxRequest.CodingKeys, _ only: String
    ) throws(CordonError) {
        guard let text = try fields.string(key), text != only else { return }
        throw CordonError(
            .unimplemented, "\(fields.field(key)) \(text.prefix(64)) isn't served yet", field: fields.field(key),
            value: text,
            rule: only)
    }
}

extension Resources {
    fileprivate init(_ fields: FieldReader<CreateSandboxRequest.CodingKeys>) throws(CordonError) {
        self.init()
        if let json = fields.value(.cpu) {
            let amount = try FieldReader<AmountRequest.CodingKeys>(json, path: fields.field(.cpu))
            cpuMillicores.request = Int(((try amount.number(.request, in: 0...1024) ?? 0) * 1000).rounded())
            cpuMillicores.limit = try amount.number(.limit, in: 0.01...1024).map { Int(($0 * 1000).rounded()) }
            try Self.checkOrder(cpuMillicores.request, cpuMillicores.limit, amount.field(.request))
        }
        if let json = fields.value(.memoryMiB) {
            let amount = try FieldReader<AmountRequest.CodingKeys>(json, path: fields.field(.memoryMiB))
            memoryMiB.request = try amount.whole(.request, in: 0...(1 << 24)) ?? 0
            memoryMiB.limit = try amount.whole(.limit, in: 4...(1 << 24))
            try Self.checkOrder(memoryMiB.request, memoryMiB.limit, amount.field(.request))
        }
        pidsLimit = try fields.whole(.pidsLimit, in: 2...4_194_304)
        diskMiB = try fields.whole(.diskMiB, in: Resources.diskMiBRange)
    }

    private static func checkOrder(_ request: Int, _ limit: Int?, _ field: String) throws(CordonError) {
        guard let limit, request > limit else { return }
        throw .invalid(field: field, value: nil, rule: "at most the limit")
    }
}

/// What a `PATCH` of a sandbox changes.
struct DeadlineChanges {
    var timeout: Duration?
    var idleTimeout: IdleTimeoutChange = .keep

    init(json: JSONValue) throws(CordonError) {
        let fields = try FieldReader<UpdateSandboxRequest.CodingKeys>(json)
        timeout = try fields.duration(.timeoutSeconds, upTo: SandboxSpec.maximumTimeout)
        if let limit = try fields.duration(.idleTimeoutSeconds, upTo: SandboxSpec.maximumTimeout) {
            idleTimeout = .set(limit)
        } else if fields.has(.idleTimeoutSeconds) {
            idleTimeout = .remove
        }
        guard timeout != nil || idleTimeout != .keep else {
            throw .invalid(field: "body", value: nil, rule: "timeout_seconds, idle_timeout_seconds or both")
        }
    }
}

extension NetworkPolicy {
    /// The policy of a `ReplaceNetworkRequest`'s body.
    init(json: JSONValue) throws(CordonError) {
        let fields = try FieldReader<ReplaceNetworkRequest.CodingKeys>(json)
        self =
            try NetworkPolicy(
                block: try fields.bool(.blockNetwork), ranges: try fields.strings(.cidrAllowlist),
                domains: try fields.strings(.domainAllowlist)) ?? .open
    }
}

extension Tags {
    /// The set of a `ReplaceTagsRequest`'s body.
    init(json: JSONValue) throws(CordonError) {
        let fields = try FieldReader<ReplaceTagsRequest.CodingKeys>(json)
        guard let pairs = try fields.pairs(.tags) else {
            throw .invalid(field: "tags", value: nil, rule: "the whole set of tags; {} for none")
        }
        try self.init(pairs)
    }

    /// The filter of `tag=key=value` parameters.
    init(query texts: [String]) throws(CordonError) {
        var pairs: [String: String] = [:]
        for text in texts {
            let halves = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard halves.count == 2 else {
                throw .invalid(field: "tag", value: text, rule: "key=value, percent-encoded")
            }
            guard pairs.updateValue(String(halves[1]), forKey: String(halves[0])) == nil else {
                throw .invalid(field: "tag", value: text, rule: "each key at most once")
            }
        }
        do {
            try self.init(pairs)
        } catch {
            throw .invalid(field: "tag", value: error.value, rule: error.rule ?? "a tag")
        }
    }
}
