import ArgumentParser
import CordonAPI

/// Buckets of S3 services that a new sandbox sees, and how all of them are reached.
struct BucketOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A bucket, or what its keys begin with, at a path; may be repeated.", valueName: "name[/prefix]:/path[:ro]")
    )
    var bucket: [BucketPlace] = []
    @Option(help: ArgumentHelp("Where the buckets' S3 service is; Amazon's without.", valueName: "url"))
    var bucketEndpoint: String?
    @Option(help: ArgumentHelp("The buckets' region.", valueName: "region")) var bucketRegion: String?
    @Option(help: ArgumentHelp("A secret with the buckets' keys; may be repeated.", valueName: "name"))
    var bucketSecret: [String] = []
    @Flag(help: "Name buckets in the path of requests, not in the host's name.") var bucketPathStyle = false

    func validate() throws {
        guard bucket.isEmpty else { return }
        guard bucketEndpoint == nil, bucketRegion == nil, bucketSecret.isEmpty, !bucketPathStyle else {
            throw ValidationError("how buckets are reached is said only with --bucket")
        }
    }

    /// nil for none.
    var requests: [CloudBucketRequest]? {
        guard !bucket.isEmpty else { return nil }
        return bucket.map { place in
            var request = place.request
            request.endpointURL = bucketEndpoint
            request.region = bucketRegion
            if bucketPathStyle { request.forcePathStyle = true }
            if !bucketSecret.isEmpty { request.secrets = bucketSecret.map { .stored($0) } }
            return request
        }
    }
}

/// Where a sandbox sees a bucket: `NAME:/path`, `NAME/prefix:/path`, and `:ro` behind it where nothing is written.
struct BucketPlace: ExpressibleByArgument {
    let request: CloudBucketRequest

    init?(argument: String) {
        guard let colon = argument.firstIndex(of: ":") else { return nil }
        var path = argument[argument.index(after: colon)...]
        let isReadOnly = path.hasSuffix(":ro")
        if isReadOnly { path = path.dropLast(3) }
        let parts = argument[..<colon].split(separator: "/", maxSplits: 1)
        guard let name = parts.first, path.hasPrefix("/") else { return nil }
        var request = CloudBucketRequest(bucket: String(name), path: String(path))
        if parts.count > 1 { request.prefix = String(parts[1]) }
        if isReadOnly { request.readOnly = true }
        self.request = request
    }
}
