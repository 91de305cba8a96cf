import CordonAPI
import RESTFront
import SandboxModel
import Testing

@Suite("The contract")
struct ContractTests {
    @Test("the contract and the service have the same operations")
    func sameOperations() throws {
        let described = try Contract().operations
        let served = Set(RESTFront.operations.map { "\($0.method) \($0.path)" })
        #expect(described.subtracting(served) == [])
        #expect(served.subtracting(described) == [])
        #expect(served.count == RESTFront.operations.count)
    }

    static let requests: [(schema: String, fields: [String])] = [
        ("CreateSandbox", CreateSandboxRequest.CodingKeys.allCases.map(\.rawValue)),
        ("UpdateSandbox", UpdateSandboxRequest.CodingKeys.allCases.map(\.rawValue)),
        ("ReplaceTags", ReplaceTagsRequest.CodingKeys.allCases.map(\.rawValue)),
        ("StartExec", StartExecRequest.CodingKeys.allCases.map(\.rawValue)),
        ("TerminalRequest", TerminalRequest.CodingKeys.allCases.map(\.rawValue)),
        ("Terminal", Terminal.CodingKeys.allCases.map(\.rawValue)),
        ("Resize", ResizeRequest.CodingKeys.allCases.map(\.rawValue)),
        ("Run", RunRequest.CodingKeys.allCases.map(\.rawValue)),
        ("RunFile", RunFileRequest.CodingKeys.allCases.map(\.rawValue)),
        ("RunStarted", RunStarted.CodingKeys.allCases.map(\.rawValue)),
        ("RunResult", RunResult.CodingKeys.allCases.map(\.rawValue)),
        ("RunOutputFile", RunOutputFile.CodingKeys.allCases.map(\.rawValue)),
        ("RunTimings", RunTimings.CodingKeys.allCases.map(\.rawValue)),
        ("FileError", FileErrorBody.CodingKeys.allCases.map(\.rawValue)),
        ("FileInfo", FileInfo.CodingKeys.allCases.map(\.rawValue)),
        ("FileList", FileList.CodingKeys.allCases.map(\.rawValue)),
        ("MakeDirectory", MakeDirectoryRequest.CodingKeys.allCases.map(\.rawValue)),
        ("RenameFile", RenameFileRequest.CodingKeys.allCases.map(\.rawValue)),
        ("ChangeMode", ChangeModeRequest.CodingKeys.allCases.map(\.rawValue)),
        ("Signal", SignalRequest.CodingKeys.allCases.map(\.rawValue)),
        ("CpuRequest", AmountRequest.CodingKeys.allCases.map(\.rawValue)),
        ("MemoryRequest", AmountRequest.CodingKeys.allCases.map(\.rawValue)),
        ("Sandbox", Sandbox.CodingKeys.allCases.map(\.rawValue)),
        ("Exec", Exec.CodingKeys.allCases.map(\.rawValue)),
        ("EndResult", EndResult.CodingKeys.allCases.map(\.rawValue)),
        ("CompletedExec", CompletedExec.CodingKeys.allCases.map(\.rawValue)),
        ("Event", Event.CodingKeys.allCases.map(\.rawValue)),
        ("Problem", Problem.CodingKeys.allCases.map(\.rawValue)),
    ]

    @Test("each schema has the fields of its type, and no others", arguments: requests)
    func sameFields(_ schema: String, _ fields: [String]) throws {
        #expect(Set(try Contract().properties(of: schema).keys) == Set(fields))
    }

