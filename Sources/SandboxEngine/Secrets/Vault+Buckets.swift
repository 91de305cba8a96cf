import SandboxModel

extension Vault {
    /// Buckets with what their secrets say, which nobody keeps: programs that serve them get it, and live as long as the
    /// sandbox does. What a request doesn't say of the region is theirs too.
    func resolve(_ buckets: [BucketMount]) async throws -> [BucketOrder] {
        var orders: [BucketOrder] = []
        for (index, bucket) in buckets.enumerated() {
            let field = "cloud_buckets[\(index)].secrets"
            let variables = try await resolve(bucket.secrets, field: field)
            let credentials = try BucketCredentials(variables, field: field)
            guard credentials != nil || bucket.secrets.isEmpty else {
                throw CordonError(
                    .failedPrecondition, "the secrets of the bucket have no \(BucketCredentials.names.keyID)",
                    field: field, value: BucketCredentials.names.keyID,
                    rule: "secrets with credentials, or none for requests that aren't signed")
            }
            var mount = bucket
            mount.secrets = []
            mount.hasCredentials = credentials != nil
            let named = BucketCredentials.names.region.lazy.compactMap { variables.variables[$0] }.first { !$0.isEmpty }
            if mount.region == nil, let named {
                // What a secret holds is in no error.
                guard let region = try? BucketRegion(named, field: field) else {
                    throw CordonError.invalid(
                        field: field, value: nil, rule: "an AWS_REGION of 1–64 lowercase letters, digits and -")
                }
                mount.region = region
            }
            orders.append(BucketOrder(mount, credentials: credentials))
        }
        return orders
    }
}
