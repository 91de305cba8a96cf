/// An image's place among those that came of each other.
public struct ImageLineage: Sendable, Hashable {
    /// The most images of which one tree tells.
    public static let mostImages = 10_000

    public var id: ImageID
    public var kind: ImageKind
    public var names: [String]
    /// nil where it came of none that is still here.
    public var parent: ImageID?
    /// The sandbox that it is a snapshot of.
    public var sandbox: SandboxID?
    public var createdAt: Timestamp
    public var bytes: UInt64
    public var layerCount: Int
    public var hostPrint: String?
    /// As it was observed; nil where it doesn't lie on the host's `/usr`, or nobody knows.
    public var hostHasChanged: Bool?
    /// How many images lie between it and the top of its tree.
    public var depth: Int

    public init(
        id: ImageID, kind: ImageKind, names: [String], parent: ImageID?, sandbox: SandboxID?, createdAt: Timestamp,
        bytes: UInt64, layerCount: Int, hostPrint: String? = nil, hostHasChanged: Bool? = nil, depth: Int = 0
    ) {
        self.id = id
        self.kind = kind
        self.names = names
        self.parent = parent
        self.sandbox = sandbox
        self.createdAt = createdAt
        self.bytes = bytes
        self.layerCount = layerCount
        self.hostPrint = hostPrint
        self.hostHasChanged = hostHasChanged
        self.depth = depth
    }
}

extension [ImageLineage] {
    /// The same as trees: each image once, before what came of it, both in the order of their making. Images that came
    /// of one another in a circle (one was removed, and made again of what had come of it) begin with the oldest.
    ///
    /// - Parameter top: The one to begin with; nil for all.
    public func inTrees(from top: ImageID? = nil) -> [ImageLineage] {
        let known = Set(map(\.id))
        let byAge = sorted { $0.createdAt < $1.createdAt }
        let children = Dictionary(grouping: byAge) { image in
            image.parent.flatMap { known.contains($0) ? $0 : nil }
        }
        var ordered: [ImageLineage] = []
        var seen: Set<ImageID> = []
        // Behind those that came of none that is here, only what lies in a circle is left.
        for first in top.map({ top in filter { $0.id == top } }) ?? (children[nil] ?? []) + byAge {
            var pending = [(first, 0)]
            while let (next, depth) = pending.popLast() {
                guard seen.insert(next.id).inserted else { continue }
                var image = next
                if depth == 0 { image.parent = nil }
                image.depth = depth
                ordered.append(image)
                pending += (children[image.id] ?? []).reversed().map { ($0, depth + 1) }
            }
        }
        return ordered
    }
}
