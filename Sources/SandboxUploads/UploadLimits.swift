/// How much is kept of what clients send ahead, and for how long.
public struct UploadLimits: Sendable, Hashable {
    /// Of one file or blob.
    public var bytes: UInt64 = 16 << 30
    /// Of all that is here.
    public var totalBytes: UInt64 = 64 << 30
    /// Files and blobs.
    public var count = 200_000
    /// Free disk space that uploads leave.
    public var reserveBytes: UInt64 = 1 << 30
    /// How long a file stays after its last use.
    public var fileTime: Duration = .seconds(7 * 86_400)
    /// The same while there is little room.
    public var tightFileTime: Duration = .seconds(3600)
    /// How long a blob stays.
    public var blobTime: Duration = .seconds(86_400)
    /// How long an address is good for.
    public var addressTime: Duration = .seconds(6 * 3600)

    public init() {}
}
