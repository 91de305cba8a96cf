/// Something that happened while an image was made.
public enum ImageEvent: Sendable, Hashable {
    /// What it is made of is known.
    case resolved(manifest: ContentDigest, layers: Int, bytes: UInt64)
    case layer(LayerProgress)
    /// A step of a build begins.
    case step(number: Int, of: Int, text: String, isCached: Bool)
    /// What a step wrote.
    case log([UInt8])
}

/// How far a layer has got.
public struct LayerProgress: Sendable, Hashable {
    public enum State: String, Sendable, Hashable, CaseIterable {
        /// It was there before.
        case present
        case downloading, unpacking, done
    }

    public var digest: ContentDigest
    public var state: State
    /// Bytes of the blob that are there, or unpacked.
    public var bytes: UInt64
    public var total: UInt64

    public init(digest: ContentDigest, state: State, bytes: UInt64, total: UInt64) {
        (self.digest, self.state, self.bytes, self.total) = (digest, state, bytes, total)
    }
}

/// Hears of what happens; may take its time, and the work waits.
public typealias ImageReporter = @Sendable (ImageEvent) async -> Void
