/// An exec as the API shows it.
public struct Exec: Sendable, Hashable, Codable {
    public var id: String
    public var sandboxID: String
    public var argv: [String]
    public var workdir: String?
    public var user: String?
    public var timeoutSeconds: Double?
    public var onFull: String
    public var stdout: String
    public var stderr: String
    /// Its terminal as it was asked for; absent when it has pipes.
    public var pty: Terminal?
    /// `starting`, `running` or `ended`.
    public var state: String
    public var createdAt: APITime
    public var startedAt: APITime?
    /// How it ended, once it has.
    public var result: EndResult?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case id
        case sandboxID = "sandbox_id"
        case argv, workdir, user
        case timeoutSeconds = "timeout_seconds"
        case onFull = "on_full"
        case stdout, stderr, pty, state
        case createdAt = "created_at"
        case startedAt = "started_at"
        case result
    }

    public init(
        id: String, sandboxID: String, argv: [String], workdir: String?, user: String?, timeoutSeconds: Double?,
        onFull: String, stdout: String, stderr: String, pty: Terminal?, state: String, createdAt: APITime,
        startedAt: APITime?,
        result: EndResult?
    ) {
        self.id = id
        self.sandboxID = sandboxID
        self.argv = argv
        self.workdir = workdir
        self.user = user
        self.timeoutSeconds = timeoutSeconds
        self.onFull = onFull
        self.stdout = stdout
        self.stderr = stderr
        self.pty = pty
        self.state = state
        self.createdAt = createdAt
        self.startedAt = startedAt
        self.result = result
    }
}

/// A command's terminal as it was asked for.
public struct Terminal: Sendable, Hashable, Codable {
    /// The size at the start.
    public var rows: Int
    public var cols: Int
    public var term: String

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case rows, cols, term
    }

    public init(rows: Int, cols: Int, term: String) {
        self.rows = rows
        self.cols = cols
        self.term = term
    }
}

/// A sandbox's execs, oldest first.
public struct ExecList: Sendable, Hashable, Codable {
    public var execs: [Exec]

    public init(execs: [Exec]) { self.execs = execs }
}

/// The answer of `POST …/execs` with `"wait": true`: each stream is text, or base64 where it isn't UTF-8.
public struct CompletedExec: Sendable, Hashable, Decodable {
    public var exec: Exec
    public var result: EndResult
    public var stdout: String?
    public var stdoutBase64: String?
    /// The stream's total length in bytes.
    public var stdoutBytes: UInt64
    /// How many bytes before what is shown are gone.
    public var stdoutDropped: UInt64
    /// Whether there is more than what is shown.
    public var stdoutTruncated: Bool
    public var stderr: String?
    public var stderrBase64: String?
    public var stderrBytes: UInt64
    public var stderrDropped: UInt64
    public var stderrTruncated: Bool

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case exec, result, stdout
        case stdoutBase64 = "stdout_base64"
        case stdoutBytes = "stdout_bytes"
        case stdoutDropped = "stdout_dropped"
        case stdoutTruncated = "stdout_truncated"
        case stderr
        case stderrBase64 = "stderr_base64"
        case stderrBytes = "stderr_bytes"
        case stderrDropped = "stderr_dropped"
        case stderrTruncated = "stderr_truncated"
    }
}

/// How far a process's stdin has got.
public struct Stdin: Sendable, Hashable, Codable {
    /// One past the last byte accepted: the offset to go on from.
    public var accepted: UInt64
    public var closed: Bool

    public init(accepted: UInt64, closed: Bool) {
        self.accepted = accepted
        self.closed = closed
    }
}

/// One stretch of output in the order in which it was written.
public struct LogLine: Sendable, Hashable, Codable {
    /// `stdout` or `stderr`.
    public var stream: String
    public var offset: UInt64
    public var length: Int
    public var at: APITime
    /// The bytes as text, where they are UTF-8.
    public var text: String?
    /// The bytes, where they aren't.
    public var base64: String?
    /// True when the bytes are gone.
    public var dropped: Bool?

    public init(
        stream: String, offset: UInt64, length: Int, at: APITime, text: String? = nil, base64: String? = nil,
        dropped: Bool? = nil
    ) {
        self.stream = stream
        self.offset = offset
        self.length = length
        self.at = at
        self.text = text
        self.base64 = base64
        self.dropped = dropped
    }
}

/// An exec's output with times.
public struct LogList: Sendable, Hashable, Codable {
    public var entries: [LogLine]

    public init(entries: [LogLine]) { self.entries = entries }
}
