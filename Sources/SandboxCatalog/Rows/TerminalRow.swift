import SandboxModel

/// A terminal's spec as JSON on disk, under the same promise as `SandboxSpecRow`.
struct TerminalRow: Codable {
    var rows: Int
    var columns: Int
    var term: String

    init(_ terminal: TerminalSpec) {
        rows = terminal.size.rows
        columns = terminal.size.columns
        term = terminal.term
    }

    func terminal() throws -> TerminalSpec {
        try TerminalSpec(size: try TerminalSize(rows: rows, columns: columns), term: term)
    }
}
