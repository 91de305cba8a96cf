import SandboxModel
import Testing

@Suite("Terminals")
struct TerminalTests {
    @Test("the default is 24 rows of 80 columns and xterm-256color")
    func standard() throws {
        #expect(try TerminalSpec() == .standard)
        #expect(TerminalSpec.standard.size == (try TerminalSize(rows: 24, columns: 80)))
        #expect(TerminalSpec.standard.term == "xterm-256color")
    }

    @Test(
        "a side that is no 16-bit number from 1 on is refused by field, value and rule",
        arguments: [(0, 1, "rows"), (1, 0, "cols"), (-1, 1, "rows"), (1, 65_536, "cols")])
    func refusesSizes(_ rows: Int, _ columns: Int, _ field: String) {
        let error = #expect(throws: CordonError.self) { try TerminalSize(rows: rows, columns: columns) }
        #expect(error?.field == field)
        #expect(error?.value == "\(field == "rows" ? rows : columns)")
        #expect(error?.rule == "a whole number from 1 to 65535")
        let nested = #expect(throws: CordonError.self) { try TerminalSize(rows: rows, columns: columns, field: "pty") }
        #expect(nested?.field == "pty." + field)
    }

    @Test("a TERM that isn't a terminal type's name is refused", arguments: ["", "a b", "a=b", "é", "../x\u{0}"])
    func refusesTerms(_ term: String) {
        let error = #expect(throws: CordonError.self) { try TerminalSpec(term: term) }
        #expect(error?.field == "pty.term")
        #expect(error?.rule != nil)
    }
}
