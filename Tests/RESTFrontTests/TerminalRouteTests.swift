import RESTFront
import SandboxModel
import Testing

@Suite("Terminals over REST")
struct TerminalRouteTests {
    static let asked: [(json: String, rows: Int, columns: Int, term: String)] = [
        ("{}", 24, 80, "xterm-256color"),
        (#"{"rows":null,"cols":null,"term":null}"#, 24, 80, "xterm-256color"),
        (#"{"rows":1}"#, 1, 80, "xterm-256color"),
        (#"{"rows":65535,"cols":65535,"term":"vt100+x.y_z-1"}"#, 65_535, 65_535, "vt100+x.y_z-1"),
    ]

    @Test("an exec and a main command get the terminal that is asked for, with defaults for the rest", arguments: asked)
    func asks(_ json: String, _ rows: Int, _ columns: Int, _ term: String) async throws {
        try await withFront { front in
            let (id, path) = try await front.makeSandbox(#"{"argv":["sleep"],"pty":\#(json)}"#)
            let wanted = try TerminalSpec(size: TerminalSize(rows: rows, columns: columns), term: term)
            #expect(try await front.service.sandbox(id).spec.terminal == wanted)
            let response = try await front.ask(
                "POST", path + "/execs", json: #"{"argv":["sleep"],"exec_id":"e","pty":\#(json)}"#)
            #expect(response.status == 201)
            #expect(try await front.service.exec(try unwrap(ExecID("e")), in: id).spec.terminal == wanted)
            for shown in [try response.json(), try await front.ask("GET", path).json()] {
                let pty = try unwrap(shown["pty"] as? [String: Any])
                #expect(pty["rows"] as? Int == rows && pty["cols"] as? Int == columns && pty["term"] as? String == term)
            }
        }
    }

    @Test("without pty, or with null, there is no terminal, and none is shown", arguments: ["", #","pty":null"#])
    func none(_ member: String) async throws {
        try await withFront { front in
            let (id, path) = try await front.makeSandbox(#"{"argv":["sleep"]\#(member)}"#)
            #expect(try await front.service.sandbox(id).spec.terminal == nil)
            let response = try await front.ask("POST", path + "/execs", json: #"{"argv":["sleep"]\#(member)}"#)
            #expect(response.status == 201)
            #expect(try response.json()["pty"] == nil)
        }
    }

    static let refused: [(json: String, field: String)] = [
        (#""pty":true"#, "pty"), (#""pty":{"rows":0}"#, "pty.rows"), (#""pty":{"cols":65536}"#, "pty.cols"),
        (#""pty":{"rows":1.5}"#, "pty.rows"), (#""pty":{"rows":"24"}"#, "pty.rows"), (#""pty":{"x":1}"#, "pty.x"),
        (#""pty":{"term":""}"#, "pty.term"), (#""pty":{"term":"a b"}"#, "pty.term"),
        (#""pty":{"term":"\#(String(repeating: "x", count: 65))"}"#, "pty.term"),
        (#""pty":{"term":"a\u0000"}"#, "pty.term"), (#""pty":{},"stderr":"discard""#, "stderr"),
        (#""pty":{},"stdout":"discard""#, "stdout"),
    ]

    @Test("what is wrong with a terminal is refused by its field", arguments: refused)
    func refuses(_ members: String, _ field: String) async throws {
        try await withFront { front in
            let (_, path) = try await front.makeSandbox()
            let response = try await front.ask("POST", path + "/execs", json: #"{"argv":["x"],\#(members)}"#)
            #expect(response.status == 400)
            #expect(try response.json()["field"] as? String == field)
        }
    }

    @Test("a sandbox without a main command has nothing to give a terminal to")
    func needsCommand() async throws {
        try await withFront { front in
            let response = try await front.ask("POST", "/v1/sandboxes", json: #"{"pty":{}}"#)
            #expect(response.status == 400)
            #expect(try response.json()["field"] as? String == "pty")
        }
    }

    @Test("a resize reaches the exec, or the main command; a wrong one is refused by its field")
    func resizes() async throws {
        try await withFront { front in
            let (id, path) = try await front.makeSandbox(#"{"argv":["sleep"],"pty":{}}"#)
            let exec = try front.makeExec(id, terminal: .standard)
            for (base, name) in [(exec, "e1"), (path, "main")] {
                let json = #"{"rows":50,"cols":132}"#
                #expect(try await front.ask("POST", base + "/resize", json: json).status == 204)
                let sizes = try front.service.fake(try unwrap(ExecID(name)), in: id).sizes
                #expect(sizes == [try TerminalSize(rows: 50, columns: 132)])
            }
            for (json, field) in [
                ("{}", "rows"), (#"{"rows":1}"#, "cols"), (#"{"rows":0,"cols":1}"#, "rows"),
                (#"{"rows":1,"cols":70000}"#, "cols"), (#"{"rows":1,"cols":1,"term":"x"}"#, "term"),
            ] {
                let response = try await front.ask("POST", exec + "/resize", json: json)
                #expect(response.status == 400)
                #expect(try response.json()["field"] as? String == field)
            }
            let pipes = try front.makeExec(id, named: "e2")
            #expect(try await front.ask("POST", pipes + "/resize", json: #"{"rows":1,"cols":1}"#).status == 409)
        }
    }
}
