/// The body of `POST /v1/sandboxes`; a field left nil takes the service's default.
public struct CreateSandboxRequest: Sendable, Hashable, Encodable {
    public var app: String?
    public var name: String?
    public var tags: [String: String]?
    /// `host`, an image's id, or the name of one that was pulled, built or imported.
    public var image: String?
    /// The main command; the sandbox ends with it.
    public var argv: [String]?
    /// The main command's terminal, in place of pipes; only with `argv`.
    public var pty: TerminalRequest?
    public var env: [String: String]?
    /// Under `env`; of several the later ones hold.
    public var secrets: [SecretSourceRequest]?
    public var workdir: String?
    public var timeoutSeconds: Double?
    public var idleTimeoutSeconds: Double?
    /// In cores.
    public var cpu: AmountRequest?
    public var memoryMiB: AmountRequest?
    public var pidsLimit: Int?
    /// What it may keep on disk, bytes and files.
    public var diskMiB: Int?
    /// `default` or `strict`.
    public var policy: String?
    /// `builtin` is the one runtime so far.
    public var runtime: String?
    /// Loopback alone.
    public var blockNetwork: Bool?
    /// With these, nothing else is reached; an empty list allows nothing.
    public var cidrAllowlist: [String]?
    public var domainAllowlist: [String]?
    /// Ports inside that are reached from outside through TLS, through TLS with ALPN `h2`, and as they are.
    public var encryptedPorts: [Int]?
    public var h2Ports: [Int]?
    public var unencryptedPorts: [Int]?
    /// Who may come through the tunnels; nil for everybody.
    public var inboundCIDRAllowlist: [String]?
    public var readinessProbe: ProbeRequest?
    public var volumes: [VolumeMountRequest]?
    public var cloudBuckets: [CloudBucketRequest]?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case app, name, tags, image, argv, pty, env, secrets, workdir
        case timeoutSeconds = "timeout_seconds"
        case idleTimeoutSeconds = "idle_timeout_seconds"
        case cpu
        case memoryMiB = "memory_mib"
        case pidsLimit = "pids_limit"
        case diskMiB = "disk_mib"
        case policy, runtime
        case blockNetwork = "block_network"
        case cidrAllowlist = "cidr_allowlist"
        case domainAllowlist = "domain_allowlist"
        case encryptedPorts = "encrypted_ports"
        case h2Ports = "h2_ports"
        case unencryptedPorts = "unencrypted_ports"
        case inboundCIDRAllowlist = "inbound_cidr_allowlist"
        case readinessProbe = "readiness_probe"
        case volumes
        case cloudBuckets = "cloud_buckets"
    }

    public init() {}
}

/// `readiness_probe` of a create request: a port that accepts, or a command that ends with 0.
public struct ProbeRequest: Sendable, Hashable, Encodable {
    public var tcpPort: Int?
    public var argv: [String]?
    /// From the end of one try to the beginning of the next.
    public var intervalSeconds: Double?
    /// How long one try may take.
    public var timeoutSeconds: Double?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case tcpPort = "tcp_port"
        case argv
        case intervalSeconds = "interval_seconds"
        case timeoutSeconds = "timeout_seconds"
    }

    public init(
        tcpPort: Int? = nil, argv: [String]? = nil, intervalSeconds: Double? = nil, timeoutSeconds: Double? = nil
    ) {
        self.tcpPort = tcpPort
        self.argv = argv
        self.intervalSeconds = intervalSeconds
        self.timeoutSeconds = timeoutSeconds
    }
}

/// `cpu` (in cores, fractions allowed) or `memory_mib` of a create request.
public struct AmountRequest: Sendable, Hashable, Codable {
    /// What is reserved.
    public var request: Double?
    /// The most that may be taken.
    public var limit: Double?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case request, limit
    }

    public init(request: Double? = nil, limit: Double? = nil) {
        self.request = request
        self.limit = limit
    }
}

/// The body of `PATCH /v1/sandboxes/{id}`.
public struct UpdateSandboxRequest: Sendable, Hashable, Encodable {
    /// Counted from the start.
    public var timeoutSeconds: Double?
    /// JSON null (here: `.some(nil)`) removes the limit.
    public var idleTimeoutSeconds: Double??

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case timeoutSeconds = "timeout_seconds"
        case idleTimeoutSeconds = "idle_timeout_seconds"
    }

    public init(timeoutSeconds: Double? = nil, idleTimeoutSeconds: Double?? = nil) {
        self.timeoutSeconds = timeoutSeconds
        self.idleTimeoutSeconds = idleTimeoutSeconds
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encodeIfPresent(timeoutSeconds, forKey: .timeoutSeconds)
        if let change = idleTimeoutSeconds {
            try container.encode(change, forKey: .idleTimeoutSeconds)
        }
    }
}

/// The body of `PUT /v1/sandboxes/{id}/tags`: the whole set.
public struct ReplaceTagsRequest: Sendable, Hashable, Encodable {
    public var tags: [String: String]

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case tags
    }

    public init(tags: [String: String]) { self.tags = tags }
}

/// The body of `PUT /v1/sandboxes/{id}/network`: the whole policy, as in a create request. Without any
/// field it is the open network.
public struct ReplaceNetworkRequest: Sendable, Hashable, Encodable {
    public var blockNetwork: Bool?
    public var cidrAllowlist: [String]?
    public var domainAllowlist: [String]?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case blockNetwork = "block_network"
        case cidrAllowlist = "cidr_allowlist"
        case domainAllowlist = "domain_allowlist"
    }

    public init(blockNetwork: Bool? = nil, cidrAllowlist: [String]? = nil, domainAllowlist: [String]? = nil) {
        self.blockNetwork = blockNetwork
        self.cidrAllowlist = cidrAllowlist
        self.domainAllowlist = domainAllowlist
    }
}
