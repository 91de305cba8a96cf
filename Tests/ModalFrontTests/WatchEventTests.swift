import Foundation
import ModalFront
import SandboxModel
import Testing

@Suite struct WatchEventTests {
    private let moves: [FileChange] = [
        FileChange(.renamed, path: Array("a".utf8), newPath: Array("b".utf8)),
        FileChange(.movedIn, path: Array("in".utf8)),
        FileChange(.movedOut, path: Array("out".utf8)),
    ]

    @Test("moves have names of their own for the file program's clients, and none for those of old")
    func names() throws {
        let root = try FilePath("/w")
        let lines = moves.map { WatchEvent($0, below: root, .lines) }
        #expect(lines.map(\.eventType) == ["Rename", "RenameTo", "RenameFrom"])
        #expect(lines.map(\.paths) == [["/w/a", "/w/b"], ["/w/in"], ["/w/out"]])
        #expect(moves.map { WatchEvent($0, below: root, .blocks).eventType } == ["Modify", "Modify", "Modify"])
    }

    @Test("an event is one document of JSON, and its form's end")
    func bytes() throws {
        let change = FileChange(.created, path: Array("a\nb".utf8))
        for (form, end) in [(WatchForm.lines, "\n"), (.blocks, "\n\n")] {
            let text = String(decoding: WatchEvent(change, below: .root, form).bytes, as: UTF8.self)
            #expect(text.hasSuffix(end))
            #expect(!text.dropLast(end.count).contains("\n"))
            let event = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
            #expect(event?["event_type"] as? String == "Create")
            #expect(event?["paths"] as? [String] == ["/a\nb"])
        }
    }
}
