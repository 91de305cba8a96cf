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
    public var policy: String?
    public var runtime: String?
    public var blockNetwork: Bool?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case language, code, argv, files
        case outputFiles = "output_files"
        case stdin
        case stdinBase64 = "stdin_base64"
        case env, workdir, user
        case timeoutSeconds = "timeout_seconds"
        case detach, app, tags, image, cpu
        case memoryMiB = "memory_mib"
        case pidsLimit = "pids_limit"
        case policy, runtime
        case blockNetwork = "block_network"

        /// Whether the field says the same as in a create request.
        public var isOfSandbox: Bool {
            switch self {
            case .app, .tags, .image, .cpu, .memoryMiB, .pidsLimit, .policy, .runtime, .blockNetwork: true
            default: false
            }
        }
    }

    /// Fields that the design knows and this service doesn't serve yet.
    public static let unimplementedFields = CreateSandboxRequest.unimplementedFields

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
