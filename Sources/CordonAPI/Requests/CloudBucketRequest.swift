/// One of the `cloud_buckets` of a create or run request.
public struct CloudBucketRequest: Sendable, Hashable, Encodable {
    public var bucket: String
    public var path: String
    /// What keys begin with that are seen, as a directory.
    public var prefix: String?
    /// Where the S3 service is; Amazon's in the region without one.
    public var endpointURL: String?
    public var region: String?
    public var readOnly: Bool?
    public var forcePathStyle: Bool?
    public var requesterPays: Bool?
    /// With `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`; without any, requests aren't signed.
    public var secrets: [SecretSourceRequest]?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case bucket, path, prefix
        case endpointURL = "endpoint_url"
        case region
        case readOnly = "read_only"
        case forcePathStyle = "force_path_style"
        case requesterPays = "requester_pays"
        case secrets
    }

    public init(bucket: String, path: String) {
        self.bucket = bucket
        self.path = path
    }
}
