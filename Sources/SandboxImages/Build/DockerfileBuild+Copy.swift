import SandboxModel

extension DockerfileBuild {
    /// Where to copy to, and with which owner and permissions.
    private struct Destination {
        let path: String
        /// As said: a name or number, perhaps with a group.
        let owner: String?
        let mode: UInt32?
        /// Whether it is a directory whatever is there.
        let isDirectory: Bool
    }

    func copy(
        _ copy: CopyInstruction, _ instruction: Instruction, of index: Int, on stage: inout BuildStage
    ) async throws {
        guard let from = copy.from else {
            guard context != nil || copy.sources.isEmpty else {
                throw fault(instruction, "there is no build context to copy from")
            }
            return try await self.copy(copy, from: context, instruction, on: &stage)
        }
        let root: RootImage
        if let earlier = file.stage(from, before: index) {
            root = try await build(earlier).root
        } else {
            root = try await image(try stage.expansion().expand(from))?.root ?? .host
        }
        var changed = stage
        try await store.builders.scratch(on: root) { sandbox in
            try await self.copy(
                copy, from: CopySource(host: store.builders.host, imageIn: sandbox), instruction, on: &changed)
        }
        stage = changed
    }

    private func copy(
        _ copy: CopyInstruction, from source: CopySource?, _ instruction: Instruction, on stage: inout BuildStage
    ) async throws {
        let words = stage.expansion()
        var items: [CopySource.Item] = []
        for text in copy.sources { items += try await source?.items(try words.expand(text)) ?? [] }
        let texts = try copy.heredocs.map { ($0.name, $0.expands ? try words.expandVariables($0.content) : $0.content) }
        let place = try words.expand(copy.destination)
        let owner = try copy.owner.map { try words.expand($0) }
        var parts = ["COPY", stage.absolute(place), owner ?? "", copy.mode.map { "\($0)" } ?? ""]
        for item in items {
            guard let digest = try await source?.digest(of: item) else { continue }
            parts += [item.kind == .directory ? "directory" : item.name, digest.description]
        }
        for (name, text) in texts { parts += ["text", name, text] }
        if copy.unpacksArchives { parts.append("unpacking") }
        let destination = Destination(
            path: stage.absolute(place), owner: owner, mode: copy.mode,
            isDirectory: place.hasSuffix("/") || place == "." || items.count + texts.count > 1)
        let found = items
        try await addLayer(instruction, parts, to: &stage) { sandbox in
            let session = try await store.builders.host.openFiles(in: sandbox, as: nil)
            defer { session.close() }
            let target = CopyTarget(session: session, limits: store.limits)
            let owner = try await target.owner(destination.owner) ?? source?.owner
            for item in found {
                guard let source else { continue }
                try await put(item, of: source, to: destination, owner, target, unpacks: copy.unpacksArchives)
            }
            for (name, text) in texts {
                let path = try await target.path(
                    of: name, in: destination.path, isDirectory: destination.isDirectory)
                try await target.write(text, to: path, mode: destination.mode, isOwned: destination.owner != nil)
            }
        }
    }

    private func put(
        _ item: CopySource.Item, of source: CopySource, to destination: Destination, _ owner: FileOwner?,
        _ target: CopyTarget, unpacks: Bool
    ) async throws {
        guard item.kind != .directory else {
            return try await source.archive(of: item, as: "") { next in
                try await target.unpack(
                    at: destination.path, .none, owner: owner, mode: destination.mode, next: next)
            }
        }
        if unpacks, let compression = try CopyTarget.compression(ofArchive: item.name) {
            return try await source.content(of: item) { next in
                try await target.unpack(at: destination.path, compression, owner: nil, mode: nil, next: next)
            }
        }
        let path = try await target.path(
            of: item.name, in: destination.path, isDirectory: destination.isDirectory)
        let parts = path.text.pathNames
        guard let name = parts.last else { throw CopyFault(message: "\(path): that is no file's path") }
        try await source.archive(of: item, as: name) { next in
            try await target.unpack(
                at: "/" + parts.dropLast().joined(separator: "/"), .none, owner: owner, mode: destination.mode,
                next: next)
        }
    }
}
