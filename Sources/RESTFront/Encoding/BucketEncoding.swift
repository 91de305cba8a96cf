import CordonAPI
import SandboxModel

extension CloudBucket {
    init(_ mount: BucketMount) {
        self.init(
            bucket: mount.bucket.text, path: mount.path.text, prefix: mount.prefix?.text,
            endpointURL: mount.endpoint?.text, region: mount.region?.text, readOnly: mount.isReadOnly,
            forcePathStyle: mount.isPathStyle, requesterPays: mount.isRequesterPaid, signed: mount.hasCredentials)
    }
}
