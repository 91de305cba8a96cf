/// The body of `POST /v1/sandboxes/{id}/execs`.
public struct StartExecRequest: Sendable, Hashable, Encodable {
    public var argv: [String]
    /// Over the sandbox's own variables.
    public var env: [String: String]?
    public var workdir: String?
    /// A name or number, optionally `:group`; root unless said.
    public var user: String?
    public var timeoutSeconds: Double?
    /// Chosen by the client; a second start with the same id answers the first.
    public var execID: String?
    /// `pause` or `drop`.
    public var onFull: String?
    /// `keep` or `discard`.
    public var stdout: String?
    public var stderr: String?
    /// Answer when the exec is over, with its result and output.
    public var wait: Bool?
    /// The whole of stdin, as text; only with `wait`.
    public var stdin: String?
    /// The whole of stdin, as base64; only with `wait`.
    public var stdinBase64: String?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case argv, env, workdir, user
        case timeoutSeconds = "timeout_seconds"
        case execID = "exec_id"
        case onFull = "on_full"
        case stdout, stderr, wait, stdin
        case stdinBase64 = "stdin_base64"
    }

    /// Fields that the design knows and this service doesn't serve yet.
    public static let unimplementedFields = ["pty"]

    public init(argv: [String]) { self.argv = argv }
}

/// The body of `POST …/signal`: a number, or a name with or without `SIG`.
public struct SignalRequest: Sendable, Hashable, Encodable {
    public var signal: String

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case signal
    }

    public init(signal: String) { self.signal = signal }
}
