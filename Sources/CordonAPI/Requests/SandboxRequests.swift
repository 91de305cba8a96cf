/// The body of `POST /v1/sandboxes`; a field left nil takes the service's default.
public struct CreateSandboxRequest: Sendable, Hashable, Encodable {
    public var app: String?
    public var name: String?
    public var tags: [String: String]?
    /// `host` is the one image so far.
    public var image: String?
    /// The main command; the sandbox ends with it.
    public var argv: [String]?
    /// The main command's terminal, in place of pipes; only with `argv`.
    public var pty: TerminalRequest?
    public var env: [String: String]?
    public var workdir: String?
    public var timeoutSeconds: Double?
    public var idleTimeoutSeconds: Double?
    /// In cores.
    public var cpu: AmountRequest?
    public var memoryMiB: AmountRequest?
    public var pidsLimit: Int?
    /// `default` or `strict`.
    public var policy: String?
    /// `builtin` is the one runtime so far.
    public var runtime: String?
    /// Always the case so far: true or nothing.
    public var blockNetwork: Bool?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case app, name, tags, image, argv, pty, env, workdir
        case timeoutSeconds = "timeout_seconds"
        case idleTimeoutSeconds = "idle_timeout_seconds"
        case cpu
        case memoryMiB = "memory_mib"
        case pidsLimit = "pids_limit"
        case policy, runtime
        case blockNetwork = "block_network"
    }

    /// Fields that the design knows and this service doesn't serve yet.
    public static let unimplementedFields = [
        "secrets", "cidr_allowlist", "domain_allowlist", "volumes", "encrypted_ports", "h2_ports",
        "unencrypted_ports", "readiness_probe",
    ]

    public init() {}
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
