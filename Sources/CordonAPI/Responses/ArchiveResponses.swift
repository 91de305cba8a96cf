/// What an archive amounted to when it was unpacked in a sandbox, as the sandbox says.
public struct UnpackedArchive: Sendable, Hashable, Codable {
    public var entries: UInt64
    /// Of all its files.
    public var sizeBytes: UInt64
    /// Of the archive without its compression, in hexadecimal.
    public var sha256: String
    /// Paths of the first devices, and of what lay behind other mounts, none of which is unpacked.
    public var leftOut: [String]
    public var leftOutCount: UInt64

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case entries
        case sizeBytes = "size_bytes"
        case sha256
        case leftOut = "left_out"
        case leftOutCount = "left_out_count"
    }

    public init(entries: UInt64, sizeBytes: UInt64, sha256: String, leftOut: [String], leftOutCount: UInt64) {
        self.entries = entries
        self.sizeBytes = sizeBytes
        self.sha256 = sha256
        self.leftOut = leftOut
        self.leftOutCount = leftOutCount
    }
}
