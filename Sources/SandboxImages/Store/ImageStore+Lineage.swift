import SandboxModel

extension ImageStore {
    public func lineage(of name: ImageName?) async throws -> [ImageLineage] {
        let top = try await name.asyncMap { try await image($0).id }
        return try await during("finding what came of what") {
            let all = try await records.lineages(upTo: ImageLineage.mostImages + 1)
            guard all.count <= ImageLineage.mostImages else {
                throw CordonError(
                    .resourceExhausted, "there are more than \(ImageLineage.mostImages) images", field: "tree",
                    rule: "a list, page by page")
            }
            let print = all.contains { $0.hostPrint != nil } ? await hostPrint() : nil
            return all.inTrees(from: top).map { image in
                var image = image
                image.hostHasChanged = Self.hasChanged(image.hostPrint, now: print)
                return image
            }
        }
    }

    /// Says whether the host's `/usr` has changed since they were made on it.
    func observed(_ images: [ImageRecord]) async -> [ImageRecord] {
        guard images.contains(where: { $0.hostPrint != nil }) else { return images }
        let print = await hostPrint()
        return images.map { image in
            var image = image
            image.hostHasChanged = Self.hasChanged(image.hostPrint, now: print)
            return image
        }
    }

    private static func hasChanged(_ known: String?, now: String?) -> Bool? {
        guard let known, let now else { return nil }
        return known != now
    }

    /// nil where the machine's side can't be asked: what is said of images doesn't depend on it.
    private func hostPrint() async -> String? {
        do { return try await builders.layers.hostPrint() } catch {
            logger.warning("the host's state isn't known", metadata: ["error": "\(error)"])
            return nil
        }
    }
}

extension Optional {
    fileprivate func asyncMap<Other>(_ transform: (Wrapped) async throws -> Other) async rethrows -> Other? {
        guard let self else { return nil }
        return try await transform(self)
    }
}
