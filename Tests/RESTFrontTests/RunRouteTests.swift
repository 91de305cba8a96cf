import CordonAPI
import Foundation
import SandboxModel
import Testing

@Suite("POST /v1/run")
struct RunRouteTests {
    @Test("a run is asked of the engine as the request says")
    func decoded() async throws {
        try await withFront { front in
            let response = try await front.ask(
                "POST", "/v1/run",
                json: """
                    {"language":"python","code":"pass","files":[{"path":"a/b","content":"x","mode":"0755"},\
                    {"path":"/c","content_base64":"AAE="}],"output_files":["out","/missing"],"env":{"A":"b"},\
                    "stdin":"in","user":"nobody","timeout_seconds":2,"workdir":"/w","app":"a","tags":{"k":"v"}}
                    """)
            #expect(response.status == 200, "\(response.text)")
            let spec = try #require(front.service.update { $0.runs.values.first?.spec })
            #expect(spec.program.command.argv == ["python3", "-u", "/w/main.py"])
            #expect(spec.program.user == "nobody" && spec.program.timeout == .seconds(2) && spec.program.stdin)
            #expect(spec.files.map(\.path.text) == ["/w/main.py", "/w/a/b", "/c"])
            #expect(spec.files.map(\.mode) == [nil, 0o755, nil] && spec.files[2].content == [0, 1])
            #expect(spec.outputs.map(\.text) == ["/w/out", "/missing"])
            #expect(
                spec.stdin == Array("in".utf8) && spec.sandbox.app.text == "a" && spec.sandbox.tags.pairs == ["k": "v"])
            let answer = try response.json()
            #expect(answer["exit_code"] as? Int == 3)
            #expect(answer["stdout"] as? String == "-u /w/main.py" && answer["stderr_base64"] as? String == "/wAB")
            let files = try #require(answer["output_files"] as? [[String: Any]])
            #expect(files[0]["content"] as? String == "text \"é\"\n" && files[0]["mode"] as? String == "0640")
            #expect((files[1]["error"] as? [String: Any])?["reason"] as? String == "not_found")
        }
    }

    @Test("with a stream asked for, events come one by one, and the result last")
    func streamed() async throws {
        try await withFront { front in
            let body = #"{"argv":["say","é","and","more"],"output_files":["binary"]}"#
            let lines = try await front.ask(
                "POST", "/v1/run", json: body, headers: ["Accept": "application/x-ndjson"])
            let events = try lines.text.split(separator: "\n").map {
                try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
            }
            #expect(events.map { $0["event"] as? String } == ["started", "stdout", "stderr", "result"])
            #expect(events[1]["data"] as? String == "é and more" && events[1]["offset"] as? Int == 0)
            #expect(events[2]["data_base64"] as? String == "/wAB")
            #expect((events[3]["output_files"] as? [[String: Any]])?.first?["content_base64"] as? String == "/wAB")
            let sent = try await front.ask("POST", "/v1/run", json: body, headers: ["Accept": "text/event-stream"])
            #expect(sent.text.hasPrefix("event: started\ndata: {\"exec_id\":\"run\""))
            #expect(sent.text.contains("\n\nevent: result\ndata: {\"sandbox_id\":"))
        }
    }

    @Test("a claim is given back however the request ends")
    func left() async throws {
        try await withFront { front in
            _ = try await front.ask("POST", "/v1/run", json: #"{"argv":["x"]}"#)
            let detached = try await front.ask("POST", "/v1/run", json: #"{"argv":["x"],"detach":true}"#)
            #expect(detached.status == 202)
            #expect(detached.headers["location"]?.hasSuffix("/execs/run") == true)
            #expect(
                try await eventually {
                    front.service.update { $0.runs.values.allSatisfy(\.isLeft) && $0.runs.count == 2 }
                })
        }
    }

    @Test("what a sandbox refuses is a problem of the request's field")
    func refusedFile() async throws {
        try await withFront { front in
            let response = try await front.ask(
                "POST", "/v1/run", json: #"{"argv":["x"],"files":[{"path":"/refused","content":""}]}"#)
            #expect(response.status == 403)
            #expect(try response.json()["field"] as? String == "files[0].path")
            #expect(try response.json()["reason"] as? String == "permission_denied")
        }
    }
}
