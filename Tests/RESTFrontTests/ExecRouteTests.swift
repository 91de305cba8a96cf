import Foundation
import RESTFront
import SandboxModel
import Testing

@Suite("Execs over REST")
struct ExecRouteTests {
    @Test("an exec is started, listed, shown, waited for and signalled by number or name")
    func startsAndSignals() async throws {
        try await withFront { front in
            let (id, path) = try await front.makeSandbox(#"{"argv":["sleep"]}"#)
            let started = try await front.ask(
                "POST", path + "/execs",
                json:
                    #"{"argv":["sleep","9"],"exec_id":"mine","env":{"A":"b"},"workdir":"/","user":"1000:1000","timeout_seconds":1.5,"on_full":"drop","stdout":"keep","stderr":"discard"}"#
            )
            #expect(started.status == 201)
            #expect(started.headers["location"] == path + "/execs/mine")
            let mine = try unwrap(ExecID("mine"))
            #expect(try await front.service.exec(mine, in: id).spec.stderr == .discard)
            #expect(try await front.ask("GET", path + "/execs/mine").text == started.text)
            #expect((try await front.ask("GET", path + "/execs").json()["execs"] as? [Any])?.count == 2)
            #expect(try await front.ask("GET", path + "/execs/mine/wait?timeout_seconds=0").text == #"{"result":null}"#)
            for signal in ["15", "\"TERM\"", "\"SIGINT\"", "\"kill\""] {
                #expect(
                    try await front.ask("POST", path + "/execs/mine/signal", json: "{\"signal\":\(signal)}").status
                        == 204)
            }
            let fake = try front.service.fake(mine, in: id)
            #expect(fake.signals == [15, 15, 2, 9])
            #expect(try await front.ask("POST", path + "/signal", json: #"{"signal":1}"#).status == 204)
            #expect(try front.service.fake(.main, in: id).signals == [1])
            front.service.finish(mine, in: id, exitCode: 7)
            let over = try await front.ask("GET", path + "/execs/mine/wait").json()
            #expect((over["result"] as? [String: Any])?["exit_code"] as? Int == 7)
        }
    }

    @Test("a waited-for exec answers with its result, text as text and the rest as base64")
    func answersWhole() async throws {
        try await withFront { front in
            let (_, path) = try await front.makeSandbox()
            let response = try await front.ask(
                "POST", path + "/execs", json: #"{"argv":["echo","\u00e9\"\n\\","\u0001\ud83d\ude00"],"wait":true}"#)
            #expect(response.status == 200)
            let body = try response.json()
            #expect(body["stdout"] as? String == "é\"\n\\ \u{1}😀")
            #expect(body["stderr_base64"] as? String == "/wAB")
            #expect(body["stdout_truncated"] as? Bool == false)
            #expect((body["result"] as? [String: Any])?["exit_code"] as? Int == 3)
        }
    }

    @Test("stdin given with a waited-for exec arrives whole, as text or base64")
    func feedsStdin() async throws {
        try await withFront { front in
            let (_, path) = try await front.makeSandbox()
            let text = String(repeating: "zeile\n", count: 30_000)
            let body = try JSONSerialization.data(withJSONObject: ["argv": ["cat"], "wait": true, "stdin": text])
            let response = try await front.ask("POST", path + "/execs", json: String(decoding: body, as: UTF8.self))
            #expect(try response.json()["stdout"] as? String == text)
            let binary = try await front.ask(
                "POST", path + "/execs", json: #"{"argv":["cat"],"wait":true,"stdin_base64":"AP8="}"#)
            #expect(try binary.json()["stdout_base64"] as? String == "AP8=")
            #expect(try binary.json()["stdout_bytes"] as? Int == 2)
        }
    }

    @Test("output over the limit is cut at a character, counted and marked", arguments: [9, 10, 11, 12])
    func truncates(_ limit: UInt64) async throws {
        var options = RESTFrontOptions()
        options.maximumOutputBytes = limit
        options.pieceBytes = 4
        try await withFront(options) { front in
            let (id, path) = try await front.makeSandbox()
            let exec = try unwrap(ExecID("e"))
            let ending = Ending(.exited, exitCode: 0, at: .now())
            front.service.add(
                ExecSpec(id: exec, command: try CommandSpec(argv: ["x"])), to: id,
                stdout: FakeStream(bytes: Array(String(repeating: "é€", count: 4).utf8)),
                stderr: FakeStream(bytes: [UInt8](repeating: 0xff, count: 30)), status: .ended(ending))
            let response = try await front.ask(
                "POST", path + "/execs", json: #"{"argv":["x"],"exec_id":"e","wait":true}"#)
            let body = try response.json()
            let shown = try unwrap(body["stdout"] as? String)
            #expect(String(repeating: "é€", count: 4).hasPrefix(shown))
            #expect(UInt64(shown.utf8.count) <= limit && shown.utf8.count >= Int(limit) - 2)
            #expect(body["stdout_truncated"] as? Bool == true)
            #expect(body["stdout_bytes"] as? Int == 20)
            let bytes = try unwrap(Data(base64Encoded: try unwrap(body["stderr_base64"] as? String)))
            #expect(bytes == Data(repeating: 0xff, count: Int(limit)))
        }
    }

    @Test("a client that leaves a waited-for exec stops the waiting and not the exec")
    func clientLeaves() async throws {
        try await withFront { front in
            let (id, path) = try await front.makeSandbox()
            let connection = try front.connect()
            let json = #"{"argv":["sleep"],"exec_id":"long","wait":true}"#
            try await connection.send(
                TestFront.head(
                    "POST", path + "/execs", headers: ["Content-Type": "application/json"], length: json.utf8.count)
                    + json)
            #expect(try await eventually { front.service.update { $0.waits } == 1 })
            connection.shut()
            #expect(try await eventually { front.service.update { $0.waits } == 0 })
            #expect(try await front.service.exec(try unwrap(ExecID("long")), in: id).status == .running)
        }
    }

    @Test("waits above the limit are answered 429 with Retry-After, and the others go on")
    func boundsWaits() async throws {
        var options = RESTFrontOptions()
        options.maximumWaits = 1
        try await withFront(options) { front in
            let (id, path) = try await front.makeSandbox()
            async let first = front.ask("GET", path + "/wait")
            #expect(try await eventually { front.service.update { $0.waits } == 1 })
            let second = try await front.ask("GET", path + "/wait")
            #expect(second.status == 429)
            #expect(second.headers["retry-after"] != nil)
            _ = try await front.service.terminate(id)
            #expect(try await first.status == 200)
            #expect(try await front.ask("GET", path + "/wait").status == 200)
        }
    }
}
