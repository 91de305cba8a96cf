import FoundationEssentials
import SandboxModel

/// How a watch is told.
package enum WatchForm: Sendable {
    /// To the file program's clients: a line each, in which moves have names of their own.
    case lines
    /// To clients of old: an empty line after each, and of moves no more than that something changed.
    case blocks

    fileprivate var end: String { self == .lines ? "\n" : "\n\n" }
}

/// What a watch has seen.
package struct WatchEvent: Encodable {
    package var eventType: String
    package var paths: [String]
    private let end: String

    private enum CodingKeys: CodingKey { case eventType, paths }

    package init(_ change: FileChange, below root: FilePath, _ form: WatchForm) {
        eventType =
            switch change.kind {
            case .created: "Create"
            case .modified: "Modify"
            case .removed: "Remove"
            case .renamed: form == .lines ? "Rename" : "Modify"
            case .movedIn: form == .lines ? "RenameTo" : "Modify"
            case .movedOut: form == .lines ? "RenameFrom" : "Modify"
            case .overflow: "Unknown"
            }
        paths = [change.path, change.newPath].compactMap { $0 }.map { Self.whole($0, root) }
        end = form.end
    }

    private static func whole(_ path: [UInt8], _ root: FilePath) -> String {
        let text = String(decoding: path, as: UTF8.self)
        guard !text.isEmpty else { return root.text }
        return root.text.hasSuffix("/") ? root.text + text : "\(root.text)/\(text)"
    }

    package var bytes: Data { ((try? FileJSON.encoder.encode(self)) ?? Data()) + Data(end.utf8) }
}
