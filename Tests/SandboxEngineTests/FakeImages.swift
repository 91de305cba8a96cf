import SandboxModel

/// Every sandbox's snapshot is an image that is named by its key, and every image the host's.
struct FakeImages: ImageSource {
    func snapshot(
        of sandbox: SandboxID, _ spec: SandboxSpec, _ order: SnapshotOrder
    ) async throws -> ImageRecord {
        let seed = Array((order.key ?? SandboxID.mint().text).utf8).reduce(into: [UInt8](repeating: 0, count: 32)) {
            $0[Int($1) % 32] &+= $1
        }
        return ImageRecord(id: ImageID(digest: seed), kind: .snapshot, root: .host, sandbox: sandbox, createdAt: .now())
    }

    func changes(of sandbox: SandboxID, _ spec: SandboxSpec, _ query: TreeDiffQuery) async throws -> TreeDiff {
        TreeDiff(changes: [TreeChange(path: Array(sandbox.text.utf8), kind: .added)])
    }

    func mount(_ order: MountOrder, in sandbox: SandboxID) async throws {}
    func unmount(_ path: FilePath, in sandbox: SandboxID) async throws {}

    func withImage<Value: Sendable>(
        _ name: ImageName, _ use: (UsableImage) async throws -> Value
    ) async throws -> Value {
        switch name {
        case .host: return try await use(.host)
        case .id(let id): return try await use(UsableImage(id: id, root: .host, config: .none))
        case .reference: throw CordonError.noImage(name)
        }
    }
}
