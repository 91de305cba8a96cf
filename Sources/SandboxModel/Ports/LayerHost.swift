/// What images are made of on the machine's side: layers, each a directory that is never written again, known by
/// name alone. A new one is what a sandbox wrote.
public protocol LayerHost: Sendable {
    /// Ends a sandbox and keeps what it wrote as a layer, which is durable when this returns. Where a layer of that
    /// name is there already, that one is answered for and what the sandbox wrote is dropped.
    func keep(_ id: SandboxID, as layer: LayerName) async throws -> LayerFacts
    /// Copies what a running sandbox has written since it started, or the directory `path` as it sees it, into a
    /// layer, which outlives the death of any process when this returns, and loss of power a little later: until then
    /// that may take it (`lostLayers`). The sandbox stands still meanwhile and goes on afterwards.
    func copy(_ id: SandboxID, path: FilePath?, as layer: LayerName) async throws -> LayerFacts
    /// The same of all that it has written and of all layers that it was made from, as one layer in their place. Throws
    /// `failedPrecondition` while something is mounted in it.
    func flatten(_ id: SandboxID, as layer: LayerName) async throws -> LayerFacts
    /// Shows layers at a directory of a running sandbox, which must be there, until they are taken away or it ends.
    /// What it writes there goes with the mount. Throws `alreadyExists` where something is mounted at that path.
    func mount(_ mount: LayerMount, in id: SandboxID) async throws
    /// Takes away what `mount` showed. Throws `notFound` where there is none at that path, `failedPrecondition`
    /// while a process of the sandbox uses it.
    func unmount(_ path: FilePath, in id: SandboxID) async throws
    /// Tells every path that a layer, or a running sandbox until now, has written or taken away, each directory before
    /// what is in it; `take` hears of some at a time. Throws what `take` throws.
    func touched(in tree: TouchedTree, _ take: @escaping @Sendable ([TouchedPath]) throws -> Void) async throws
    /// What the host's `/usr` is known by at this moment: another one when its packages change.
    func hostPrint() async throws -> String
    /// Layers that are there.
    func layers() async throws -> [LayerName]
    /// Layers that were there before the machine stopped, and aren't whole any more. Told of until they are removed.
    func lostLayers() async throws -> [LayerName]
    /// Removes layers that no sandbox is using; those that one is using stay, and are answered.
    func remove(_ layers: [LayerName]) async throws -> [LayerName]
}

/// What was found as a layer was made.
public struct LayerFacts: Sendable, Hashable {
    /// Bytes of its regular files.
    public var bytes: UInt64
    public var entries: UInt64
    /// Sockets and devices, which are left out: paths of the first hundred, from the sandbox's root.
    public var leftOut: [String]
    /// All that were left out.
    public var leftOutCount: UInt64
    /// What the host's `/usr` that it lies on was known by; nil where it lies on none.
    public var hostPrint: String?

    public init(
        bytes: UInt64, entries: UInt64, leftOut: [String] = [], leftOutCount: UInt64 = 0, hostPrint: String? = nil
    ) {
        self.bytes = bytes
        self.entries = entries
        self.leftOut = leftOut
        self.leftOutCount = leftOutCount
        self.hostPrint = hostPrint
    }
}

/// Layers to show at a directory of a sandbox.
public struct LayerMount: Sendable, Hashable {
    public var path: FilePath
    /// Lowest first; none for an empty directory.
    public var layers: [LayerName]
    public var isReadOnly: Bool
    /// Whether what the sandbox writes there is kept beyond its end, until it is released.
    public var isVolume: Bool
    /// The directory of the layers that is seen; nil for all. It is made where there is none.
    public var subPath: VolumePath?

    public init(
        path: FilePath, layers: [LayerName], isReadOnly: Bool = false, isVolume: Bool = false,
        subPath: VolumePath? = nil
    ) {
        self.path = path
        self.layers = layers
        self.isReadOnly = isReadOnly
        self.isVolume = isVolume
        self.subPath = subPath
    }
}

/// What somebody has written over what lay below.
public enum TouchedTree: Sendable, Hashable {
    case layer(LayerName)
    /// What a running sandbox has written since it started.
    case sandbox(SandboxID)
}

/// A path that was written or taken away. Hostile in every value.
public struct TouchedPath: Sendable, Hashable {
    public enum Kind: UInt8, Sendable, Hashable {
        /// Anything but a directory; or nothing any more.
        case entry = 1
        /// A directory: what is in it is told as well.
        case directory = 2
        /// A directory under which nothing is seen of what lay there before: all that is in it may be new.
        case replaced = 3
    }

    /// From the root, without a slash before it.
    public var path: [UInt8]
    public var kind: Kind

    public init(path: [UInt8], kind: Kind) { (self.path, self.kind) = (path, kind) }
}
