/// Bytes that a client sends in parts before it says what they are for: `bl-` and 22 characters.
public struct BlobID: MintedID {
    public static let prefix = "bl-"
    public static let length = 22
    public let text: String
    public init(unchecked text: String) { self.text = text }
}

/// How a blob is to be sent.
public struct BlobUpload: Sendable, Hashable {
    /// Of every part but the last.
    public static let partBytes: UInt64 = 64 << 20

    public var id: BlobID
    public var bytes: UInt64

    public init(id: BlobID, bytes: UInt64) { (self.id, self.bytes) = (id, bytes) }

    /// At least one: an empty blob is one empty part.
    public var parts: Int { max(1, Int((bytes + Self.partBytes - 1) / Self.partBytes)) }

    /// Of the part with a number from 1 on; nil when there is none of that number.
    public func bytes(ofPart number: Int) -> UInt64? {
        guard (1...parts).contains(number) else { return nil }
        return min(Self.partBytes, bytes - UInt64(number - 1) * Self.partBytes)
    }
}
