import SandboxModel
import Testing

@Suite("Names and ids")
struct NameTests {
    @Test(
        "a name of allowed characters is kept as it is",
        arguments: ["a", "web-1", "A.b_c-9", String(repeating: "x", count: 63)])
    func acceptsNames(_ text: String) throws {
        #expect(try SandboxName(text).text == text)
    }

    @Test(
        "a name with anything else is refused by field and rule",
        arguments: ["", ".hidden", "a/b", "a b", "é", "a\u{0}", String(repeating: "x", count: 64)])
    func refusesNames(_ text: String) {
        let error = #expect(throws: CordonError.self) { try SandboxName(text) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.field == "name")
        #expect(error?.rule != nil)
    }

    @Test("a minted id carries its node and reads back")
    func mintsIDs() throws {
        let node = NodeName.mint()
        let id = SandboxID.mint(lead: node.text)
        #expect(id.node == node)
        #expect(SandboxID(id.text) == id)
        #expect(SandboxID(id.text + "x") == nil)
        #expect(SandboxID("sb-../../etc/passwd0000000000") == nil)
    }

    @Test("variables that start with CORDON_ are refused, and no error holds a value")
    func refusesReservedVariables() {
        let error = #expect(throws: CordonError.self) { try Environment(["CORDON_TOKEN": "hunter2"]) }
        #expect(error?.field == "env.CORDON_TOKEN")
        #expect(error.map { "\($0)".contains("hunter2") } == false)
    }

    @Test("argv over 128 KiB or with a NUL byte is refused")
    func boundsArguments() {
        #expect(throws: CordonError.self) { try CommandSpec(argv: ["x", String(repeating: "a", count: 128 * 1024)]) }
        #expect(throws: CordonError.self) { try CommandSpec(argv: ["x", "a\u{0}b"]) }
        #expect(throws: CordonError.self) { try CommandSpec(argv: []) }
    }
}
