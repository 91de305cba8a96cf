/// How an archive is compressed.
public enum ArchiveCompression: UInt8, Sendable, Hashable, CaseIterable {
    case none = 0
    /// RFC 1952.
    case gzip = 1
    /// RFC 8878.
    case zstd = 2
}

/// A tar archive (POSIX.1-2001 pax, ustar and GNU's long names) to unpack inside of a sandbox.
public struct Unpacking: Sendable, Hashable {
    /// What entries' names and owners mean.
    public enum Kind: UInt8, Sendable, Hashable {
        /// A user's archive: owners are kept where the user may set them.
        case archive = 0
        /// A layer of an OCI image at `/`: whiteouts remove what lies below, owners, modes, times and extended
        /// attributes are kept, what a mount hides (`/proc`, `/sys`, `/dev`) is left alone.
        case layer = 1
    }

    /// The directory to unpack in; made when it isn't there.
    public var path: FilePath
    public var kind: Kind
    public var compression: ArchiveCompression
    /// Bytes of all files, and entries, beyond which it fails with `resourceExhausted`.
    public var mostBytes: UInt64
    public var mostEntries: UInt64
    /// Whom everything belongs to, whatever the archive says.
    public var owner: FileOwner?
    /// The permissions of everything but links, whatever the archive says.
    public var mode: UInt32?

    public init(
        path: FilePath, kind: Kind, compression: ArchiveCompression, mostBytes: UInt64, mostEntries: UInt64,
        owner: FileOwner? = nil, mode: UInt32? = nil
    ) {
        self.path = path
        self.kind = kind
        self.compression = compression
        self.mostBytes = mostBytes
        self.mostEntries = mostEntries
        self.owner = owner
        self.mode = mode
    }
}

/// A user and a group, as a sandbox numbers them.
public struct FileOwner: Sendable, Hashable {
    public var user: UInt32
    public var group: UInt32

    public static let root = FileOwner(user: 0, group: 0)

    public init(user: UInt32, group: UInt32) { (self.user, self.group) = (user, group) }
}

/// What was unpacked. The sandbox's word.
public struct UnpackingSummary: Sendable, Hashable {
    public var entries: UInt64
    public var bytes: UInt64
    /// SHA-256 of the archive without its compression: an OCI layer's diff id.
    public var digest: [UInt8]
    /// Devices and what mounts hide: paths of the first hundred.
    public var leftOut: [String]
    public var leftOutCount: UInt64

    public init(entries: UInt64, bytes: UInt64, digest: [UInt8], leftOut: [String], leftOutCount: UInt64) {
        self.entries = entries
        self.bytes = bytes
        self.digest = digest
        self.leftOut = leftOut
        self.leftOutCount = leftOutCount
    }
}
