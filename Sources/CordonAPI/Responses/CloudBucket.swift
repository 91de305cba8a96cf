/// One of the `cloud_buckets` of a sandbox.
public struct CloudBucket: Sendable, Hashable, Codable {
    public var bucket: String
    public var path: String
    public var prefix: String?
    public var endpointURL: String?
    public var region: String?
    public var readOnly: Bool
    public var forcePathStyle: Bool
    public var requesterPays: Bool
    /// Whether requests are signed, with what a secret said.
    public var signed: Bool

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case bucket, path, prefix
        case endpointURL = "endpoint_url"
        case region
        case readOnly = "read_only"
        case forcePathStyle = "force_path_style"
        case requesterPays = "requester_pays"
        case signed
    }

    public init(
        bucket: String, path: String, prefix: String?, endpointURL: String?, region: String?, readOnly: Bool,
        forcePathStyle: Bool, requesterPays: Bool, signed: Bool
    ) {
        self.bucket = bucket
        self.path = path
        self.prefix = prefix
        self.endpointURL = endpointURL
        self.region = region
        self.readOnly = readOnly
        self.forcePathStyle = forcePathStyle
        self.requesterPays = requesterPays
        self.signed = signed
    }
}
