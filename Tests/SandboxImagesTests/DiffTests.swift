import Foundation
import SandboxImages
import SandboxModel
import Testing

@Suite("Differences of texts, and trees of images")
struct DiffTests {
    @Test("a line that changes is shown with three lines on both sides, and two that lie apart make two hunks")
    func hunks() throws {
        let old = (1...33).map { "\($0)\n" }
        var new = old
        new[9] = "ten\n"
        new[32] = "end"
        let text = try #require(UnifiedDiff(old.joined(), new.joined()).text(old: "a/f", new: "b/f"))
        #expect(
            text == """
                --- a/f
                +++ b/f
                @@ -7,7 +7,7 @@
                 7
                 8
                 9
                -10
                +ten
                 11
                 12
                 13
                @@ -30,4 +30,4 @@
                 30
                 31
                 32
                -33
                +end
                \\ No newline at end of file

                """)
    }

    @Test("a text that begins or ends to be is one hunk, and the same text is none")
    func whole() {
        #expect(
            UnifiedDiff("", "a\n").text(old: "/dev/null", new: "b/f") == "--- /dev/null\n+++ b/f\n@@ -0,0 +1,1 @@\n+a\n"
        )
        #expect(
            UnifiedDiff("a", "").text(old: "a/f", new: "/dev/null") == """
                --- a/f
                +++ /dev/null
                @@ -1,1 +0,0 @@
                -a
                \\ No newline at end of file

                """)
        #expect(UnifiedDiff("a\nb", "a\nb").text(old: "x", new: "y") == "")
        #expect(UnifiedDiff("a", "b").text(old: "a\n+++ x", new: "y") == nil)
    }

    @Test("texts without a common line are compared in no time, however long")
    func long() throws {
        let (old, new) = ((0..<100_000).map { "o\($0)\n" }, (0..<100_000).map { "n\($0)\n" })
        let text = try #require(UnifiedDiff(old.joined(), new.joined()).text(old: "a", new: "b"))
        #expect(text.utf8.split(separator: 10).count == 200_003)
    }

    @Test("images stand below what they came of, in the order of their making; what is gone leaves tops")
    func trees() {
        let ids = (0..<6).map { ImageID(digest: Array(repeating: UInt8($0), count: 32)) }
        func image(_ number: Int, of parent: Int?) -> ImageLineage {
            ImageLineage(
                id: ids[number], kind: .snapshot, names: [], parent: parent.map { ids[$0] }, sandbox: nil,
                createdAt: Timestamp(microseconds: Int64(number)), bytes: 0, layerCount: 1)
        }
        // 5 isn't among them.
        let all = [image(4, of: 5), image(3, of: 1), image(2, of: 0), image(1, of: 0), image(0, of: nil)]
        let ordered = all.inTrees()
        #expect(ordered.map(\.id) == [0, 1, 3, 2, 4].map { ids[$0] })
        #expect(ordered.map(\.depth) == [0, 1, 2, 1, 0])
        #expect(ordered.map(\.parent) == [nil, ids[0], ids[1], ids[0], nil])
        #expect(all.inTrees(from: ids[1]).map(\.depth) == [0, 1])
        // One that was removed, and made again of what had come of it.
        let circle = [image(0, of: 1), image(1, of: 0), image(2, of: 1)]
        #expect(circle.inTrees().map(\.id) == [0, 1, 2].map { ids[$0] })
        #expect(circle.inTrees(from: ids[1]).map(\.id) == [1, 0, 2].map { ids[$0] })
    }

    @Test("an image that was built on the host's own says so once that has changed")
    func changedHost() async throws {
        try await withLayout { _, directory in
            let world = try StoreWorld(in: directory)
            let image = try await world.store.build(BuildOrder(dockerfile: "FROM host\nRUN echo a > a")) { _ in }
            #expect(try await world.store.image(.id(image.id)).hostHasChanged == false)
            world.machine.with { $0.hostPrint = "two" }
            #expect(try await world.store.image(.id(image.id)).hostHasChanged == true)
            #expect(try await world.store.lineage(of: nil).map(\.hostHasChanged) == [true])
            #expect(try await world.store.withImage(.id(image.id)) { $0.hostHasChanged })
        }
    }
}
