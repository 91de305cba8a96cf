/// Content that is sent to, or fetched from, an address of its own: whoever has the address, signed, may do this one
/// thing until it expires.
public enum ContentAddress: Sendable, Hashable {
    /// Where a part of a blob is put.
    case part(BlobID, number: Int)
    /// Where the end of a blob's parts is told.
    case completion(BlobID)
    /// Where a blob is read.
    case blob(BlobID)
    /// Where a file is put that its digest names.
    case file(ContentDigest)
    /// Where that file is read.
    case fileContent(ContentDigest)

    /// Below the service's own address.
    public var path: String {
        switch self {
        case .part(let id, let number): "/content/blobs/\(id)/parts/\(number)"
        case .completion(let id): "/content/blobs/\(id)/completion"
        case .blob(let id): "/content/blobs/\(id)"
        case .file(let digest), .fileContent(let digest): "/content/files/\(digest.hex)"
        }
    }

    /// What is done there.
    public var method: String {
        switch self {
        case .part, .file: "PUT"
        case .completion: "POST"
        case .blob, .fileContent: "GET"
        }
    }
}
