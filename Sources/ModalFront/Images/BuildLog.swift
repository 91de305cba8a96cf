import Foundation
import SandboxModel

/// What a build has said, for those who join it: the last mebibyte, in numbered entries.
package struct BuildLog: Sendable {
    private static let mostBytes = 1 << 20

    package struct Entry: Sendable {
        package let number: Int
        package let text: String
        let at: Timestamp
    }

    package private(set) var entries: [Entry] = []
    private var bytes = 0
    private var last = 0
    private var output = TextPieces(at: 0)

    package init() {}

    package mutating func add(_ text: String) {
        guard !text.isEmpty else { return }
        last += 1
        bytes += text.utf8.count
        entries.append(Entry(number: last, text: text, at: .now()))
        while bytes > Self.mostBytes, entries.count > 1 { bytes -= entries.removeFirst().text.utf8.count }
    }

    /// What a step wrote; a character that comes in two pieces is told whole.
    package mutating func add(_ bytes: [UInt8]) {
        if let text = output.take(Data(bytes)) { add(text) }
    }

    /// Those after the entry of that number.
    package func entries(after number: Int) -> ArraySlice<Entry> {
        entries[(entries.firstIndex { $0.number > number } ?? entries.endIndex)...]
    }
}
