/// The body of `POST /v1/sandboxes/{id}/branches`.
public struct BranchRequest: Sendable, Hashable, Encodable {
    /// 1–64; branches are numbered from 1.
    public var count: Int
    /// `{i}` stands for the branch's number.
    public var argv: [String]
    public var env: [String: String]?
    public var secrets: [SecretSourceRequest]?
    public var workdir: String?
    public var user: String?
    /// Of the command; 300 unless said.
    public var timeoutSeconds: Double?
    /// `all` (unless said) or `first_success`.
    public var until: String?
    /// What becomes of branches that succeed: `end` (unless said), `keep` or `snapshot`.
    public var winners: String?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case count, argv, env, secrets, workdir, user, until, winners
        case timeoutSeconds = "timeout_seconds"
    }

    public init(count: Int, argv: [String]) { (self.count, self.argv) = (count, argv) }
}
