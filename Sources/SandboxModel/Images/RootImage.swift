/// What a sandbox's `/` shows before anything is written to it.
public struct RootImage: Sendable, Hashable {
    /// What the layers lie on.
    public enum Base: UInt8, Sendable, Hashable {
        /// The host's own `/usr` over a skeleton of `/`.
        case host = 0
        /// Nothing: the layers are all there is.
        case nothing = 1
    }

    /// More can't be mounted at once (overlayfs takes 500 lower directories).
    public static let maximumLayers = 400

    public let base: Base
    /// Lowest first.
    public let layers: [LayerName]

    public static let host = RootImage(unchecked: .host, [])
    public static let nothing = RootImage(unchecked: .nothing, [])

    private init(unchecked base: Base, _ layers: [LayerName]) { (self.base, self.layers) = (base, layers) }

    /// Throws `failedPrecondition` for more than `maximumLayers`.
    public init(base: Base, layers: [LayerName]) throws(CordonError) {
        guard layers.count <= Self.maximumLayers else {
            throw CordonError(
                .failedPrecondition, "an image has at most \(Self.maximumLayers) layers, this has \(layers.count)")
        }
        self.init(unchecked: base, layers)
    }

    /// This with one more layer on top.
    public func adding(_ layer: LayerName) throws(CordonError) -> RootImage {
        try RootImage(base: base, layers: layers + [layer])
    }
}
