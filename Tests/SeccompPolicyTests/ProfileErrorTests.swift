import SeccompPolicy
import Testing

@Suite("A wrong profile")
struct ProfileErrorTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var text: String
        var position: String
        var message: String

        var testDescription: String { message }

        init(_ position: String, _ message: String, _ text: String) {
            (self.position, self.message, self.text) = (position, message, text)
        }

        /// One rule on line 3 of an otherwise right profile.
        static func rule(_ position: String, _ message: String, _ rule: String) -> Case {
            Case(position, message, "{\"defaultAction\": \"SCMP_ACT_ERRNO\",\n \"syscalls\": [\n\(rule)\n]}")
        }
    }

    static let documents: [Case] = [
        Case("1:1", "text is empty", ""),
        Case("1:1", "must be an object, not an array", "[]"),
        Case("1:1", "no \"defaultAction\"", "{}"),
        Case("1:19", "\"SCMP_ACT_PERMIT\"", #"{"defaultAction": "SCMP_ACT_PERMIT"}"#),
        Case("1:19", "must be a string, not 7", #"{"defaultAction": 7}"#),
        Case("2:2", "unknown key \"flags\"", "{\"defaultAction\": \"SCMP_ACT_ALLOW\",\n \"flags\": []}"),
        Case(
            "2:21", "from 0 to 4095, not 4096", "{\"defaultAction\": \"SCMP_ACT_ERRNO\",\n \"defaultErrnoRet\": 4096}"),
        Case("2:21", "only with SCMP_ACT_ERRNO", "{\"defaultAction\": \"SCMP_ACT_ALLOW\",\n \"defaultErrnoRet\": 1}"),
        Case(
            "2:2", "same key twice: \"defaultAction\"",
            "\n{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"defaultAction\": \"SCMP_ACT_LOG\"}"),
        Case(
            "1:54", "doesn't list this host's",
            #"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_S390X"]}"#),
        Case("1:55", "unknown architecture \"VAX\"", #"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["VAX"]}"#),
        Case("1:49", "must be an array, not an object", #"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": {}}"#),
        Case("1:1", "not JSON", "defaultAction: SCMP_ACT_ALLOW"),
        Case("1:2", "\"'defaultAction'\"", "{'defaultAction': \"SCMP_ACT_ALLOW\"}"),
        Case("2:1", "\"#\"", "{\"defaultAction\": \"SCMP_ACT_ALLOW\"}\n# why"),
        Case("1:19", "\"&a\"", #"{"defaultAction": &a "SCMP_ACT_ALLOW"}"#),
        Case("1:35", "comma before \"}\"", #"{"defaultAction": "SCMP_ACT_ALLOW",}"#),
        Case("1:19", "string without an end", #"{"defaultAction": "SCMP_ACT_ALLOW}"#),
        Case("1:21", "unknown escape", #"{"defaultAction": "\x41"}"#),
        Case("1:17", "nested deeper", String(repeating: "[", count: 100)),
        Case("1:36", "not JSON", #"{"defaultAction": "SCMP_ACT_ALLOW" "syscalls": []}"#),
        Case("1:1", "\"{\" without its end", #"{"defaultAction": "SCMP_ACT_ALLOW""#),
        Case("1:35", "\"]\" without its beginning", #"{"defaultAction": "SCMP_ACT_ALLOW"]"#),
        Case("1:37", "not JSON", #"{"defaultAction": "SCMP_ACT_ALLOW"} {}"#),
    ]

    static let rules: [Case] = [
        .rule("3:1", "must have \"names\" and \"action\"", #"{"names": ["read"]}"#),
        .rule("3:1", "must be an object, not the string", #""read""#),
        .rule("3:12", "unknown syscall \"opne\"", #"{"names": ["opne"], "action": "SCMP_ACT_ALLOW"}"#),
        .rule(
            "3:20", "syscalls[0].names[1] must be a string, not 0",
            #"{"names": ["open", 0], "action": "SCMP_ACT_ALLOW"}"#),
        .rule("3:11", "at least one", #"{"names": [], "action": "SCMP_ACT_ALLOW"}"#),
        .rule("3:31", "unknown action \"ALLOW\"", #"{"names": ["read"], "action": "ALLOW"}"#),
        .rule("3:31", "unknown action \"SCMP_ACT_NOTIFY\"", #"{"names": ["read"], "action": "SCMP_ACT_NOTIFY"}"#),
        .rule("3:61", "only with SCMP_ACT_ERRNO", #"{"names": ["read"], "action": "SCMP_ACT_ALLOW", "errnoRet": 1}"#),
        .rule(
            "3:61", "not the string \"EPERM\"", #"{"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": "EPERM"}"#
        ),
        .rule("3:49", "unknown key \"arg\"", #"{"names": ["read"], "action": "SCMP_ACT_ALLOW", "arg": []}"#),
        .rule(
            "3:60", "must be a string, not true", #"{"names": ["read"], "action": "SCMP_ACT_ALLOW", "comment": true}"#),
        .rule("4:11", "from 0 to 5, not 6", argument(#"{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}"#)),
        .rule("4:23", "not -1", argument(#"{"index": 0, "value": -1, "op": "SCMP_CMP_EQ"}"#)),
        .rule("4:23", "not 1.5", argument(#"{"index": 0, "value": 1.5, "op": "SCMP_CMP_EQ"}"#)),
        .rule(
            "4:23", "not 18446744073709551616",
            argument(#"{"index": 0, "value": 18446744073709551616, "op": "SCMP_CMP_EQ"}"#)),
        .rule("4:32", "unknown comparison \"EQ\"", argument(#"{"index": 0, "value": 0, "op": "EQ"}"#)),
        .rule("4:1", "must have \"index\", \"value\" and \"op\"", argument(#"{"index": 0, "value": 0}"#)),
        .rule(
            "4:38", "only with SCMP_CMP_MASKED_EQ",
            argument(#"{"index": 0, "value": 0, "valueTwo": 1, "op": "SCMP_CMP_EQ"}"#)),
        .rule(
            "4:1", "can never hold", argument(#"{"index": 0, "value": 1, "valueTwo": 2, "op": "SCMP_CMP_MASKED_EQ"}"#)),
        .rule(
            "4:47", "argument 0 a second time",
            argument(
                #"{"index": 0, "value": 0, "op": "SCMP_CMP_GE"},{"index": 0, "value": 9, "op": "SCMP_CMP_LT"}"#)),
        .rule(
            "3:73", "unknown architecture \"x86_64\"",
            #"{"names": ["read"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["x86_64"]}}"#),
        .rule(
            "3:71", "unknown capability \"SYS_ADMIN\"",
            #"{"names": ["read"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["SYS_ADMIN"]}}"#),
        .rule(
            "3:75", "no kernel version",
            #"{"names": ["read"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "new"}}"#),
        .rule(
            "4:12", "but line 3 already decides",
            """
            {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["read"], "action": "SCMP_ACT_ERRNO"}
            """),
        .rule(
            "4:12", "but line 3 already decides",
            """
            {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 0, "op": "SCMP_CMP_EQ"}]}
            """),
        .rule(
            "4:12", "same args but different actions",
            """
            {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 0, "op": "SCMP_CMP_EQ"}]},
            {"names": ["read"], "action": "SCMP_ACT_TRAP", "args": [{"index": 0, "value": 0, "op": "SCMP_CMP_EQ"}]}
            """),
    ]

    private static func argument(_ text: String) -> String {
        "{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\", \"args\": [\n\(text)\n]}"
    }

    @Test("is refused at the place of the mistake", arguments: documents + rules)
    func position(_ wrong: Case) throws {
        let error = try #require(throws: SeccompPolicyError.self) {
            try SeccompProfile(name: "policies/x.json", json: wrong.text)
        }
        #expect(error.description.hasPrefix("policies/x.json:\(wrong.position): "), "\(error)")
        #expect(error.message.contains(wrong.message), "\(error)")
    }

    @Test("is one typed error with profile, line, column and message")
    func fields() throws {
        let error = try #require(throws: SeccompPolicyError.self) {
            try SeccompProfile(
                name: "policies/x.json",
                json: Case.rule("", "", #"{"names": ["opne"], "action": "SCMP_ACT_ALLOW"}"#).text)
        }
        #expect(error.profile == "policies/x.json")
        #expect((error.line, error.column) == (3, 12))
        #expect(error.description == "policies/x.json:3:12: unknown syscall \"opne\" in syscalls[0].names[0]")
    }

    @Test("that is too long for the kernel is refused on compiling")
    func size() throws {
        let rules = (0..<900).map { value in
            #"{"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": \#(value), "op": "SCMP_CMP_EQ"}]}"#
        }
        let profile = try SeccompProfile(
            name: "long.json",
            json: #"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [\#(rules.joined(separator: ","))]}"#)
        let error = try #require(throws: SeccompPolicyError.self) { try profile.compile() }
        #expect(error.message.contains("the kernel takes 4096"))
    }
}
