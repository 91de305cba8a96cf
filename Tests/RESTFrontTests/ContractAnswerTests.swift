import CordonAPI
import RESTFront
import SandboxModel
import Testing

@Suite("The contract's answers")
struct ContractAnswerTests {
    @Test("what the service answers is what the contract describes, for every operation")
    func answersAsDescribed() async throws {
        var options = RESTFrontOptions()
        options.tunnelAuthority = "-----BEGIN CERTIFICATE-----"
        try await withFront(options) { front in
            let answers = try await DescribedAnswers(of: front)
            try await answers.ofTheService()
            try await answers.ofImages()
            try await answers.ofSecrets()
            try await answers.ofContent()
            try await answers.ofSandboxes()
            try await answers.ofConnecting()
            try await answers.ofSnapshots()
            try await answers.ofExecs()
            try await answers.ofFiles()
            try await answers.ofVolumes()
            try await answers.ofTheEnd()
            #expect(answers.seen == Set(RESTFront.operations.map { "\($0.method) \($0.path)" }))
        }
    }

    @Test("a target that is too large is refused as described, by every operation")
    func largeTargets() async throws {
        let contract = try Contract()
        let large = "?" + String(repeating: "a", count: 20_000)
        try await withFront { front in
            for (method, pattern) in RESTFront.operations {
                let answer = try await front.ask(method, pattern + large)
                #expect(answer.status == 431, "\(method) \(pattern)")
                let violations = try contract.violations(answer, of: method, pattern)
                #expect(violations.isEmpty, "\(method) \(pattern): \(violations)")
            }
        }
    }
}

/// Holds a service's answers to the contract, operation by operation.
private final class DescribedAnswers {
    private let front: TestFront
    private let contract: Contract
    /// What stands in the place of a path's names, unless a request says otherwise.
    private let values: [String: String]
    /// The operations that were asked for.
    private(set) var seen: Set<String> = []

    private let sandbox = "/v1/sandboxes/{id}"
    private let exec = "/v1/sandboxes/{id}/execs/{exec}"
    private let token = "/v1/sandboxes/{id}/connect-tokens/{token}"
    private let image = "/v1/images/{image}"
    private let secret = "/v1/secrets/{secret}"
    private let volume = "/v1/volumes/{volume}"

    init(of front: TestFront) async throws {
        self.front = front
        contract = try Contract()
        let (id, _) = try await front.makeSandbox(
            #"{"app":"a","name":"n","argv":["cat"],"pty":{},"cpu":{"limit":1},"tags":{"x":"y"},"idle_timeout_seconds":9,"encrypted_ports":[443],"unencrypted_ports":[5432]}"#
        )
        _ = try front.makeExec(
            id, terminal: .standard, stdout: FakeStream(bytes: [1, 2, 3]), stderr: FakeStream(bytes: []))
        front.service.update {
            $0.logs = [LogEntry(stream: .stdout, offset: 0, length: 3, at: .now(), monotonic: 1)]
        }
        values = [
            "id": id.text, "exec": "e1", "token": ConnectTokenID.mint().text, "secret": "n", "volume": "v", "app": "a",
            "name": "n",
        ]
    }

    /// Asks for `operation`, a path of the contract's, with `rest`, of which a query is no part of the path.
    private func hold(
        _ method: String, _ operation: String, _ rest: String = "", at places: [String: String] = [:],
        json: String? = nil, body: [UInt8]? = nil, authorized: Bool = true, gives expected: Int
    ) async throws {
        let pattern = operation + rest.prefix { $0 != "?" }
        var path = operation + rest
        for (name, value) in values.merging(places, uniquingKeysWith: { $1 }) {
            path = path.replacing("{\(name)}", with: value)
        }
        let answer = try await front.ask(
            method, path, json: json, body: body, authorized: authorized && expected != 401)
        #expect(answer.status == expected, "\(method) \(path): \(answer.text)")
        let violations = try contract.violations(answer, of: method, pattern)
        #expect(violations.isEmpty, "\(method) \(path) \(expected): \(violations) \(answer.text)")
        seen.insert("\(method) \(pattern)")
    }

