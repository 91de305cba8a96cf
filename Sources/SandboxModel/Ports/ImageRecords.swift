/// What is kept of images. A returned call survives loss of power.
public protocol ImageRecords: Sendable {
    /// Writes an image down, and lets `names` point to it alone; one of that id that is there stays as it is and
    /// takes the names. Answers what is on record then.
    func save(_ image: ImageRecord, names: [ImageReference]) async throws -> ImageRecord
    func image(_ id: ImageID) async throws -> ImageRecord?
    func image(named reference: ImageReference) async throws -> ImageRecord?
    /// Newest first.
    func images(matching query: ImageQuery) async throws -> [ImageRecord]
    /// Every image's place, at most so many, the latest.
    func lineages(upTo limit: Int) async throws -> [ImageLineage]
    /// Removes an image and all names that point to it; whether it was there.
    func remove(_ id: ImageID) async throws -> Bool
    /// Takes a name away, and the image with its last one. Throws `notFound` when nothing has that name.
    func remove(name: ImageReference) async throws -> ImageRecord?
    /// Images that stand on one of these layers, among others.
    func images(standingOn layers: [LayerName]) async throws -> [ImageRecord]
    /// Images whose time was over at `now`.
    func expired(at now: Timestamp) async throws -> [ImageID]

    /// What is known of a layer that is whole; nil when it isn't.
    func layer(_ name: LayerName) async throws -> RecordedLayer?
    func save(_ layer: RecordedLayer) async throws
    /// Every layer that an image stands on.
    func layersOfImages() async throws -> Set<LayerName>
    func forget(_ layers: [LayerName]) async throws
}

/// A layer and what was found as it was made.
public struct RecordedLayer: Sendable, Hashable {
    public var name: LayerName
    public var facts: LayerFacts
    /// Of its archive without compression, where it is from one.
    public var diffID: ContentDigest?

    public init(name: LayerName, facts: LayerFacts, diffID: ContentDigest? = nil) {
        (self.name, self.facts, self.diffID) = (name, facts, diffID)
    }
}
