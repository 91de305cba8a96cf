/// The body of `POST /v1/sandboxes/{id}/execs`.
public struct StartExecRequest: Sendable, Hashable, Encodable {
    public var argv: [String]
    /// Over the sandbox's own variables.
    public var env: [String: String]?
    /// Over the sandbox's own variables and under `env`; of several the later ones hold.
    public var secrets: [SecretSourceRequest]?
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
    /// A terminal in place of pipes.
    public var pty: TerminalRequest?
    /// Answer when the exec is over, with its result and output.
    public var wait: Bool?
    /// The whole of stdin, as text; only with `wait`.
    public var stdin: String?
    /// The whole of stdin, as base64; only with `wait`.
    public var stdinBase64: String?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case argv, env, secrets, workdir, user
        case timeoutSeconds = "timeout_seconds"
        case execID = "exec_id"
        case onFull = "on_full"
        case stdout, stderr, pty, wait, stdin
        case stdinBase64 = "stdin_base64"
    }

    public init(argv: [String]) { self.argv = argv }
}

/// The `pty` of a request; a field left nil takes the default: 24, 80, `xterm-256color`.
public struct TerminalRequest: Sendable, Hashable, Encodable {
    public var rows: Int?
    public var cols: Int?
    /// `TERM`, unless `env` sets it.
    public var term: String?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case rows, cols, term
    }

    public init(rows: Int? = nil, cols: Int? = nil, term: String? = nil) {
        self.rows = rows
        self.cols = cols
        self.term = term
    }
}

/// The body of `POST …/resize`.
public struct ResizeRequest: Sendable, Hashable, Encodable {
    public var rows: Int
    public var cols: Int

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case rows, cols
    }

    public init(rows: Int, cols: Int) {
        self.rows = rows
        self.cols = cols
    }
}

/// The body of `POST …/signal`: a number, or a name with or without `SIG`.
public struct SignalRequest: Sendable, Hashable, Encodable {
    public var signal: String

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case signal
    }

    public init(signal: String) { self.signal = signal }
}
