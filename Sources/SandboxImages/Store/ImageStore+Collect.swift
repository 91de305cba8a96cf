import SandboxModel

extension ImageStore {
    public func remove(_ name: ImageName) async throws -> ImageRecord? {
        try await during("removing an image") {
            switch name {
            case .host:
                throw CordonError(
                    .failedPrecondition, "the host's image can't be removed", field: "image", value: "host")
            case .id(let id):
                guard try await records.remove(id) else { throw CordonError.noImage(name) }
                return nil
            case .reference(let reference): return try await records.remove(name: reference)
            }
        }
    }

    public func collect() async throws -> CollectedImages {
        try await during("collecting images") { try await collecting.hold { try await collectNow() } }
    }

    private func collectNow() async throws -> CollectedImages {
        var collected = CollectedImages()
        for id in try await records.expired(at: .now()) where try await records.remove(id) { collected.images += 1 }
        // Whatever is there and on no record is either pinned by work under way, or nobody's.
        let candidates = pins.condemn(try await builders.layers.layers())
        defer { pins.absolve(candidates) }
        let needed = try await neededLayers()
        let unneeded = candidates.filter { !needed.contains($0) }
        // A layer that isn't on record any more is made anew; one that is on record must be there.
        try await records.forget(unneeded)
        let kept = try await builders.layers.remove(unneeded)
        collected.layers = unneeded.count - kept.count
        collected.layersInUse = kept.count
        collected.downloads = try blobs.collect() + contexts.collect(at: .now())
        return collected
    }
}
