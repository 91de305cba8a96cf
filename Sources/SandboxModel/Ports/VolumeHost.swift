/// What volumes ask of the machine's side: the writable layers that sandboxes have over volumes.
public protocol VolumeHost: Sendable {
    /// Makes a layer of what a sandbox, which runs or has ended, has changed in a volume since it was last published;
    /// durable when this returns. nil, and no layer, when that is nothing. A sandbox that runs stands still meanwhile.
    func commit(_ order: VolumeCommitOrder) async throws -> LayerFacts?
    /// Shows a running sandbox other layers of a volume, with a new writable layer. False when it has written what
    /// isn't published; `failedPrecondition` while a process of it has something open there.
    func reload(_ path: FilePath, in id: SandboxID, published: LayerName?, to layers: [LayerName]) async throws -> Bool
    /// Writable layers over volumes whose sandboxes have ended.
    func leftWrites() async throws -> [LeftWrites]
    /// Removes one of those; nothing happens where it isn't there.
    func release(_ left: LeftWrites) async throws
    /// Makes one layer of layers that lie on nothing, lowest first: it shows what they show together. No content is
    /// copied where the file system can share it.
    func merge(_ layers: [LayerName], as layer: LayerName) async throws -> LayerFacts
}

/// What is to be made of a sandbox's writes.
public struct VolumeCommitOrder: Sendable, Hashable {
    public var sandbox: SandboxID
    /// Where the volume is mounted.
    public var path: FilePath
    /// What the volume has become: what others removed needs no removal, what they added stays.
    public var head: [LayerName]
    /// The latest layer that was published of these writes; nil for none.
    public var published: LayerName?
    /// What is made.
    public var layer: LayerName
    /// Whether somebody waits: without, it is first looked whether anything has changed, while the sandbox goes on.
    public var isAwaited: Bool

    public init(
        sandbox: SandboxID, path: FilePath, head: [LayerName], published: LayerName?, layer: LayerName,
        isAwaited: Bool
    ) {
        self.sandbox = sandbox
        self.path = path
        self.head = head
        self.published = published
        self.layer = layer
        self.isAwaited = isAwaited
    }
}

/// What an ended sandbox wrote to a volume.
public struct LeftWrites: Sendable, Hashable {
    public var sandbox: SandboxID
    public var path: FilePath

    public init(sandbox: SandboxID, path: FilePath) {
        self.sandbox = sandbox
        self.path = path
    }
}
