import ModalProtocol
import SandboxModel

extension BucketMount {
    /// The buckets of a definition, with what they are reached by: named secrets, or `credentials` by mount path.
    static func all(
        _ mounts: [ModalCloudBucketMount], credentials: [String: ModalStringMap], beside volumes: [VolumeMount]
    ) throws -> [BucketMount] {
        let buckets = try mounts.enumerated().map { index, mount in
            try BucketMount(mount, credentials[mount.mountPath], field: "cloud_bucket_mounts[\(index)]")
        }
        try check(buckets, beside: volumes, field: "cloud_bucket_mounts")
        return buckets
    }

    private init(_ mount: ModalCloudBucketMount, _ credentials: ModalStringMap?, field: String) throws {
        guard mount.oidcAuthRoleArn.isEmpty else {
            throw CordonError.unserved(
                "roles that buckets are reached by (oidc_auth_role_arn)")
        }
        self.init(
            bucket: try BucketName(mount.bucketName, field: "\(field).bucket_name"),
            path: try FilePath(mount.mountPath, field: "\(field).mount_path"),
            prefix: mount.keyPrefix.isEmpty ? nil : try KeyPrefix(mount.keyPrefix, field: "\(field).key_prefix"),
            endpoint: mount.bucketEndpointURL.isEmpty
                ? nil : try BucketEndpoint(mount.bucketEndpointURL, field: "\(field).bucket_endpoint_url"),
            isReadOnly: mount.readOnly, isPathStyle: mount.forcePathStyle, isRequesterPaid: mount.requesterPays)
        if !mount.credentialsSecretID.isEmpty {
            secrets = try SandboxModel.SecretSource.all(ids: [mount.credentialsSecretID])
        }
        if let credentials { secrets.append(.inline(try Environment(credentials.contents))) }
    }
}
