import ServiceSupport
import Testing

/// Snapshots through REST and the command line; the checks are in `Programs/snapshots.py`.
@Suite("Snapshots", .serialized)
struct SnapshotTests {
    @Test("what a sandbox has changed is an image, from which others start, each going its own way")
    func filesystem() async throws { try await check("snapshots", "filesystem") }

    @Test("a directory is kept and mounted into other sandboxes, writable for each alone or for nobody")
    func directory() async throws { try await check("snapshots", "directory") }

    @Test("random trees of every kind of file come back as they were", arguments: [1, 2])
    func randomTrees(_ seed: Int) async throws { try await check("snapshots", "random_trees", ["\(seed)"]) }

    @Test("a client's own id gives one image, whatever is killed in between")
    func ownIDs() async throws { try await check("snapshots", "own_ids") }

    @Test("what can't be is refused by field")
    func refusals() async throws { try await check("snapshots", "refusals") }

    @Test("directories 2,000 deep are kept, and deeper ones refused")
    func deep() async throws { try await check("snapshots", "deep") }

    @Test("nobody else on the host can read or run what a sandbox left in a layer")
    func closedToOthers() async throws { try await check("snapshots", "closed_to_others") }
}
