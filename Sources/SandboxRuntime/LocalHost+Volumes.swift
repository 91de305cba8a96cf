import SandboxModel
import ShimProtocol

extension LocalHost: VolumeHost {
    public func commit(_ order: VolumeCommitOrder) async throws -> LayerFacts? {
        try await launcher.ask(CommitVolume(order), for: VolumeCommitted.self).facts
    }

    public func reload(
        _ path: FilePath, in id: SandboxID, published: LayerName?, to layers: [LayerName]
    ) async throws -> Bool {
        try await launcher.ask(
            ReloadVolume(id: id, path: path, published: published, layers: layers), for: VolumeReloaded.self
        ).isDone
    }

    public func leftWrites() async throws -> [LeftWrites] {
        try await launcher.ask(ListLeftWrites(), for: LeftWritesList.self).items
    }

    public func release(_ left: LeftWrites) async throws {
        _ = try await launcher.ask(ReleaseWrites(left), for: Done.self)
    }

    public func merge(_ layers: [LayerName], as layer: LayerName) async throws -> LayerFacts {
        try await launcher.ask(MergeLayers(layers, as: layer), for: LayerMade.self).facts
    }
}
