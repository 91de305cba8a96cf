/// The body of `POST /v1/run`: either `language` and `code`, or `argv`.
public struct RunRequest: Sendable, Hashable, Encodable {
    /// `python`, `javascript` or `bash`.
    public var language: String?
    public var code: String?
    public var argv: [String]?
    public var files: [RunFileRequest]?
    /// Paths to collect when the program has ended.
    public var outputFiles: [String]?
    /// The whole of stdin, as text or as base64.
    public var stdin: String?
    public var stdinBase64: String?
    public var env: [String: String]?
    /// Under `env`; of several the later ones hold.
    public var secrets: [SecretSourceRequest]?
    /// Where the program starts; made when it isn't there.
    public var workdir: String?
    public var user: String?
    public var timeoutSeconds: Double?
    /// Answer at once; the run goes on without a client.
    public var detach: Bool?
    public var app: String?
    public var tags: [String: String]?
    public var image: String?
    public var cpu: AmountRequest?
    public var memoryMiB: AmountRequest?
    public var pidsLimit: Int?
    public var diskMiB: Int?
    public var policy: String?
    public var runtime: String?
    public var blockNetwork: Bool?
    public var cidrAllowlist: [String]?
    public var domainAllowlist: [String]?
    public var volumes: [VolumeMountRequest]?
    public var cloudBuckets: [CloudBucketRequest]?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case language, code, argv, files
        case outputFiles = "output_files"
        case stdin
        case stdinBase64 = "stdin_base64"
        case env, secrets, workdir, user
        case timeoutSeconds = "timeout_seconds"
        case detach, app, tags, image, cpu
        case memoryMiB = "memory_mib"
        case pidsLimit = "pids_limit"
        case diskMiB = "disk_mib"
        case policy, runtime
        case blockNetwork = "block_network"
        case cidrAllowlist = "cidr_allowlist"
        case domainAllowlist = "domain_allowlist"
        case volumes
        case cloudBuckets = "cloud_buckets"

        /// Whether the field says the same as in a create request.
        public var isOfSandbox: Bool {
            switch self {
            case .app, .secrets, .tags, .image, .cpu, .memoryMiB, .pidsLimit, .diskMiB, .policy, .runtime,
                .blockNetwork,
                .cidrAllowlist,
                .domainAllowlist, .volumes, .cloudBuckets:
                true
            default: false
            }
        }
    }

    public init() {}
}

/// One of a run's `files`: `content` or `content_base64`.
public struct RunFileRequest: Sendable, Hashable, Encodable {
    /// Absolute, or relative to the working directory.
    public var path: String
    public var content: String?
    public var contentBase64: String?
    /// Permissions in octal, such as `0755`.
    public var mode: String?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case path, content
        case contentBase64 = "content_base64"
        case mode
    }

    public init(path: String) { self.path = path }
}
