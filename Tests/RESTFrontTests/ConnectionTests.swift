import RESTFront
import SandboxModel
import Testing

@Suite("Connections to the REST front")
struct ConnectionTests {
    @Test(
        "what isn't HTTP gets a problem document and is closed",
        arguments: [
            "garbage\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET /healthz HTTP/1.1\r\nBad Name: x\r\n\r\n",
            "\u{16}\u{3}\u{1}\u{2}\r\n\r\n",
        ])
    func refusesGarbage(_ text: String) async throws {
        try await withFront { front in
            let connection = try front.connect()
            try await connection.send(text)
            let response = try await connection.receive()
            #expect(response.status == 400)
            #expect(try response.json()["request_id"] as? String == response.headers["x-request-id"])
            #expect(response.headers["content-type"] == "application/problem+json")
            #expect(try await connection.isClosedByPeer())
        }
    }

    @Test("garbage behind a good request is refused after that was answered")
    func pipelinedGarbage() async throws {
        try await withFront { front in
            let connection = try front.connect()
            try await connection.send(
                TestFront.head("GET", "/healthz") + TestFront.head("GET", "/readyz") + "rubbish\r\n\r\n")
            #expect(try await connection.receive().status == 200)
            #expect(try await connection.receive().text.contains("ready"))
            #expect(try await connection.receive().status == 400)
            #expect(try await connection.isClosedByPeer())
        }
    }

    @Test("garbage within a chunked body is refused, and the connection closed")
    func garbageInBody() async throws {
        try await withFront { front in
            let connection = try front.connect()
            try await connection.send(
                TestFront.head(
                    "POST", "/v1/sandboxes",
                    headers: ["Transfer-Encoding": "chunked", "Content-Type": "application/json"]) + "zz\r\n{}")
            #expect(try await connection.receive().status == 400)
            #expect(try await connection.isClosedByPeer())
            #expect(front.service.update { $0.sandboxes.isEmpty })
        }
    }

    @Test(
        "an oversized target, field or number of fields is 431",
        arguments: [
            "GET /\(String(repeating: "x", count: 20_000)) HTTP/1.1\r\n",
            "GET / HTTP/1.1\r\nA: \(String(repeating: "x", count: 20_000))\r\n",
            "GET / HTTP/1.1\r\n" + String(repeating: "A: \(String(repeating: "x", count: 10_000))\r\n", count: 7),
            "GET / HTTP/1.1\r\n" + String(repeating: "A: x\r\n", count: 101),
        ])
    func boundsHead(_ text: String) async throws {
        try await withFront { front in
            let connection = try front.connect()
            try await connection.send(text)
            let response = try await connection.receive()
            #expect(response.status == 431)
            #expect(try await connection.isClosedByPeer())
        }
    }

    @Test("a head that never gets complete, a body that never does, and an idle connection are closed")
    func closesIdleConnections() async throws {
        var options = RESTFrontOptions()
        options.headTimeout = .milliseconds(700)
        options.bodyTimeout = .milliseconds(700)
        try await withFront(options) { front in
            let silent = try front.connect()
            #expect(try await silent.isClosedByPeer())
            let slow = try front.connect()
            try await slow.send("GET /healthz HTTP/1.1\r\nHost:")
            #expect(try await slow.isClosedByPeer())
            let half = try front.connect()
            try await half.send(
                TestFront.head("POST", "/v1/sandboxes", headers: ["Content-Type": "application/json"], length: 10) + "{"
            )
            #expect((try? await half.receive()).map { $0.status == 400 } ?? true)
            #expect(try await half.isClosedByPeer())
            let used = try front.connect()
            #expect(try await TestFront.ask(used, "GET", "/healthz").status == 200)
            #expect(try await used.isClosedByPeer())
        }
    }