    @Test("the decoder reads every field that a schema describes: a wrong type is refused by its name")
    func readsEveryField() async throws {
        let contract = try Contract()
        try await withFront { front in
            let (id, path) = try await front.makeSandbox()
            _ = try front.makeExec(id)
            let bodies: [(schema: String, method: String, path: String, rest: [String])] = [
                ("CreateSandbox", "POST", "/v1/sandboxes", []), ("UpdateSandbox", "PATCH", path, []),
                ("ReplaceTags", "PUT", path + "/tags", []), ("StartExec", "POST", path + "/execs", [#""argv":["x"]"#]),
                ("Signal", "POST", path + "/execs/e1/signal", []),
                ("Resize", "POST", path + "/execs/e1/resize", [#""rows":1"#, #""cols":1"#]),
            ]
            for body in bodies {
                for field in try contract.properties(of: body.schema).keys {
                    // [[]] is of no field's type.
                    let members = ["\"\(field)\":[[]]"] + body.rest.filter { !$0.hasPrefix("\"\(field)\"") }
                    let response = try await front.ask(
                        body.method, body.path, json: "{\(members.joined(separator: ","))}")
                    #expect(response.status == 400, "\(body.schema).\(field)")
                    let named = try response.json()["field"] as? String ?? ""
                    #expect(named == field || named == field + "[0]", "\(body.schema).\(field): \(response.text)")
                    #expect(!response.text.contains("not a known field"))
                }
            }
        }
    }

    @Test("what the service answers is what the contract describes, for every operation")
    func answersAsDescribed() async throws {
        let contract = try Contract()
        try await withFront { front in
            let (id, path) = try await front.makeSandbox(
                #"{"app":"a","name":"n","argv":["cat"],"pty":{},"cpu":{"limit":1},"tags":{"x":"y"},"idle_timeout_seconds":9}"#
            )
            let exec = try front.makeExec(
                id, terminal: .standard, stdout: FakeStream(bytes: [1, 2, 3]), stderr: FakeStream(bytes: []))
            front.service.update {
                $0.logs = [LogEntry(stream: .stdout, offset: 0, length: 3, at: .now(), monotonic: 1)]
            }
            let patterns = [path: "/v1/sandboxes/{id}", exec: "/v1/sandboxes/{id}/execs/{exec}"]
            var seen: Set<String> = []
            func hold(
                _ method: String, _ base: String, _ rest: String = "", json: String? = nil, body: [UInt8]? = nil,
                gives expected: Int
            ) async throws {
                let bare = String(rest.prefix { $0 != "?" })
                let pattern = patterns[base].map { $0 + bare } ?? base
                let response = try await front.ask(
                    method, base + rest, json: json, body: body, authorized: expected != 401)
                #expect(response.status == expected, "\(method) \(base)\(rest): \(response.text)")
                let violations = try contract.violations(response, of: method, pattern)
                #expect(violations.isEmpty, "\(method) \(pattern) \(expected): \(violations) \(response.text)")
                seen.insert("\(method) \(pattern)")
            }
            try await hold("GET", "/healthz", gives: 200)
            try await hold("GET", "/readyz", gives: 200)
            try await hold("GET", "/openapi.yaml", gives: 200)
            try await hold("GET", "/metrics", gives: 200)
            try await hold("GET", "/metrics", gives: 401)
            for (json, status) in [
                ("{}", 201), (#"{"image":"x"}"#, 501), ("{", 400), (#"{"app":"a","name":"n"}"#, 409),
            ] {
                try await hold("POST", "/v1/sandboxes", json: json, gives: status)
            }
            try await hold("POST", "/v1/sandboxes", json: String(repeating: " ", count: 1 << 20) + "{}", gives: 413)
            for (json, status) in [
                (#"{"argv":["x"],"output_files":["a","missing","binary"]}"#, 200),
                (#"{"argv":["x"],"detach":true}"#, 202),
                (#"{"language":"x"}"#, 400), (#"{"argv":["x"],"files":[{"path":"/refused","content":""}]}"#, 403),
            ] {
                try await hold("POST", "/v1/run", json: json, gives: status)
            }
            try await hold("GET", "/v1/sandboxes", "?limit=1", gives: 200)
            try await hold("GET", "/v1/sandboxes", gives: 401)
            let gone = "/v1/sandboxes/sb-00000000000000000000000000"
            #expect(try contract.violations(try await front.ask("GET", gone), of: "GET", "/v1/sandboxes/{id}").isEmpty)
            try await hold("GET", path, gives: 200)
            try await hold("PATCH", path, json: #"{"timeout_seconds":5}"#, gives: 200)
            try await hold("PUT", path, "/tags", json: #"{"tags":{}}"#, gives: 200)
            try await hold("GET", path, "/wait?timeout_seconds=0", gives: 200)
            try await hold("GET", path, "/events", gives: 200)
            let named = try await front.ask("GET", "/v1/apps/a/sandboxes/n")
            #expect(try contract.violations(named, of: "GET", "/v1/apps/{app}/sandboxes/{name}").isEmpty)
            seen.insert("GET /v1/apps/{app}/sandboxes/{name}")
            try await hold("GET", path, "/execs", gives: 200)
            try await hold("POST", path, "/execs", json: #"{"argv":["echo","a"],"wait":true}"#, gives: 200)
            try await hold("POST", path, "/execs", json: #"{"argv":["echo","a"]}"#, gives: 201)
            try await hold("GET", exec, gives: 200)
            try await hold("GET", exec, "/wait?timeout_seconds=0", gives: 200)
            for base in [exec, path] {
                try await hold("GET", base, "/stdout?offset=0", gives: 200)
                try await hold("GET", base, "/stdout?offset=9", gives: 416)
                try await hold("GET", base, "/stderr", gives: 200)
                try await hold("GET", base, "/logs", gives: 200)
                try await hold("GET", base, "/attach", gives: 426)
                try await hold("POST", base, "/stdin?offset=7", body: [1], gives: 409)
                try await hold("POST", base, "/stdin", body: [1], gives: 200)
                try await hold("GET", base, "/stdin", gives: 200)
                try await hold("POST", base, "/stdin", json: "{}", gives: 415)
                try await hold("POST", base, "/signal", json: #"{"signal":"TERM"}"#, gives: 204)
                try await hold("POST", base, "/resize", json: #"{"rows":1,"cols":2}"#, gives: 204)
            }
            try await hold("PUT", path, "/files?path=/a", body: [1, 2, 3], gives: 200)
            try await hold("PUT", path, "/files?path=/a", json: "{}", gives: 415)
            try await hold("GET", path, "/files?path=/a", gives: 200)
            try await hold("GET", path, "/files?path=a", gives: 400)
            try await hold("GET", path, "/files?path=/none", gives: 404)
            try await hold("GET", path, "/files/stat?path=/a", gives: 200)
            try await hold("GET", path, "/files/list?path=/&limit=2", gives: 200)
            for (operation, json) in [
                ("mkdir", #"{"path":"/d"}"#), ("rename", #"{"path":"/a","to":"/b"}"#),
                ("chmod", #"{"path":"/a","mode":"0700"}"#),
            ] {
                try await hold("POST", path, "/files/" + operation, json: json, gives: 204)
                try await hold("POST", path, "/files/" + operation, json: "{}", gives: 400)
            }
            try await hold("DELETE", path, "/files?path=/a", gives: 204)
            try await hold("DELETE", path, gives: 200)
            try await hold("GET", path, "/wait", gives: 200)
            try await hold("GET", path, "/events?follow=true", gives: 200)
            try await hold("POST", path, "/execs", json: #"{"argv":["x"]}"#, gives: 409)
            #expect(seen == Set(RESTFront.operations.map { "\($0.method) \($0.path)" }))
        }
    }

    @Test("the contract's checker sees what is wrong with an answer")
    func checkerSees() throws {
        let contract = try Contract()
        let schema: [String: Any] = ["$ref": "#/components/schemas/Stdin"]
        #expect(try contract.check(["accepted": 1, "closed": true], schema, "$").isEmpty)
        for wrong in [
            ["accepted": 1], ["accepted": -1, "closed": true], ["accepted": "1", "closed": true],
            ["accepted": 1, "closed": 1], ["accepted": 1, "closed": true, "more": 1],
        ] as [[String: Any]] {
            #expect(try !contract.check(wrong, schema, "$").isEmpty, "\(wrong)")
        }
    }
}
