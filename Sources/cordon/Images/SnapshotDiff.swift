import ArgumentParser
import CordonAPI
import CordonClient
import Foundation

/// `cordon snapshot diff`.
struct SnapshotDiff: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "Shows what differs between two images.",
        discussion: """
            A path on each line, behind A (added), M (modified) or D (removed). `host` is what a sandbox without an \
            image starts from. Ends with 1 when something differs, as diff(1) does.
            """)

    @OptionGroup var service: ServiceOptions
    @Flag(help: "The lines that differ in text files, as diff -u writes them.") var unified = false
    @Option(help: ArgumentHelp("Only this path and what lies below it.", valueName: "path")) var path: String?
    @Flag(help: "As JSON, one change on a line.") var json = false
    @Argument(help: "The image before.") var before: String
    @Argument(help: "The image after.") var after: String

    func run() async throws {
        let client = try service.client()
        var cursor: String?
        var count = 0
        repeat {
            let asked = cursor
            let page = try await reporting {
                try await client.imageDiff(before, after, path: path, unified: unified, after: asked)
            }
            for change in page.changes { try show(change) }
            count += page.changes.count
            cursor = page.nextCursor
        } while cursor != nil
        if count > 0 { throw ExitCode.failure }
    }

    private func show(_ change: ImageChange) throws {
        if json { return try printJSON(change) }
        if unified, let text = change.unified, !text.isEmpty {
            return FileHandle.standardOutput.write(Data(text.utf8))
        }
        print(change.line)
    }
}

extension ImageChange {
    /// What it is in one line; control characters of its name are escaped.
    var line: String {
        let letter = ["added": "A", "modified": "M", "removed": "D"][kind] ?? "?"
        let name = path.unicodeScalars.map {
            $0.value < 0x20 || $0.value == 0x7f ? $0.escaped(asASCII: true) : String($0)
        }
        let why = unifiedOmitted.map { " (\($0 == "binary" ? "binary" : "too large to compare"))" } ?? ""
        return "\(letter) \(name.joined())\(why)"
    }
}
