import ServiceSupport
import Testing

/// What differs between images, and what came of what; the checks are in `Programs/diffs.py`.
@Suite("Differences of images", .serialized)
struct DiffTests {
    @Test("two images differ where their trees do, whatever was done to get from one to the other", arguments: [1])
    func randomChanges(_ seed: Int) async throws { try await check("diffs", "random_changes", ["\(seed)"]) }

    @Test("what a sandbox has changed of the host's own image is told, and no more")
    func ofHost() async throws { try await check("diffs", "of_host") }

    @Test("patch makes the one text of the other")
    func texts() async throws { try await check("diffs", "texts") }

    @Test("images stand in trees below what they came of")
    func trees() async throws { try await check("diffs", "trees") }

    @Test("a chain of snapshots that gets too long becomes one layer, and shows what it showed", arguments: [1])
    func chains(_ seed: Int) async throws {
        try await check("diffs", "chains", ["\(seed)"], service: ["--snapshot-max-layers=4"])
    }

    @Test("what can't be compared is refused by field")
    func refusals() async throws { try await check("diffs", "refusals") }
}
