import SandboxModel
import Testing

/// A combining mark (U+0301) behind a slash or a dot makes another character of it, and the same bytes for the kernel.
struct PathTests {
    @Test(
        "paths are divided at every slash",
        arguments: [
            ("/a//b/", ["a", "b"], ["", "a", "", "b", ""]), ("", [], [""]), ("/", [], ["", ""]),
            ("/a/\u{301}b", ["a", "\u{301}b"], ["", "a", "\u{301}b"]),
            ("a/../\u{301}b", ["a", "..", "\u{301}b"], ["a", "..", "\u{301}b"]),
        ])
    func divided(path: String, names: [String], components: [String]) {
        #expect(path.pathNames.map { Array($0.utf8) } == names.map { Array($0.utf8) })
        #expect(path.pathComponents.map { Array($0.utf8) } == components.map { Array($0.utf8) })
    }

    @Test(
        "a path that leads up is refused in every spelling",
        arguments: ["../x", "a/../x", "../\u{301}x", "a/../\u{301}x"])
    func leadingUp(path: String) {
        #expect(throws: CordonError.self) { try VolumePath(path) }
        #expect(throws: CordonError.self) { try KeyPrefix(path) }
        #expect(throws: CordonError.self) { try FilePath(path, below: "/tmp", field: "path") }
        #expect((try? FilePath("/" + path))?.isPlain == false)
    }

    @Test("a path that begins with a slash is absolute, whatever comes then")
    func absolute() throws {
        #expect(try FilePath("/\u{301}x").text.isAbsolutePath)
        #expect(!"\u{301}/x".isAbsolutePath)
        #expect(throws: CordonError.self) { try FilePath("x/\u{301}") }
    }
}
