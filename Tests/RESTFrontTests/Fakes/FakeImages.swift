import SandboxModel

/// Images in memory: every reference can be had but `none`.
struct FakeImages: ImageService {
    private func record(_ names: [ImageReference] = []) throws -> ImageRecord {
        var config = ImageConfig()
        config.environment = try Environment(["A": "b"])
        config.workdir = "/w"
        config.user = "u"
        config.labels = ["l": "m"]
        return ImageRecord(
            id: ImageID(digest: Array(0..<32)), kind: .registry, root: .host, config: config,
            names: names.map(\.description), manifest: ContentDigest(bytes: Array(0..<32)),
            parent: ImageID(digest: Array(1..<33)), sandbox: .mint(), createdAt: .now(), expiresAt: .now(), bytes: 1,
            entries: 2, leftOut: ["dev/x"], leftOutCount: 1)
    }

    func pull(_ reference: ImageReference, report: @escaping ImageReporter) async throws -> ImageRecord {
        guard reference.repository != "library/none" else { throw CordonError.noImage(.reference(reference)) }
        let digest = ContentDigest(bytes: Array(0..<32))
        await report(.resolved(manifest: digest, layers: 1, bytes: 5))
        await report(.layer(LayerProgress(digest: digest, state: .done, bytes: 5, total: 5)))
        return try record([reference])
    }

    func importArchive(
        names: [ImageReference], report: @escaping ImageReporter, next: () async throws -> [UInt8]?
    ) async throws -> [ImageRecord] {
        while try await next() != nil {}
        return [try record(names)]
    }

    func addContext(next: () async throws -> [UInt8]?) async throws -> BuildContextID {
        while try await next() != nil {}
        return .mint()
    }

    func build(_ order: BuildOrder, report: @escaping ImageReporter) async throws -> ImageRecord {
        await report(.step(number: 1, of: 1, text: "FROM scratch", isCached: false))
        await report(.log([0xff]))
        return try record(order.names)
    }

    func image(_ name: ImageName) async throws -> ImageRecord { try await remove(name) ?? record() }

    func images(matching query: ImageQuery) async throws -> ImagePage {
        ImagePage(images: [try record()], next: .now())
    }

    func lineage(of name: ImageName?) async throws -> [ImageLineage] {
        let image = try await self.image(name ?? .id(.mint()))
        return [
            ImageLineage(
                id: image.id, kind: image.kind, names: image.names, parent: image.parent, sandbox: image.sandbox,
                createdAt: image.createdAt, bytes: image.bytes, layerCount: 1, hostHasChanged: true, depth: 1)
        ]
    }

    /// A file of each kind of change.
    func diff(_ before: ImageName, _ after: ImageName, _ query: TreeDiffQuery) async throws -> TreeDiff {
        _ = try await (image(before), image(after))
        let file = FileAttributes(kind: .file, size: 1, mode: 0o644, user: 0, group: 0, modifiedAt: .now())
        return TreeDiff(
            changes: [
                TreeChange(path: [0xff], kind: .added, after: file, text: query.showsText ? .binary : nil),
                TreeChange(
                    path: Array("m".utf8), kind: .modified, before: file, after: file,
                    text: query.showsText ? .unified("-a\n+b\n") : nil),
                TreeChange(path: Array("r".utf8), kind: .removed, before: file),
            ], next: query.limit == 3 ? Array("r".utf8) : nil)
    }

    func remove(_ name: ImageName) async throws -> ImageRecord? {
        guard case .reference(let reference) = name else { return nil }
        return try await pull(reference) { _ in }
    }

    func collect() async throws -> CollectedImages { CollectedImages(images: 1, layers: 2) }
}
