import SandboxModel
import Testing

@Suite("Sandboxes over REST")
struct SandboxRouteTests {
    @Test("a sandbox is created with what was asked for, shown, listed and found by name")
    func createsAndShows() async throws {
        try await withFront { front in
            let json = """
                {"app":"web","name":"one","tags":{"team":"a/b"},"argv":["sleep","1"],"env":{"K":"hunter2"},"workdir":"/tmp",
                 "timeout_seconds":12.5,"idle_timeout_seconds":3,"cpu":{"request":0.5,"limit":1.25},
                 "memory_mib":{"limit":64},"pids_limit":100,"disk_mib":512,"policy":"strict","image":"host","runtime":"builtin",
                 "block_network":true,"volumes":[],"pty":null}
                """
            let created = try await front.ask("POST", "/v1/sandboxes", json: json, headers: ["Idempotency-Key": "k1"])
            #expect(created.status == 201)
            #expect(!created.text.contains("hunter2"))
            let body = try created.json()
            let id = try unwrap(body["id"] as? String)
            #expect(created.headers["location"] == "/v1/sandboxes/\(id)")
            let spec = try await front.service.sandbox(try unwrap(SandboxID(id))).spec
            #expect(spec.timeout == .milliseconds(12_500))
            #expect(spec.resources.cpuMillicores.limit == 1250)
            #expect(spec.environment.variables == ["K": "hunter2"])
            #expect(front.service.update { $0.keys.map(\.route) } == ["POST /v1/sandboxes"])
            let shown = try await front.ask("GET", "/v1/sandboxes/\(id)")
            #expect(shown.text == created.text)
            let named = try await front.ask("GET", "/v1/apps/web/sandboxes/one")
            #expect(named.text == created.text)
            let list = try await front.ask("GET", "/v1/sandboxes?app=web&tag=team%3Da%2Fb&state=running")
            #expect(((try list.json()["sandboxes"]) as? [Any])?.count == 1)
            let other = try await front.ask("GET", "/v1/sandboxes?tag=team%3Db")
            #expect(((try other.json()["sandboxes"]) as? [Any])?.count == 0)
        }
    }

    @Test("pages follow each other by cursor without losing or repeating one")
    func pages() async throws {
        try await withFront { front in
            var made: [String] = []
            for _ in 0..<5 { made.insert(try await front.makeSandbox().id.text, at: 0) }
            var seen: [String] = []
            var cursor: String?
            repeat {
                let page = try await front.ask("GET", "/v1/sandboxes?limit=2" + (cursor.map { "&cursor=\($0)" } ?? ""))
                    .json()
                seen += try unwrap(page["sandboxes"] as? [[String: Any]]).compactMap { $0["id"] as? String }
                cursor = page["next_cursor"] as? String
            } while cursor != nil
            #expect(seen == made)
        }
    }

    @Test("deadlines and tags change, null removes the idle timeout, and an ended sandbox refuses")
    func changes() async throws {
        try await withFront { front in
            let (id, path) = try await front.makeSandbox(#"{"idle_timeout_seconds":5}"#)
            let longer = try await front.ask("PATCH", path, json: #"{"timeout_seconds":99}"#)
            #expect(try longer.json()["timeout_seconds"] as? Double == 99)
            #expect(try longer.json()["idle_timeout_seconds"] as? Double == 5)
            _ = try await front.ask("PATCH", path, json: #"{"idle_timeout_seconds":null}"#)
            #expect(try await front.service.sandbox(id).spec.idleTimeout == nil)
            let tagged = try await front.ask("PUT", path + "/tags", json: #"{"tags":{"a":"b"}}"#)
            #expect(try tagged.json()["tags"] as? [String: String] == ["a": "b"])
            let ended = try await front.ask("DELETE", path)
            #expect(try ended.json()["state"] as? String == "ended")
            #expect(try await front.ask("DELETE", path).status == 200)
            let refused = try await front.ask("PATCH", path, json: #"{"timeout_seconds":1}"#)
            #expect(refused.status == 409)
            #expect(try refused.json()["code"] as? String == "failed_precondition")
        }
    }

    @Test("a wait answers null while it isn't over, and the result once it is")
    func waits() async throws {
        try await withFront { front in
            let (id, path) = try await front.makeSandbox()
            let early = try await front.ask("GET", path + "/wait?timeout_seconds=0.01")
            #expect(early.text == #"{"result":null}"#)
            async let later = front.ask("GET", path + "/wait?timeout_seconds=30")
            _ = try await front.service.terminate(id)
            let result = try unwrap(try await later.json()["result"] as? [String: Any])
            #expect(result["reason"] as? String == "terminated")
        }
    }

    @Test("followed events come as lines or server-sent events and stop with the end")
    func followsEvents() async throws {
        try await withFront { front in
            let (id, path) = try await front.makeSandbox()
            let list = try await front.ask("GET", path + "/events?after=1")
            #expect((try list.json()["events"] as? [Any])?.count == 1)
            let lines = try front.connect()
            try await lines.send(TestFront.head("GET", path + "/events?follow=true"))
            #expect(try await lines.receiveHead().headers["content-type"] == "application/x-ndjson")
            #expect(String(decoding: try await lines.chunk().bytes, as: UTF8.self).contains("created"))
            async let streamed = front.ask(
                "GET", path + "/events?follow=1", headers: ["Accept": "text/event-stream", "Last-Event-ID": "2"])
            async let beyond = front.ask("GET", path + "/events?follow=true&after=99")
            _ = try await front.service.terminate(id)
            var rest = ""
            while case let bytes = try await lines.chunk().bytes, !bytes.isEmpty {
                rest += String(decoding: bytes, as: UTF8.self)
            }
            #expect(rest.hasSuffix("\n") && rest.contains(#""kind":"ended""#))
            let sent = try await streamed
            #expect(sent.headers["content-type"] == "text/event-stream")
            #expect(sent.text.hasPrefix("id: 3\nevent: ended\ndata: {"))
            let again = try await front.ask("GET", path + "/events?follow=true&after=3")
            #expect(again.status == 200 && again.body.isEmpty)
            // Who asks for what comes after events that never were ends with the sandbox too.
            #expect(try await beyond.body.isEmpty)
        }
    }

    @Test("health, readiness with its reason, and the contract need no token")
    func operations() async throws {
        try await withFront { front in
            #expect(try await front.ask("GET", "/healthz", authorized: false).status == 200)
            #expect(try await front.ask("GET", "/readyz", authorized: false).status == 200)
            front.service.update { $0.ready = Readiness(ready: false, reason: "the launcher doesn't answer") }
            let waiting = try await front.ask("GET", "/readyz", authorized: false)
            #expect(waiting.status == 503)
            #expect(waiting.headers["retry-after"] == "1")
            #expect(waiting.text.contains("the launcher doesn't answer"))
            let contract = try await front.ask("GET", "/openapi.yaml", authorized: false)
            #expect(contract.text.hasPrefix("openapi: 3.1.0\n"))
        }
    }
}
