import SandboxModel

/// A bucket of a sandbox's spec, as JSON on disk: without what it is reached by, which is kept nowhere.
struct BucketMountRow: Codable {
    var bucket: String
    var path: String
    var prefix: String?
    var endpoint: String?
    var region: String?
    var readOnly: Bool?
    var pathStyle: Bool?
    var requesterPays: Bool?
    var signed: Bool?

    enum CodingKeys: String, CodingKey {
        case bucket, path, prefix, endpoint, region, signed
        case readOnly = "read_only"
        case pathStyle = "path_style"
        case requesterPays = "requester_pays"
    }

    init(_ mount: BucketMount) {
        bucket = mount.bucket.text
        path = mount.path.text
        prefix = mount.prefix?.text
        endpoint = mount.endpoint?.text
        region = mount.region?.text
        readOnly = mount.isReadOnly ? true : nil
        pathStyle = mount.isPathStyle ? true : nil
        requesterPays = mount.isRequesterPaid ? true : nil
        signed = mount.hasCredentials ? true : nil
    }

    func mount() throws -> BucketMount {
        var mount = BucketMount(
            bucket: try BucketName(bucket), path: try FilePath(path), prefix: try prefix.map { try KeyPrefix($0) },
            endpoint: try endpoint.map { try BucketEndpoint($0) }, region: try region.map { try BucketRegion($0) },
            isReadOnly: readOnly ?? false, isPathStyle: pathStyle ?? false, isRequesterPaid: requesterPays ?? false)
        mount.hasCredentials = signed ?? false
        return mount
    }
}
