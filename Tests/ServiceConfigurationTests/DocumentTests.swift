import Foundation
import ServiceConfiguration
import Testing

/// What is written about the options, and the table.
struct DocumentTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private func text(_ path: String) throws -> String {
        try String(contentsOf: Self.root.appending(path: path), encoding: .utf8)
    }

    @Test("docs/CONFIGURATION.md lists every option as the table has it")
    func reference() throws {
        let document = try text("docs/CONFIGURATION.md")
        let tables = try #require(document.range(of: "## \(OptionTable.groups[0].title)"))
        #expect(document[tables.lowerBound...] == OptionTable.markdown + "\n")
    }

    @Test("README's options are options, and have the defaults that it says")
    func readme() throws {
        let lines = try text("README.md").split(separator: "\n").filter { $0.hasPrefix("| `--") }
        #expect(Set(lines).count == lines.count)
        for group in OptionTable.groups {
            #expect(
                group.options.contains { option in lines.contains { $0.contains("`\(option.flag)`") } },
                "README has no option of \(group.title)")
        }
        for line in lines {
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            let named = cells[0].split(separator: ", ").map { $0.trimmingCharacters(in: ["`"]) }
            let options = named.map { flag in OptionTable.all.first { $0.flag == flag } }
            #expect(!options.contains { $0 == nil }, "\(line)")
            let defaults = options.compactMap { $0?.defaultText }.joined(separator: ", ")
            #expect(cells[1].replacing("`", with: "") == defaults, "\(line)")
        }
    }

    @Test("names, flags and variables are each an option's alone, and none is called as the file's flag")
    func names() {
        #expect(Set(OptionTable.all.map(\.name)).count == OptionTable.all.count)
        for option in OptionTable.all {
            #expect(option.name.allSatisfy { $0.isASCII && ($0.isLowercase || $0.isNumber || $0 == "_") })
            #expect(option.name != "config" && option.name != "help" && option.name != "json")
            #expect(option.help.hasSuffix("."), "\(option.name)")
            #expect(!option.defaultText.isEmpty, "\(option.name)")
        }
    }
}
