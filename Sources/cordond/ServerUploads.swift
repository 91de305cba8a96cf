import Access
import Logging
import SandboxUploads
import ServiceConfiguration
import ServiceLifecycle

extension UploadStore {
    /// The store of uploads as the configuration wants it.
    convenience init(_ configuration: ServiceConfiguration, hasher: BodyHasher, logger: Logger) throws {
        var limits = UploadLimits()
        limits.bytes = UInt64(configuration.imageMaximumMiB) << 20
        limits.totalBytes = UInt64(configuration.uploadMaximumMiB) << 20
        limits.reserveBytes = UInt64(configuration.diskReserveMiB) << 20
        try self.init(
            directory: configuration.stateDirectory + "/uploads", limits: limits, sign: { hasher.hash($0) },
            logger: logger)
    }
}

/// What nobody has used for long is collected for as long as the service runs.
struct UploadCollection: Service {
    let uploads: UploadStore
    func run() async throws { await cancelWhenGracefulShutdown { await uploads.run() } }
}
