import SandboxModel
import Testing

@Suite struct SecretTests {
    @Test("a name is of the characters allowed, and never looks like an id")
    func names() throws {
        for name in ["a", "A-1_b.c", "st-", "st-short", String(repeating: "x", count: 64)] {
            #expect(try SecretName(name).text == name)
            #expect(try SecretReference(name, field: "f") == .name(SecretName(name)))
        }
        let id = SecretID.mint()
        #expect(try SecretReference(id.text, field: "f") == .id(id))
        for name in ["", ".a", "a b", "ä", "a/b", "a\0", String(repeating: "x", count: 65), id.text] {
            #expect(throws: CordonError.self) { try SecretName(name) }
        }
    }

    @Test("no value gets into a text by interpolating, reflecting or dumping what holds it")
    func texts() throws {
        let environment = try Environment(["NAME": "hunter2"])
        var sandbox = SandboxSpec(environment: environment)
        sandbox.secrets = [.inline(environment)]
        var exec = ExecSpec(command: try CommandSpec(argv: ["x"]), environment: environment)
        exec.secrets = sandbox.secrets
        let holders: [Any] = [
            environment, sandbox, exec, Optional(environment) as Any, SecretChanges(set: environment, removed: []),
            ExecOrder(id: exec.id, spec: exec, environment: environment, workdir: "/"),
            LaunchOrder(id: .mint(), spec: sandbox, hostname: "h"),
        ]
        for holder in holders {
            var dumped = ""
            dump(holder, to: &dumped)
            #expect(!("\(holder)" + String(reflecting: holder) + dumped).contains("hunter2"), "\(type(of: holder))")
        }
    }
}
