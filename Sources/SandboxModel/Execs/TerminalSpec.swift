/// A terminal's size in characters.
public struct TerminalSize: Sendable, Hashable {
    /// What a terminal's two numbers can hold (`struct winsize`), and a program can divide by.
    public static let range = 1...65_535
    public let rows: Int
    public let columns: Int

    /// 24 rows of 80 columns.
    public static let standard = TerminalSize(uncheckedRows: 24, columns: 80)

    private init(uncheckedRows rows: Int, columns: Int) {
        self.rows = rows
        self.columns = columns
    }

    /// Throws `invalidArgument` for `rows` or `cols`, behind the path of `field` if there is one,
    /// unless both are 1–65,535.
    public init(rows: Int, columns: Int, field: String = "") throws(CordonError) {
        for (name, value) in [("rows", rows), ("cols", columns)] where !Self.range.contains(value) {
            throw .invalid(
                field: field.isEmpty ? name : "\(field).\(name)", value: "\(value)",
                rule: "a whole number from \(Self.range.lowerBound) to \(Self.range.upperBound)")
        }
        self.init(uncheckedRows: rows, columns: columns)
    }
}

/// The terminal that a command asks for.
public struct TerminalSpec: Sendable, Hashable {
    public static let standardTerm = "xterm-256color"
    /// The size at the start; a resize doesn't change it.
    public let size: TerminalSize
    /// What `TERM` is unless the command's own environment sets it.
    public let term: String

    /// 24×80, `xterm-256color`.
    public static let standard = TerminalSpec(uncheckedTerm: standardTerm, size: .standard)

    private init(uncheckedTerm term: String, size: TerminalSize) {
        self.size = size
        self.term = term
    }

    /// Throws `invalidArgument` for `<field>.term` unless it is 1–64 characters of `[A-Za-z0-9._+-]`.
    public init(
        size: TerminalSize = .standard, term: String = TerminalSpec.standardTerm, field: String = "pty"
    ) throws(CordonError) {
        guard (1...64).contains(term.utf8.count),
            term.utf8.allSatisfy({ NameRules.isNameByte($0) || $0 == UInt8(ascii: "+") })
        else {
            throw .invalid(field: "\(field).term", value: term, rule: "1–64 characters of [A-Za-z0-9._+-]")
        }
        self.init(uncheckedTerm: term, size: size)
    }
}