    func ofTheService() async throws {
        try await hold("GET", "/healthz", gives: 200)
        try await hold("GET", "/readyz", gives: 200)
        try await hold("GET", "/openapi.yaml", gives: 200)
        try await hold("GET", "/metrics", gives: 200)
        try await hold("GET", "/metrics", gives: 401)
    }

    func ofImages() async throws {
        for (json, status) in [
            (#"{"reference":"debian:12"}"#, 200), (#"{"reference":"none"}"#, 404), (#"{"reference":"A"}"#, 400),
        ] {
            try await hold("POST", "/v1/images/pull", json: json, gives: status)
        }
        try await hold(
            "POST", "/v1/images/build", json: #"{"dockerfile":"FROM scratch","tags":["a"]}"#, gives: 200)
        try await hold("POST", "/v1/images/build", json: "{}", gives: 400)
        try await hold("POST", "/v1/images/contexts", body: [1], gives: 201)
        try await hold("POST", "/v1/images/import", body: [1], gives: 200)
        try await hold("POST", "/v1/images/import", json: "{}", gives: 415)
        try await hold("POST", "/v1/images/collect", gives: 200)
        try await hold("GET", "/v1/images", "?limit=1", gives: 200)
        try await hold("GET", "/v1/images", gives: 401)
        try await hold("GET", "/v1/images", "?tree=", gives: 200)
        try await hold("GET", "/v1/images", "?tree=&limit=1", gives: 400)
        for (first, second, query, status) in [
            ("host", "debian", "?unified=true&limit=3", 200), ("a", "b", "", 200), ("a", "none", "", 404),
            ("a", "b", "?path=/../a", 400), ("a", "b", "?limit=1001", 400), ("a", "b", "?cursor=~", 400),
        ] {
            try await hold(
                "GET", image, "/diff/{other}" + query, at: ["image": first, "other": second], gives: status)
        }
        for method in ["GET", "DELETE"] {
            for (name, status) in [("docker.io%2Flibrary%2Fdebian:12", 200), ("none", 404), ("A", 404)] {
                try await hold(method, image, at: ["image": name], gives: status)
            }
        }
    }

    func ofSecrets() async throws {
        for (json, status) in [
            (#"{"name":"n","env":{"A":"1"}}"#, 201), (#"{"name":"n","env":{"A":"1"}}"#, 409), ("{}", 400),
        ] {
            try await hold("POST", "/v1/secrets", json: json, gives: status)
        }
        try await hold("GET", "/v1/secrets", "?limit=1", gives: 200)
        for (method, json) in [("GET", nil), ("PUT", #"{"env":{"B":"2"}}"#), ("PATCH", #"{"env":{"B":null}}"#)] {
            try await hold(method, secret, json: json, gives: 200)
        }
        for status in [204, 404] { try await hold("DELETE", secret, gives: status) }
    }

    /// With a signature, and without.
    func ofContent() async throws {
        let places = ["blob": "\(BlobID.mint())", "part": "1", "digest": String(repeating: "a", count: 64)]
        let list = "<Part>\n<PartNumber>1</PartNumber>\n<ETag>\"\(String(repeating: "0", count: 32))\"</ETag>\n</Part>"
        let (blob, file) = ("/content/blobs/{blob}", "/content/files/{digest}")
        let asked: [(method: String, operation: String, body: [UInt8]?)] = [
            ("PUT", blob + "/parts/{part}", [1]), ("POST", blob + "/completion", Array("<X>\(list)</X>".utf8)),
            ("GET", blob, nil), ("PUT", file, [1]), ("GET", file, nil),
        ]
        for (method, operation, body) in asked {
            for (signature, status) in [("good", 200), ("bad", 403)] {
                try await hold(
                    method, operation, "?expires=1&signature=\(signature)", at: places, body: body, authorized: false,
                    gives: status)
            }
        }
        for (method, operation, name, value, status) in [
            ("GET", blob, "blob", "x", 404), ("PUT", blob + "/parts/{part}", "part", "01", 400),
            ("PUT", file, "digest", "A", 400),
        ] {
            try await hold(
                method, operation, at: places.merging([name: value]) { $1 }, body: method == "PUT" ? [1] : nil,
                authorized: false, gives: status)
        }
        try await hold(
            "POST", blob + "/completion", "?expires=1&signature=good", at: places,
            body: Array(list.replacing(">1<", with: ">2<").utf8), authorized: false, gives: 400)
    }

    func ofSandboxes() async throws {
        for (json, status) in [
            ("{}", 201), (#"{"runtime":"x"}"#, 501), ("{", 400), (#"{"app":"a","name":"n"}"#, 409),
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
        try await hold("GET", sandbox, at: ["id": "sb-00000000000000000000000000"], gives: 404)
        try await hold("GET", sandbox, gives: 200)
        try await hold("PATCH", sandbox, json: #"{"timeout_seconds":5}"#, gives: 200)
        try await hold("PUT", sandbox, "/tags", json: #"{"tags":{}}"#, gives: 200)
        for (json, status) in [
            ("{}", 200), (#"{"cidr_allowlist":["1.1.1.0/24"]}"#, 200), (#"{"block_network":true}"#, 200),
            (#"{"block_network":true,"cidr_allowlist":[]}"#, 400),
        ] {
            try await hold("PUT", sandbox, "/network", json: json, gives: status)
        }
        try await hold("GET", "/v1/apps/{app}/sandboxes/{name}", gives: 200)
        for (json, status) in [
            (#"{"name":"side","argv":["x"]}"#, 201), ("{}", 400), (#"{"name":"main"}"#, 400),
            (#"{"name":"s","app":"b"}"#, 400), (#"{"name":"s","block_network":true}"#, 400),
            (#"{"name":"s","h2_ports":[1]}"#, 400),
        ] {
            try await hold("POST", sandbox, "/sidecars", json: json, gives: status)
        }
        try await hold("GET", sandbox, "/sidecars?name=side&state=running&limit=1", gives: 200)
        try await hold("GET", sandbox, "/sidecars?app=a", gives: 400)
        try await hold("GET", sandbox, "/wait?timeout_seconds=0", gives: 200)
        try await hold("GET", sandbox, "/wait-ready?timeout_seconds=0", gives: 200)
        try await hold("GET", sandbox, "/wait-ready?timeout_seconds=61", gives: 400)
        try await hold("GET", sandbox, "/tunnels", gives: 200)
        try await hold("GET", "/v1/ca", gives: 200)
        try await hold("GET", "/v1/ca", gives: 401)
        try await hold("GET", sandbox, "/events", gives: 200)
    }

    func ofConnecting() async throws {
        for (json, status) in [
            ("{}", 201), (#"{"user_metadata":{"a":"b"},"port":80,"expires_seconds":1}"#, 201),
            (#"{"user_metadata":"{"}"#, 400), (#"{"port":0}"#, 400),
        ] {
            try await hold("POST", sandbox, "/connect-tokens", json: json, gives: status)
        }
        try await hold("DELETE", token, gives: 204)
        try await hold("DELETE", token, gives: 401)
        try await hold("DELETE", token, at: ["token": "x"], gives: 404)
    }

    func ofSnapshots() async throws {
        for (json, status) in [
            ("{}", 201), (#"{"kind":"directory","path":"/a","snapshot_id":"1","ttl_seconds":9}"#, 201),
            (#"{"kind":"directory"}"#, 400), (#"{"path":"/a"}"#, 400),
        ] {
            try await hold("POST", sandbox, "/snapshots", json: json, gives: status)
        }
        for (json, status) in [
            (#"{"count":2,"argv":["x","{i}"],"until":"first_success","winners":"keep"}"#, 200),
            (#"{"count":65,"argv":["x"]}"#, 400), (#"{"count":1}"#, 400), (#"{"argv":["x"]}"#, 400),
        ] {
            try await hold("POST", sandbox, "/branches", json: json, gives: status)
        }
        for (json, status) in [(#"{"path":"/a"}"#, 204), (#"{"path":"/a","image":"!"}"#, 400), ("{}", 400)] {
            try await hold("POST", sandbox, "/mounts", json: json, gives: status)
        }
        try await hold("DELETE", sandbox, "/mounts?path=/a", gives: 204)
        try await hold("DELETE", sandbox, "/mounts", gives: 400)
    }

    func ofExecs() async throws {
        try await hold("GET", sandbox, "/execs", gives: 200)
        try await hold("POST", sandbox, "/execs", json: #"{"argv":["echo","a"],"wait":true}"#, gives: 200)
        try await hold("POST", sandbox, "/execs", json: #"{"argv":["echo","a"]}"#, gives: 201)
        try await hold("GET", exec, gives: 200)
        try await hold("GET", exec, "/wait?timeout_seconds=0", gives: 200)
        for base in [exec, sandbox] {
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
    }

    func ofFiles() async throws {
        try await holdFiles(of: sandbox)
        try await hold("GET", sandbox, "/files?path=a", gives: 400)
        try await hold("PUT", sandbox, "/files/archive?path=/archive", json: "{}", gives: 415)
        try await hold("GET", sandbox, "/files/archive?path=/none", gives: 404)
        try await hold("GET", sandbox, "/files/archive?path=/a&compression=x", gives: 400)
        try await hold("GET", sandbox, "/files/watch?path=/a", gives: 200)
        try await hold("GET", sandbox, "/files/watch?path=/none&recursive=true", gives: 404)
        try await hold("DELETE", sandbox, "/files?path=/a", gives: 204)
    }

    /// What sandboxes and volumes have alike.
    private func holdFiles(of place: String) async throws {
        try await hold("PUT", place, "/files?path=/a", body: [1, 2, 3], gives: 200)
        try await hold("PUT", place, "/files?path=/a", json: "{}", gives: 415)
        try await hold("GET", place, "/files?path=/a", gives: 200)
        try await hold("GET", place, "/files?path=/none", gives: 404)
        try await hold("GET", place, "/files/stat?path=/a", gives: 200)
        try await hold("GET", place, "/files/list?path=/&limit=2", gives: 200)
        try await hold("PUT", place, "/files/archive?path=/archive", body: [1], gives: 200)
        try await hold("GET", place, "/files/archive?path=/a", gives: 200)
        for (operation, json) in [
            ("mkdir", #"{"path":"/d"}"#), ("rename", #"{"path":"/a","to":"/b"}"#),
            ("chmod", #"{"path":"/a","mode":"0700"}"#),
        ] {
            try await hold("POST", place, "/files/" + operation, json: json, gives: 204)
            try await hold("POST", place, "/files/" + operation, json: "{}", gives: 400)
        }
    }

    func ofVolumes() async throws {
        for (json, status) in [
            (#"{"name":"v"}"#, 201), (#"{"name":"v"}"#, 409), (#"{"name":"v","if_exists":"keep"}"#, 201),
            ("{}", 400),
        ] {
            try await hold("POST", "/v1/volumes", json: json, gives: status)
        }
        try await hold("GET", "/v1/volumes", "?limit=1", gives: 200)
        try await hold("GET", volume, gives: 200)
        try await hold("PATCH", volume, json: #"{"name":"v"}"#, gives: 200)
        try await holdFiles(of: volume)
        try await hold("GET", volume, "/files?path=/a&user=x", gives: 400)
        try await hold("POST", volume, "/files/copy", json: #"{"path":"/a","to":"/c"}"#, gives: 204)
        try await hold("POST", volume, "/files/copy", json: "{}", gives: 400)
        try await hold("DELETE", volume, "/files?path=/a", gives: 204)
        try await hold("DELETE", volume, gives: 204)
        try await hold("GET", volume, gives: 404)
    }

    func ofTheEnd() async throws {
        try await hold("POST", sandbox, "/volumes/commit", gives: 200)
        try await hold("POST", sandbox, "/volumes/reload", gives: 409)
        try await hold("DELETE", sandbox, gives: 200)
        try await hold("GET", sandbox, "/wait", gives: 200)
        try await hold("GET", sandbox, "/events?follow=true", gives: 200)
        try await hold("POST", sandbox, "/execs", json: #"{"argv":["x"]}"#, gives: 409)
    }
}
