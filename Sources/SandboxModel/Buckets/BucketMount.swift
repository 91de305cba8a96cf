/// A bucket of an S3 service that a sandbox is to see at a path.
public struct BucketMount: Sendable, Hashable {
    /// The most buckets of one sandbox.
    public static let maximumCount = 4

    public var bucket: BucketName
    public var path: FilePath
    /// What keys begin with that are seen, as a directory; nil for all.
    public var prefix: KeyPrefix?
    /// Where the service is; nil for Amazon's in the region.
    public var endpoint: BucketEndpoint?
    /// nil for what the secrets say, or `us-east-1`.
    public var region: BucketRegion?
    public var isReadOnly: Bool
    /// Whether the bucket's name is in the path of requests, and not in the name of the host.
    public var isPathStyle: Bool
    /// Whether whoever asks pays for it.
    public var isRequesterPaid: Bool
    /// Where credentials are, as asked for; empty from the moment that they are resolved.
    public var secrets: [SecretSource] = []
    /// Whether requests are signed. Settled once the sandbox is created.
    public var hasCredentials = false

    public init(
        bucket: BucketName, path: FilePath, prefix: KeyPrefix? = nil, endpoint: BucketEndpoint? = nil,
        region: BucketRegion? = nil, isReadOnly: Bool = false, isPathStyle: Bool = false, isRequesterPaid: Bool = false
    ) {
        self.bucket = bucket
        self.path = path
        self.prefix = prefix
        self.endpoint = endpoint
        self.region = region
        self.isReadOnly = isReadOnly
        self.isPathStyle = isPathStyle
        self.isRequesterPaid = isRequesterPaid
    }

    /// Throws `invalidArgument` for `field` when there are too many, a path can't be mounted on, or one lies in another's,
    /// or a volume in a bucket.
    public static func check(
        _ mounts: [BucketMount], beside volumes: [VolumeMount], field: String = "cloud_buckets"
    ) throws(CordonError) {
        guard mounts.count <= maximumCount else {
            throw .invalid(field: field, value: "\(mounts.count) buckets", rule: "at most \(maximumCount)")
        }
        for (index, mount) in mounts.enumerated() {
            let place = "\(field)[\(index)].path"
            try mount.path.checkMountable(field: place)
            let others = mounts[..<index].map(\.path)
            guard !others.contains(where: { $0.lies(in: mount.path.text) || mount.path.lies(in: $0.text) }) else {
                throw .invalid(field: place, value: mount.path.text, rule: "no bucket lies in another one's path")
            }
            guard !volumes.contains(where: { $0.path.lies(in: mount.path.text) }) else {
                throw .invalid(field: place, value: mount.path.text, rule: "no volume lies in a bucket's path")
            }
        }
    }
}

/// A bucket to mount, with what it is reached by.
public struct BucketOrder: Sendable {
    public var mount: BucketMount
    /// nil: requests aren't signed.
    public var credentials: BucketCredentials?

    public init(_ mount: BucketMount, credentials: BucketCredentials?) {
        self.mount = mount
        self.credentials = credentials
    }
}
