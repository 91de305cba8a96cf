import SandboxModel

/// How large images may be, and how much is made at a time.
public struct ImageLimits: Sendable, Hashable {
    /// Of an image's unpacked files, and of its compressed layers.
    public var bytes: UInt64 = 16 << 30
    public var entries: UInt64 = 2_000_000
    /// Layers that a snapshot may have; those of one that would have more become one.
    public var layers = RootImage.maximumLayers
    /// Sandboxes that unpack or build at a time.
    public var builders = 4
    /// Pulls, imports and builds at a time.
    public var operations = 16
    /// How long unpacking one layer, or one step of a build, may take.
    public var stepTime: Duration = .seconds(3600)
    /// Where `RUN` may go that nobody has said anything about.
    public var network = NetworkPolicy.blocked
    /// Free disk space that downloads and uploads leave.
    public var reserveBytes: UInt64 = 1 << 30

    public init() {}
}
