/// Everything that fronts ask of images. Every call throws `CordonError` alone. Work that is cancelled leaves
/// nothing that counts: what was fetched or unpacked until then makes the next try shorter.
public protocol ImageService: Sendable {
    /// Fetches an image from its registry; the reference points to it from then on.
    func pull(_ reference: ImageReference, report: @escaping ImageReporter) async throws -> ImageRecord
    /// Takes an archive of an OCI layout or of `docker save` (a tar, perhaps compressed) from pieces until `next`
    /// returns nil. The names that it holds, or `names` in their place, point to its images from then on.
    func importArchive(
        names: [ImageReference], report: @escaping ImageReporter, next: () async throws -> [UInt8]?
    ) async throws -> [ImageRecord]
    /// Takes a build context (a tar, perhaps compressed) for later builds; it is kept for an hour after its last use.
    func addContext(next: () async throws -> [UInt8]?) async throws -> BuildContextID
    func build(_ order: BuildOrder, report: @escaping ImageReporter) async throws -> ImageRecord
    /// `notFound` when there is none of that name.
    func image(_ name: ImageName) async throws -> ImageRecord
    func images(matching query: ImageQuery) async throws -> ImagePage
    /// The image of that name and all that came of it, or all images for nil; each before what came of it.
    func lineage(of name: ImageName?) async throws -> [ImageLineage]
    /// What `after` has that `before` hasn't, and the other way round. `failedPrecondition` when only one of them lies
    /// on the host's `/usr`.
    func diff(_ before: ImageName, _ after: ImageName, _ query: TreeDiffQuery) async throws -> TreeDiff
    /// Removes a reference, and the image with its last; or an image by its id, with all that point to it. Sandboxes
    /// that were made from it go on. Answers what is left of it: nil for nothing.
    func remove(_ name: ImageName) async throws -> ImageRecord?
    /// Removes images that have expired, and layers and downloads that nothing refers to.
    func collect() async throws -> CollectedImages
}

/// What was removed.
public struct CollectedImages: Sendable, Hashable {
    public var images: Int
    public var layers: Int
    /// Layers that nothing but running sandboxes refers to.
    public var layersInUse: Int
    public var downloads: Int

    public init(images: Int = 0, layers: Int = 0, layersInUse: Int = 0, downloads: Int = 0) {
        (self.images, self.layers, self.layersInUse, self.downloads) = (images, layers, layersInUse, downloads)
    }
}

/// For a service without a store of images.
public struct NoImages: ImageService {
    private static let missing = CordonError(.unimplemented, "this service has no images but the host's")

    public init() {}

    public func pull(_ reference: ImageReference, report: @escaping ImageReporter) async throws -> ImageRecord {
        throw Self.missing
    }

    public func importArchive(
        names: [ImageReference], report: @escaping ImageReporter, next: () async throws -> [UInt8]?
    ) async throws -> [ImageRecord] { throw Self.missing }

    public func addContext(next: () async throws -> [UInt8]?) async throws -> BuildContextID { throw Self.missing }

    public func build(_ order: BuildOrder, report: @escaping ImageReporter) async throws -> ImageRecord {
        throw Self.missing
    }

    public func image(_ name: ImageName) async throws -> ImageRecord { throw CordonError.noImage(name) }
    public func images(matching query: ImageQuery) async throws -> ImagePage { ImagePage(images: [], next: nil) }
    public func lineage(of name: ImageName?) async throws -> [ImageLineage] {
        if let name { throw CordonError.noImage(name) }
        return []
    }
    public func diff(_ before: ImageName, _ after: ImageName, _ query: TreeDiffQuery) async throws -> TreeDiff {
        throw Self.missing
    }
    public func remove(_ name: ImageName) async throws -> ImageRecord? { throw CordonError.noImage(name) }
    public func collect() async throws -> CollectedImages { CollectedImages() }
}

/// Where the engine learns what sandboxes are made from, and what they have become is kept.
public protocol ImageSource: Sendable {
    /// Keeps what a running sandbox has changed, or one of its directories, as an image, which outlives the death of any
    /// process when this returns, and loss of power a little later.
    func snapshot(of sandbox: SandboxID, _ spec: SandboxSpec, _ order: SnapshotOrder) async throws -> ImageRecord
    /// Shows an image, or an empty directory, at a directory of a running sandbox.
    func mount(_ order: MountOrder, in sandbox: SandboxID) async throws
    func unmount(_ path: FilePath, in sandbox: SandboxID) async throws

    /// What a running sandbox has changed of the image that it was made from.
    func changes(of sandbox: SandboxID, _ spec: SandboxSpec, _ query: TreeDiffQuery) async throws -> TreeDiff

    /// Finds an image, and keeps its layers until `use` is over. Throws `notFound` when there is none of that name.
    func withImage<Value: Sendable>(
        _ name: ImageName, _ use: (UsableImage) async throws -> Value
    ) async throws -> Value
}

/// What a sandbox is made from.
public struct UsableImage: Sendable, Hashable {
    /// nil for the host's.
    public var id: ImageID?
    public var root: RootImage
    public var config: ImageConfig
    /// Whether the host's `/usr` has changed since its layers were made on it.
    public var hostHasChanged: Bool

    public static let host = UsableImage(id: nil, root: .host, config: .none)

    public init(id: ImageID?, root: RootImage, config: ImageConfig, hostHasChanged: Bool = false) {
        (self.id, self.root, self.config, self.hostHasChanged) = (id, root, config, hostHasChanged)
    }
}

/// For a service without a store of images: there is `host`, and nothing else.
public struct HostImageAlone: ImageSource {
    public init() {}

    public func withImage<Value: Sendable>(
        _ name: ImageName, _ use: (UsableImage) async throws -> Value
    ) async throws -> Value {
        guard case .host = name else { throw CordonError.noImage(name) }
        return try await use(.host)
    }

    private static let missing = CordonError(.unimplemented, "this service keeps no images")

    public func snapshot(
        of sandbox: SandboxID, _ spec: SandboxSpec, _ order: SnapshotOrder
    ) async throws -> ImageRecord { throw Self.missing }

    public func changes(
        of sandbox: SandboxID, _ spec: SandboxSpec, _ query: TreeDiffQuery
    ) async throws -> TreeDiff { throw Self.missing }

    public func mount(_ order: MountOrder, in sandbox: SandboxID) async throws { throw Self.missing }
    public func unmount(_ path: FilePath, in sandbox: SandboxID) async throws { throw Self.missing }
}

extension CordonError {
    /// No image has that name, here; nothing is fetched unless it is asked for.
    public static func noImage(_ name: ImageName) -> CordonError {
        let hint: String
        switch name {
        case .reference(let reference): hint = "; `cordon image pull \(reference)` fetches it"
        case .host, .id: hint = ""
        }
        return CordonError(
            .notFound, "there is no image \(name) here\(hint)", field: "image", value: name.description,
            rule: "host, an image's id, or the name of one that was pulled, built or imported")
    }
}
