/// The answer of `POST /v1/run`: each stream is text, or base64 where it isn't UTF-8.
public struct RunResult: Sendable, Hashable, Decodable {
    public var sandboxID: String
    public var execID: String
    public var result: EndResult
    public var exitCode: Int?
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
    public var outputFiles: [RunOutputFile]
    public var timings: RunTimings

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case sandboxID = "sandbox_id"
        case execID = "exec_id"
        case result
        case exitCode = "exit_code"
        case stdout
        case stdoutBase64 = "stdout_base64"
        case stdoutBytes = "stdout_bytes"
        case stdoutDropped = "stdout_dropped"
        case stdoutTruncated = "stdout_truncated"
        case stderr
        case stderrBase64 = "stderr_base64"
        case stderrBytes = "stderr_bytes"
        case stderrDropped = "stderr_dropped"
        case stderrTruncated = "stderr_truncated"
        case outputFiles = "output_files"
        case timings
    }
}

/// A file that a run was asked for: its content, or why there is none.
public struct RunOutputFile: Sendable, Hashable, Codable {
    public var path: String
    public var content: String?
    public var contentBase64: String?
    public var sizeBytes: Int?
    /// Permissions in octal.
    public var mode: String?
    public var error: FileErrorBody?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case path, content
        case contentBase64 = "content_base64"
        case sizeBytes = "size_bytes"
        case mode, error
    }

    public init(path: String) { self.path = path }
}

/// Why there is no file: a problem's code, its reason where it has one, and words.
public struct FileErrorBody: Sendable, Hashable, Codable {
    public var code: String
    public var reason: String?
    public var detail: String

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case code, reason, detail
    }

    public init(code: String, reason: String?, detail: String) {
        self.code = code
        self.reason = reason
        self.detail = detail
    }
}

/// Where a run's time went, in seconds.
public struct RunTimings: Sendable, Hashable, Codable {
    public var create: Double
    public var files: Double
    public var start: Double
    /// From the program's start to its end; absent when it never ran.
    public var run: Double?
    /// Collecting files and ending the sandbox.
    public var finish: Double
    public var total: Double

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case create, files, start, run, finish, total
    }

    public init(create: Double, files: Double, start: Double, run: Double?, finish: Double, total: Double) {
        self.create = create
        self.files = files
        self.start = start
        self.run = run
        self.finish = finish
        self.total = total
    }
}

/// The answer of a detached run, and the first event of a streamed one.
public struct RunStarted: Sendable, Hashable, Codable {
    public var sandboxID: String
    public var execID: String

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case sandboxID = "sandbox_id"
        case execID = "exec_id"
    }

    public init(sandboxID: String, execID: String) {
        self.sandboxID = sandboxID
        self.execID = execID
    }
}
