/// A sandbox as the API shows it.
public struct Sandbox: Sendable, Hashable, Codable {
    public var id: String
    public var app: String
    public var appID: String
    /// The sandbox that it is a sidecar of; absent when it is none.
    public var sidecarOf: String?
    public var name: String?
    public var tags: [String: String]
    /// As the request had it.
    public var image: String
    /// The image's id; absent for the host's.
    public var imageID: String?
    /// true where the host's `/usr` had changed since the image was made on it, when this sandbox was created.
    public var imageHostChanged: Bool?
    /// The main command; absent when there is none.
    public var argv: [String]?
    /// The main command's terminal; absent when it has pipes.
    public var pty: Terminal?
    public var workdir: String
    public var policy: String
    /// Whether it has loopback alone.
    public var blockNetwork: Bool
    /// What it may reach, where it may not reach everything.
    public var cidrAllowlist: [String]?
    public var domainAllowlist: [String]?
    /// By their ids; absent without any.
    public var volumes: [VolumeMountRequest]?
    /// Absent without any.
    public var cloudBuckets: [CloudBucket]?
    /// `creating`, `running` or `ended`.
    public var state: String
    public var timeoutSeconds: Double
    public var idleTimeoutSeconds: Double?
    public var cpu: Amount
    public var memoryMiB: Amount
    public var pidsLimit: Int?
    public var diskMiB: Int?
    public var createdAt: APITime
    public var startedAt: APITime?
    /// When the lifetime is over.
    public var deadline: APITime?
    /// Since when it is ready.
    public var readyAt: APITime?
    /// How it ended, once it has.
    public var result: EndResult?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case id, app
        case appID = "app_id"
        case sidecarOf = "sidecar_of"
        case name, tags, image
        case imageID = "image_id"
        case imageHostChanged = "image_host_changed"
        case argv, pty, workdir, policy
        case blockNetwork = "block_network"
        case cidrAllowlist = "cidr_allowlist"
        case domainAllowlist = "domain_allowlist"
        case volumes
        case cloudBuckets = "cloud_buckets"
        case state
        case timeoutSeconds = "timeout_seconds"
        case idleTimeoutSeconds = "idle_timeout_seconds"
        case cpu
        case memoryMiB = "memory_mib"
        case pidsLimit = "pids_limit"
        case diskMiB = "disk_mib"
        case createdAt = "created_at"
        case startedAt = "started_at"
        case deadline
        case readyAt = "ready_at"
        case result
    }

    public init(
        id: String, app: String, appID: String, sidecarOf: String?, name: String?, tags: [String: String],
        image: String, imageID: String?,
        imageHostChanged: Bool?, argv: [String]?, pty: Terminal?, workdir: String, policy: String, blockNetwork: Bool,
        cidrAllowlist: [String]?,
        domainAllowlist: [String]?, volumes: [VolumeMountRequest]?, cloudBuckets: [CloudBucket]?, state: String,
        timeoutSeconds: Double,
        idleTimeoutSeconds: Double?,
        cpu: Amount,
        memoryMiB: Amount, pidsLimit: Int?, diskMiB: Int?, createdAt: APITime, startedAt: APITime?, deadline: APITime?,
        readyAt: APITime?, result: EndResult?
    ) {
        self.id = id
        self.app = app
        self.appID = appID
        self.sidecarOf = sidecarOf
        self.name = name
        self.tags = tags
        self.image = image
        self.imageID = imageID
        self.imageHostChanged = imageHostChanged
        self.argv = argv
        self.pty = pty
        self.workdir = workdir
        self.policy = policy
        self.blockNetwork = blockNetwork
        self.cidrAllowlist = cidrAllowlist
        self.domainAllowlist = domainAllowlist
        self.volumes = volumes
        self.cloudBuckets = cloudBuckets
        self.state = state
        self.timeoutSeconds = timeoutSeconds
        self.idleTimeoutSeconds = idleTimeoutSeconds
        self.cpu = cpu
        self.memoryMiB = memoryMiB
        self.pidsLimit = pidsLimit
        self.diskMiB = diskMiB
        self.createdAt = createdAt
        self.startedAt = startedAt
        self.deadline = deadline
        self.readyAt = readyAt
        self.result = result
    }
}

/// A reserved amount and a limit; cores for `cpu`, MiB for `memory_mib`.
public struct Amount: Sendable, Hashable, Codable {
    public var request: Double
    /// Absent when the service's default limit holds.
    public var limit: Double?

    public init(request: Double, limit: Double?) {
        self.request = request
        self.limit = limit
    }
}

/// How an exec or a sandbox ended, with its evidence.
public struct EndResult: Sendable, Hashable, Codable {
    /// `exited`, `signalled`, `timed_out`, `idle_timed_out`, `terminated`, `out_of_memory`, `failed_to_start`,
    /// `supervisor_lost` or `host_restarted`.
    public var reason: String
    public var exitCode: Int?
    public var signal: Int?
    /// The kernel's raw wait status, where there was one.
    public var waitStatus: Int?
    public var detail: String?
    public var at: APITime

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case reason
        case exitCode = "exit_code"
        case signal
        case waitStatus = "wait_status"
        case detail, at
    }

    public init(reason: String, exitCode: Int?, signal: Int?, waitStatus: Int?, detail: String?, at: APITime) {
        self.reason = reason
        self.exitCode = exitCode
        self.signal = signal
        self.waitStatus = waitStatus
        self.detail = detail
        self.at = at
    }
}

/// One page of sandboxes, newest first.
public struct SandboxList: Sendable, Hashable, Codable {
    public var sandboxes: [Sandbox]
    /// Pass it as `cursor` for the next page; null on the last.
    public var nextCursor: String?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case sandboxes
        case nextCursor = "next_cursor"
    }

    public init(sandboxes: [Sandbox], nextCursor: String?) {
        self.sandboxes = sandboxes
        self.nextCursor = nextCursor
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(sandboxes, forKey: .sandboxes)
        try container.encode(nextCursor, forKey: .nextCursor)
    }
}

/// The answer of a long poll; `result` is null while it isn't over.
public struct WaitResponse: Sendable, Hashable, Codable {
    public var result: EndResult?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case result
    }

    public init(result: EndResult?) { self.result = result }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(result, forKey: .result)
    }
}

/// Something that happened to a sandbox.
public struct Event: Sendable, Hashable, Codable {
    /// Grows by one from 1.
    public var number: Int
    public var at: APITime
    public var kind: String
    public var execID: String?
    public var result: EndResult?
    public var detail: String?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case number, at, kind
        case execID = "exec_id"
        case result, detail
    }

    public init(number: Int, at: APITime, kind: String, execID: String?, result: EndResult?, detail: String?) {
        self.number = number
        self.at = at
        self.kind = kind
        self.execID = execID
        self.result = result
        self.detail = detail
    }
}

/// A sandbox's events, oldest first.
public struct EventList: Sendable, Hashable, Codable {
    public var events: [Event]

    public init(events: [Event]) { self.events = events }
}

/// What `/healthz` and `/readyz` say when all is well.
public struct HealthResponse: Sendable, Hashable, Codable {
    public var status: String

    public init(status: String) { self.status = status }
}
