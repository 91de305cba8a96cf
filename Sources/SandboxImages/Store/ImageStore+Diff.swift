import SandboxModel

extension ImageStore {
    public func diff(_ before: ImageName, _ after: ImageName, _ query: TreeDiffQuery) async throws -> TreeDiff {
        try await during("comparing images") {
            try await withImage(before) { before in
                try await withImage(after) { after in
                    try await self.diff(before.root, after.root, query)
                }
            }
        }
    }

    private func diff(_ before: RootImage, _ after: RootImage, _ query: TreeDiffQuery) async throws -> TreeDiff {
        guard before.base == after.base else {
            throw CordonError(
                .failedPrecondition, "one of the images lies on the host's own /usr and the other doesn't",
                rule: "both, or neither")
        }
        guard before != after else { return TreeDiff() }
        let shared = zip(before.layers, after.layers).prefix { $0 == $1 }.count
        let layers = before.layers.dropFirst(shared) + after.layers.dropFirst(shared)
        return try await comparisons.hold {
            let touched = TouchedNames(below: query.path)
            for layer in layers { try await builders.layers.touched(in: .layer(layer)) { try touched.add($0) } }
            return try await builders.scratch(on: before) { old in
                try await builders.scratch(on: after) { new in
                    try await compare(old, new, touched, query)
                }
            }
        }
    }

    public func changes(
        of sandbox: SandboxID, _ spec: SandboxSpec, _ query: TreeDiffQuery
    ) async throws -> TreeDiff {
        try await during("finding what a sandbox has changed") {
            let pinned = try await pins.pin(spec.root.layers)
            defer { withExtendedLifetime(pinned) {} }
            return try await comparisons.hold {
                let touched = TouchedNames(below: query.path)
                try await builders.layers.touched(in: .sandbox(sandbox)) { try touched.add($0) }
                guard !touched.root.children.isEmpty else { return TreeDiff() }
                return try await builders.scratch(on: spec.root) { old in
                    try await compare(old, sandbox, touched, query)
                }
            }
        }
    }

    /// Compares where something was touched: each side in a sandbox that shows it.
    private func compare(
        _ before: SandboxID, _ after: SandboxID, _ touched: TouchedNames, _ query: TreeDiffQuery
    ) async throws -> TreeDiff {
        let old = try await builders.host.openFiles(in: before, as: nil)
        defer { old.close() }
        let new = try await builders.host.openFiles(in: after, as: nil)
        defer { new.close() }
        var comparison = TreeComparison(before: old, after: new, query: query)
        return try await comparison.run(touched.root)
    }
}
