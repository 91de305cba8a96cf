/// The answer of `POST /v1/sandboxes/{id}/branches`.
public struct BranchSet: Sendable, Hashable, Codable {
    /// What the branches started from; kept for a day.
    public var imageID: String
    /// The number of the first to succeed; null where none did.
    public var winner: Int?
    /// In the order of their numbers.
    public var branches: [Branch]

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case imageID = "image_id"
        case winner, branches
    }

    public init(imageID: String, winner: Int?, branches: [Branch]) {
        self.imageID = imageID
        self.winner = winner
        self.branches = branches
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(imageID, forKey: .imageID)
        try container.encode(winner, forKey: .winner)
        try container.encode(branches, forKey: .branches)
    }
}

/// What one branch has come to.
public struct Branch: Sendable, Hashable, Codable {
    /// From 1.
    public var number: Int
    public var sandboxID: String
    /// The command's exec, whose output can be read whole.
    public var execID: String
    public var result: EndResult
    public var exitCode: Int?
    /// The last 16 KiB, where they are UTF-8.
    public var stdout: String?
    public var stdoutBase64: String?
    /// All that was written.
    public var stdoutBytes: UInt64
    public var stderr: String?
    public var stderrBase64: String?
    public var stderrBytes: UInt64
    /// What the branch has changed, the first 200 paths; absent where its sandbox was over before anybody could look.
    public var changes: [ImageChange]?
    /// Whether there are more.
    public var changesTruncated: Bool?
    /// Whether its sandbox goes on.
    public var kept: Bool
    /// What it became.
    public var imageID: String?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case number, result, stdout, stderr, changes, kept
        case sandboxID = "sandbox_id"
        case execID = "exec_id"
        case exitCode = "exit_code"
        case stdoutBase64 = "stdout_base64"
        case stdoutBytes = "stdout_bytes"
        case stderrBase64 = "stderr_base64"
        case stderrBytes = "stderr_bytes"
        case changesTruncated = "changes_truncated"
        case imageID = "image_id"
    }

    public init(number: Int, sandboxID: String, execID: String, result: EndResult, kept: Bool) {
        self.number = number
        self.sandboxID = sandboxID
        self.execID = execID
        self.result = result
        exitCode = result.exitCode
        stdoutBytes = 0
        stderrBytes = 0
        self.kept = kept
    }
}

/// One line of what branches tell as they go on; `event` says which fields there are.
public struct BranchProgress: Sendable, Hashable, Codable {
    /// `snapshot`, `started`, `ended`, `result`, `error` or `heartbeat`.
    public var event: String
    /// `snapshot`.
    public var imageID: String?
    /// `started`.
    public var number: Int?
    public var sandboxID: String?
    /// `ended`.
    public var branch: Branch?
    /// The end, when all went well.
    public var result: BranchSet?
    /// The end, when it didn't.
    public var problem: Problem?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case event, number, branch, result, problem
        case imageID = "image_id"
        case sandboxID = "sandbox_id"
    }

    public init(event: String) { self.event = event }
}
