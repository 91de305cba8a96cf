import SandboxModel
import Testing

@Suite("Bad input over REST")
struct BadInputTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var method = "POST"
        var path: String
        var json: String?
        var headers: [String: String] = [:]
        var status = 400
        var field: String?
        var testDescription: String { "\(method) \(path) \(json?.prefix(60) ?? "")" }
    }

    private static let create = "/v1/sandboxes"
    private static let missing = "/v1/sandboxes/sb-00000000000000000000000000"

    static let bodies: [Case] = [
        ("{\"nope\":1}", 400, "nope"), ("[]", 400, "body"), ("{", 400, "body"), ("", 400, "body"), ("{}x", 400, "body"),
        ("{\"a\":\(String(repeating: "[", count: 5000))", 400, "body"), (#"{"app":1}"#, 400, "app"),
        (#"{"app":"a","app":"b"}"#, 400, "body"), (#"{"name":"a b"}"#, 400, "name"),
        (#"{"name":"\#(String(repeating: "x", count: 64))"}"#, 400, "name"),
        (#"{"tags":{"a":1}}"#, 400, "tags.a"), (#"{"tags":[]}"#, 400, "tags"),
        (#"{"tags":{"a":"\u0001"}}"#, 400, "tags.a"),
        (#"{"argv":"ls"}"#, 400, "argv"), (#"{"argv":["a",2]}"#, 400, "argv[1]"),
        (#"{"argv":["a","b\u0000"]}"#, 400, "argv[1]"),
        (#"{"argv":["a","\#(String(repeating: "x", count: 131_072))"]}"#, 400, "argv"),
        (#"{"env":{"1A":"x"}}"#, 400, "env"),
        (#"{"env":{"CORDON_X":"x"}}"#, 400, "env.CORDON_X"), (#"{"env":{"A":5}}"#, 400, "env.A"),
        (#"{"workdir":"tmp"}"#, 400, "workdir"),
        (#"{"timeout_seconds":0}"#, 400, "timeout_seconds"), (#"{"timeout_seconds":86401}"#, 400, "timeout_seconds"),
        (#"{"timeout_seconds":"1"}"#, 400, "timeout_seconds"), (#"{"timeout_seconds":1e999}"#, 400, "body"),
        (#"{"idle_timeout_seconds":-1}"#, 400, "idle_timeout_seconds"), (#"{"cpu":1}"#, 400, "cpu"),
        (#"{"cpu":{"cores":1}}"#, 400, "cpu.cores"),
        (#"{"cpu":{"request":2,"limit":1}}"#, 400, "cpu.request"),
        (#"{"memory_mib":{"limit":1.5}}"#, 400, "memory_mib.limit"),
        (#"{"memory_mib":{"limit":64.5}}"#, 400, "memory_mib.limit"), (#"{"pids_limit":0}"#, 400, "pids_limit"),
        (#"{"disk_mib":15}"#, 400, "disk_mib"), (#"{"disk_mib":"1"}"#, 400, "disk_mib"),
        (#"{"policy":"none"}"#, 400, "policy"),
        (#"{"block_network":true,"cidr_allowlist":[]}"#, 400, "block_network"),
        (#"{"cidr_allowlist":["1.2.3.4/8"]}"#, 400, "cidr_allowlist[0]"),
        (#"{"cidr_allowlist":["1.1.1.1","169.254.169.254"]}"#, 400, "cidr_allowlist[1]"),
        (#"{"cidr_allowlist":"1.1.1.1"}"#, 400, "cidr_allowlist"),
        (#"{"domain_allowlist":["no name"]}"#, 400, "domain_allowlist[0]"),
        (#"{"block_network":"x"}"#, 400, "block_network"),
        (#"{"image":"Ubuntu"}"#, 400, "image"), (#"{"runtime":"runsc"}"#, 501, "runtime"),
        (#"{"pty":{"rows":1}}"#, 400, "pty"),
        (#"{"volumes":{"/a":"vo-1"}}"#, 400, "volumes"), (#"{"secrets":["a b"]}"#, 400, "secrets[0]"),
        (#"{"encrypted_ports":[0]}"#, 400, "encrypted_ports[0]"),
        (#"{"encrypted_ports":[1.5]}"#, 400, "encrypted_ports[0]"),
        (#"{"h2_ports":[1,1]}"#, 400, "h2_ports"),
        (#"{"encrypted_ports":[1],"unencrypted_ports":[1]}"#, 400, "unencrypted_ports"),
        (#"{"unencrypted_ports":[1],"block_network":true}"#, 400, "unencrypted_ports"),
        (#"{"unencrypted_ports":[1],"inbound_cidr_allowlist":["1.2.3.4/8"]}"#, 400, "inbound_cidr_allowlist[0]"),
        (#"{"inbound_cidr_allowlist":[]}"#, 400, "inbound_cidr_allowlist"),
        (#"{"readiness_probe":{"a":1}}"#, 400, "readiness_probe.a"),
        (#"{"readiness_probe":{}}"#, 400, "readiness_probe"),
        (#"{"readiness_probe":{"tcp_port":1,"argv":["true"]}}"#, 400, "readiness_probe"),
        (#"{"app":"\#(String(repeating: "x", count: 1 << 20))"}"#, 413, "body"),
    ].map { Case(path: create, json: $0.0, status: $0.1, field: $0.2) }

    static let others: [Case] = [
        Case(method: "GET", path: missing, status: 404, field: "id"),
        Case(method: "GET", path: "/v1/sandboxes/..%2f", status: 404, field: "id"),
        Case(method: "DELETE", path: missing, status: 404, field: "id"),
        Case(method: "GET", path: missing + "/stdout", status: 404, field: "id"),
        Case(method: "GET", path: "/v1/apps/x/sandboxes/y", status: 404, field: "name"),
        Case(method: "GET", path: "/v1/apps/%00/sandboxes/y", field: "app"),
        Case(method: "GET", path: create + "?limit=0", field: "limit"),
        Case(method: "GET", path: create + "?limit=x", field: "limit"),
        Case(method: "GET", path: create + "?state=dead", field: "state"),
        Case(method: "GET", path: create + "?tag=a", field: "tag"),
        Case(method: "GET", path: create + "?tag=a%3Db&tag=a%3Dc", field: "tag"),
        Case(method: "GET", path: create + "?cursor=-1", field: "cursor"),
        Case(method: "GET", path: create + "?color=red", field: "color"),
        Case(method: "GET", path: create + "?app=%zz", field: "query"),
        Case(method: "GET", path: create + "?app=a&app=b", field: "app"),
        Case(method: "GET", path: missing + "/wait?timeout_seconds=61", field: "timeout_seconds"),
        Case(method: "GET", path: missing + "/wait?timeout_seconds=nan", field: "timeout_seconds"),
        Case(method: "GET", path: missing + "/stdout?offset=-1", field: "offset"),
        Case(method: "GET", path: missing + "/stdout?offset=99999999999999999999", field: "offset"),
        Case(method: "GET", path: missing + "/stdout?follow=maybe", field: "follow"),
        Case(method: "GET", path: missing + "/logs?since=yesterday", field: "since"),
        Case(method: "GET", path: missing + "/logs?limit=99999", field: "limit"),
        Case(method: "GET", path: "/v1/nothing", status: 404, field: "path"),
        Case(method: "GET", path: "/", status: 404, field: "path"),
        Case(method: "GET", path: create + "/", status: 404),
        Case(method: "PUT", path: create, json: "{}", status: 405, field: "method"),
        Case(path: "/healthz", status: 405, field: "method"),
        Case(path: create, json: "{}", headers: ["Content-Type": "text/plain"], status: 415, field: "Content-Type"),
        Case(path: create, json: "{}", headers: ["Content-Encoding": "gzip"], status: 415, field: "Content-Encoding"),
        Case(path: missing + "/stdin", json: "{}", status: 415, field: "Content-Type"),
        Case(path: create, json: "{}", headers: ["Idempotency-Key": "a b"], field: "Idempotency-Key"),
        Case(
            path: create, json: "{}", headers: ["Idempotency-Key": String(repeating: "k", count: 256)],
            field: "Idempotency-Key"),
        Case(path: missing + "/signal", json: #"{"signal":"NOPE"}"#, field: "signal"),
        Case(path: missing + "/signal", json: #"{"signal":65}"#, field: "signal"),
        Case(path: missing + "/signal", json: "{}", field: "signal"),
        Case(method: "PATCH", path: missing, json: "{}", field: "body"),
        Case(method: "PUT", path: missing + "/tags", json: "{}", field: "tags"),
    ]

    static let execs: [Case] = [
        ("{}", 400, "argv"), (#"{"argv":[]}"#, 400, "argv"), (#"{"argv":["x"],"exec_id":"main"}"#, 400, "exec_id"),
        (#"{"argv":["x"],"exec_id":"../x"}"#, 400, "exec_id"),
        (#"{"argv":["x"],"user":"a b"}"#, 400, "user"), (#"{"argv":["x"],"on_full":"block"}"#, 400, "on_full"),
        (#"{"argv":["x"],"stdout":"file"}"#, 400, "stdout"),
        (#"{"argv":["x"],"stdin":"y"}"#, 400, "stdin"),
        (#"{"argv":["x"],"wait":true,"stdin":"a","stdin_base64":"YQ=="}"#, 400, "stdin_base64"),
        (#"{"argv":["x"],"wait":true,"stdin_base64":"a"}"#, 400, "stdin_base64"),
        (#"{"argv":["x"],"workdir":"a"}"#, 400, "workdir"), (#"{"argv":["x"],"pty":{"rows":0}}"#, 400, "pty.rows"),
        (#"{"argv":["x"],"wait":1}"#, 400, "wait"), (#"{"argv":["x"],"timeout_seconds":null,"env":[]}"#, 400, "env"),
    ].map { Case(path: missing + "/execs", json: $0.0, status: $0.1, field: $0.2) }

    @Test("gets one problem document that names the field, and changes nothing", arguments: bodies + others + execs)
    func refuses(_ input: Case) async throws {
        try await withFront { front in
            let connection = try front.connect()
            let response = try await TestFront.ask(
                connection, input.method, input.path, json: input.json, headers: input.headers)
            #expect(response.status == input.status, "\(response.text)")
            #expect(response.headers["content-type"] == "application/problem+json")
            let problem = try response.json()
            #expect(problem["status"] as? Int == input.status)
            #expect(problem["request_id"] as? String == response.headers["x-request-id"])
            if let field = input.field { #expect(problem["field"] as? String == field) }
            #expect(front.service.update { $0.sandboxes.isEmpty && $0.keys.isEmpty })
            if input.status == 405 { #expect(response.headers["allow"] != nil) }
            // The connection is as good as before.
            #expect(try await TestFront.ask(connection, "GET", "/healthz").status == 200)
        }
    }

    @Test(
        "no variable's value is ever echoed",
        arguments: [
            #"{"env":{"A":"hunter2","B":3}}"#, #"{"env":{"CORDON_A":"hunter2"}}"#, #"{"env":"hunter2"}"#,
            #"{"env":["hunter2"]}"#, #"{"secrets":"hunter2"}"#, #"{"secrets":["hunter2 x"]}"#,
            #"{"secrets":[{"secret":"hunter2 "}]}"#, #"{"secrets":[{"env":{"A":"hunter2","B":3}}]}"#,
            #"{"x":"hunter2"}"#,
        ])
    func keepsValues(_ json: String) async throws {
        try await withFront { front in
            let text = try await front.ask("POST", "/v1/sandboxes", json: json).text
            #expect(!text.contains("hunter2"))
        }
    }

    @Test(
        "a missing, wrong or odd token is 401 with a challenge, whatever the path",
        arguments: ["", "Basic abc", "Bearer", "Bearer wrong.token", "Bearer id.secret extra"])
    func refusesTokens(_ token: String) async throws {
        try await withFront { front in
            for path in ["/v1/sandboxes", "/v1/nothing"] {
                let headers = token.isEmpty ? [:] : ["Authorization": token]
                let response = try await front.ask("GET", path, headers: headers, authorized: false)
                #expect(response.status == 401)
                #expect(response.headers["www-authenticate"] == "Bearer realm=\"cordon\"")
            }
        }
    }

    @Test("every code of the engine has its status, and the numbers that it adds are numbers")
    func mapsCodes() async throws {
        let expected: [ErrorCode: Int] = [
            .cancelled: 499, .invalidArgument: 400, .deadlineExceeded: 504, .notFound: 404, .alreadyExists: 409,
            .permissionDenied: 403,
            .unauthenticated: 401, .resourceExhausted: 429, .failedPrecondition: 409, .aborted: 409, .outOfRange: 416,
            .unimplemented: 501,
            .internal: 500, .unavailable: 503, .dataLoss: 500,
        ]
        try await withFront { front in
            for code in ErrorCode.allCases {
                front.service.update {
                    $0.failure = CordonError(
                        code, "told to", detail: ["first_kept": "12"], retryAfter: .milliseconds(2100))
                }
                let response = try await front.ask(
                    "POST", "/v1/sandboxes", json: "{}", headers: ["X-Request-Id": "mine-1"])
                #expect(response.status == expected[code])
                #expect(try response.json()["code"] as? String == code.rawValue)
                #expect(try response.json()["first_kept"] as? Int == 12)
                #expect(try response.json()["request_id"] as? String == "mine-1")
                #expect((response.headers["retry-after"] == "3") == [429, 503].contains(response.status))
            }
        }
    }

    @Test("what the engine shouldn't have thrown is a bare 500")
    func hidesUnknownErrors() async throws {
        try await withFront { front in
            front.service.update { $0.failure = WireError(message: "/secret/host/path") }
            let response = try await front.ask("POST", "/v1/sandboxes", json: "{}", headers: ["X-Request-Id": "bad id"])
            #expect(response.status == 500)
            #expect(!response.text.contains("secret"))
            #expect(response.headers["x-request-id"]?.hasPrefix("rq-") == true)
        }
    }
}
