import SandboxModel

extension ImageStore {
    /// Removes images that a loss of power has taken something of: snapshots that were made just before. Called once,
    /// before the first request; it may be called again.
    public func recover() async throws {
        try await during("looking for lost images") {
            let lost = try await builders.layers.lostLayers()
            guard !lost.isEmpty else { return }
            for image in try await records.images(standingOn: lost) where try await records.remove(image.id) {
                logger.error(
                    "an image is lost: the machine stopped before all of it was on disk",
                    metadata: [
                        "image": "\(image.id)", "names": "\(image.names.joined(separator: " "))",
                        "sandbox": "\(image.sandbox.map(\.text) ?? "")",
                    ])
            }
            try await records.forget(lost)
            // Only now: until then they are told of again.
            _ = try await builders.layers.remove(lost)
        }
    }
}