    @Test("neither a long wait nor a slow stdin upload is taken for an idle connection")
    func sparesLongRequests() async throws {
        var options = RESTFrontOptions()
        // Long enough for a client on a busy machine to send its head.
        options.headTimeout = .seconds(1)
        options.bodyTimeout = .seconds(1)
        try await withFront(options) { front in
            let (id, path) = try await front.makeSandbox()
            #expect(try await front.ask("GET", path + "/wait?timeout_seconds=1.5").status == 200)
            let exec = try front.makeExec(id)
            let connection = try front.connect()
            try await connection.send(TestFront.head("POST", exec + "/stdin", length: 6) + "abc")
            try await Task.sleep(for: .milliseconds(1600))
            try await connection.send("def")
            #expect(try await connection.receive().text == #"{"accepted":6,"closed":false}"#)
        }
    }

    @Test("connections above the limit are told so and closed, and a place is free again after")
    func boundsConnections() async throws {
        var options = RESTFrontOptions()
        options.maximumConnections = 2
        try await withFront(options) { front in
            let first = try front.connect()
            let second = try front.connect()
            _ = try await TestFront.ask(first, "GET", "/healthz")
            _ = try await TestFront.ask(second, "GET", "/healthz")
            let third = try front.connect()
            let refused = try await third.receive()
            #expect(refused.status == 503)
            #expect(refused.headers["retry-after"] != nil)
            #expect(try await third.isClosedByPeer())
            first.shut()
            var last = ""
            for _ in 0..<2500 where last != "200" {
                do {
                    last = "\(try await front.ask("GET", "/healthz").status)"
                } catch { last = "\(error)" }
                try await Task.sleep(for: .milliseconds(4))
            }
            #expect(last == "200")
        }
    }

    @Test("a body that nobody wants is drained a little, then the connection is closed")
    func boundsDraining() async throws {
        try await withFront { front in
            let connection = try front.connect()
            try await connection.send(
                TestFront.head("POST", "/v1/sandboxes", headers: ["Content-Type": "application/json"], length: 1 << 30))
            let refused = try await connection.receive()
            #expect(refused.status == 413)
            #expect(refused.headers["connection"] == "close")
            var sent = 0
            do {
                while sent < 1 << 28 {
                    try await connection.send([UInt8](repeating: 32, count: 1 << 16))
                    sent += 1 << 16
                }
            } catch is WireError {}
            #expect(sent < 1 << 28)
        }
    }

    @Test("behind an answer that came before the body was there the connection goes on, or it said that it won't")
    func answersEarly() async throws {
        try await withFront { front in
            let connection = try front.connect()
            for _ in 0..<3 {
                try await connection.send(
                    TestFront.head("POST", "/v1/sandboxes", headers: ["Content-Type": "text/plain"], length: 1 << 20))
                let refused = try await connection.receive()
                #expect(refused.status == 415)
                #expect(refused.headers["connection"] == nil)
                try await connection.send([UInt8](repeating: 32, count: 1 << 20))
                #expect(try await TestFront.ask(connection, "GET", "/healthz").status == 200)
            }
            // Nobody knows how much would come.
            try await connection.send(
                "POST /v1/sandboxes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer id.secret\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"
            )
            let refused = try await connection.receive()
            #expect(refused.status == 415)
            #expect(refused.headers["connection"] == "close")
        }
    }

    @Test("a request that asks for an upgrade is answered as it is, and the connection closed")
    func closesAfterUpgradeRequest() async throws {
        try await withFront { front in
            let connection = try front.connect()
            try await connection.send(
                "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n"
            )
            #expect(try await connection.receive().status == 200)
            #expect(try await connection.isClosedByPeer())
        }
    }

    @Test("a client that closes its sending side behind a request still gets the answer")
    func answersHalfClosed() async throws {
        try await withFront { front in
            let connection = try front.connect()
            try await connection.send(TestFront.head("GET", "/healthz"))
            connection.shutdownSending()
            #expect(try await connection.receive().status == 200)
        }
    }

    @Test("a thousand requests on one connection leave nothing behind")
    func keepsAlive() async throws {
        try await withFront { front in
            let connection = try front.connect()
            let (_, path) = try await front.makeSandbox()
            for _ in 0..<1000 {
                let status = try await TestFront.ask(connection, "GET", path + "/wait?timeout_seconds=0").status
                guard status == 200 else {
                    Issue.record("status \(status)")
                    return
                }
            }
            #expect(front.service.update { $0.waits } == 0)
        }
    }
}
