/// Content that clients send ahead of what uses it. What isn't used goes after a while; what is used is copied from here.
/// Every call throws `CordonError` alone.
public protocol UploadService: Sendable {
    /// An address below the service's own, signed and with its expiry.
    func address(of content: ContentAddress) -> String
    /// Throws `permissionDenied` unless the signature is this service's and the time isn't over.
    func admit(_ content: ContentAddress, expires: String?, signature: String?) throws(CordonError)

    // MARK: Files, by the digest of their content

    /// Those that aren't here; the others stay for another while.
    func missing(_ digests: [ContentDigest]) async throws -> [ContentDigest]
    /// Takes a file from pieces until `next` returns nil. Throws `invalidArgument` when it is another than `digest` says.
    func take(_ digest: ContentDigest, next: () async throws -> [UInt8]?) async throws
    /// Throws `notFound` when it isn't here, or not any more.
    func open(_ digest: ContentDigest) async throws -> any UploadedContent

    // MARK: Trees

    /// Puts files together; the same ones give the same id. Throws `failedPrecondition` when a file isn't here.
    func keep(_ tree: UploadedTree) async throws -> TreeID
    /// Throws `notFound` when it isn't here, or not any more.
    func tree(_ id: TreeID) async throws -> UploadedTree

    // MARK: Blobs

    func createBlob(bytes: UInt64) async throws -> BlobUpload
    /// Takes a part; one that was sent before is replaced. Answers its MD5, in hexadecimal.
    func takePart(_ number: Int, of id: BlobID, next: () async throws -> [UInt8]?) async throws -> String
    /// Puts an end to a blob whose parts are all here. Answers the MD5 of the parts' MD5s, a dash and their number.
    func complete(_ id: BlobID, tags: [String]) async throws -> String
    /// A completed blob.
    func open(_ id: BlobID) async throws -> any UploadedContent
}

/// Content being read, from its start. One reader.
public protocol UploadedContent: Sendable {
    /// How much it is.
    var bytes: UInt64 { get }
    /// nil at the end.
    func next() async throws -> [UInt8]?
}

/// For a service that takes no uploads.
public struct NoUploads: UploadService {
    private static let missing = CordonError(.unimplemented, "this service takes no uploads")

    public init() {}

    public func address(of content: ContentAddress) -> String { content.path }
    public func admit(_ content: ContentAddress, expires: String?, signature: String?) throws(CordonError) {
        throw Self.missing
    }
    public func missing(_ digests: [ContentDigest]) async throws -> [ContentDigest] { throw Self.missing }
    public func take(_ digest: ContentDigest, next: () async throws -> [UInt8]?) async throws { throw Self.missing }
    public func open(_ digest: ContentDigest) async throws -> any UploadedContent { throw Self.missing }
    public func keep(_ tree: UploadedTree) async throws -> TreeID { throw Self.missing }
    public func tree(_ id: TreeID) async throws -> UploadedTree { throw Self.missing }
    public func createBlob(bytes: UInt64) async throws -> BlobUpload { throw Self.missing }
    public func takePart(_ number: Int, of id: BlobID, next: () async throws -> [UInt8]?) async throws -> String {
        throw Self.missing
    }
    public func complete(_ id: BlobID, tags: [String]) async throws -> String { throw Self.missing }
    public func open(_ id: BlobID) async throws -> any UploadedContent { throw Self.missing }
}
