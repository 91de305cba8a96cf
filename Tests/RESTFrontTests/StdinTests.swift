import SandboxModel
import Testing

@Suite("Stdin over REST")
struct StdinTests {
    @Test("ten megabytes arrive byte for byte, with a length or in chunks, and then EOF", arguments: [true, false])
    func uploads(_ chunked: Bool) async throws {
        try await withFront { front in
            let (id, _) = try await front.makeSandbox()
            let path = try front.makeExec(id)
            let bytes = (0..<10_000_000).map { FakeStream.pattern(at: UInt64($0)) }
            let response: WireResponse
            if chunked {
                let connection = try front.connect()
                try await connection.send(
                    TestFront.head("POST", path + "/stdin?offset=0&eof=true", headers: ["Transfer-Encoding": "chunked"])
                )
                for start in stride(from: 0, to: bytes.count, by: 99_991) {
                    let piece = bytes[start..<min(start + 99_991, bytes.count)]
                    try await connection.send(Array((String(piece.count, radix: 16) + "\r\n").utf8) + piece + [13, 10])
                }
                try await connection.send("0\r\n\r\n")
                response = try await connection.receive()
            } else {
                response = try await front.ask(
                    "POST", path + "/stdin?eof=true", body: bytes, headers: ["Expect": "100-continue"])
            }
            #expect(response.text == #"{"accepted":10000000,"closed":true}"#)
            #expect(try front.service.fake(try unwrap(ExecID("e1")), in: id).stdin == bytes)
        }
    }

    @Test(
        "a repeat is recognised by its offset, a hole is 409 with what was accepted, and without one the body is appended"
    )
    func offsets() async throws {
        try await withFront { front in
            let (id, _) = try await front.makeSandbox()
            let path = try front.makeExec(id) + "/stdin"
            #expect(try await front.ask("GET", path).text == #"{"accepted":0,"closed":false}"#)
            _ = try await front.ask("POST", path + "?offset=0", body: Array("hello".utf8))
            let again = try await front.ask("POST", path + "?offset=2", body: Array("llo wor".utf8))
            #expect(again.text == #"{"accepted":9,"closed":false}"#)
            let hole = try await front.ask("POST", path + "?offset=10", body: Array("x".utf8))
            #expect(hole.status == 409)
            #expect(try hole.json()["code"] as? String == "out_of_range")
            #expect(try hole.json()["accepted"] as? Int == 9)
            _ = try await front.ask("POST", path, body: Array("ld".utf8))
            let closed = try await front.ask("POST", path + "?eof=1", body: [])
            #expect(closed.text == #"{"accepted":11,"closed":true}"#)
            #expect(try front.service.fake(try unwrap(ExecID("e1")), in: id).stdin == Array("hello world".utf8))
        }
    }

    @Test("a body that breaks off is kept as far as it came and never sends EOF", arguments: [true, false])
    func brokenOff(_ chunked: Bool) async throws {
        try await withFront { front in
            let (id, _) = try await front.makeSandbox()
            let path = try front.makeExec(id)
            let exec = try unwrap(ExecID("e1"))
            let connection = try front.connect()
            if chunked {
                try await connection.send(
                    TestFront.head("POST", path + "/stdin?eof=true", headers: ["Transfer-Encoding": "chunked"])
                        + "5\r\nhello\r\n")
            } else {
                try await connection.send(TestFront.head("POST", path + "/stdin?eof=true", length: 100) + "hello")
            }
            #expect(try await eventually { try front.service.fake(exec, in: id).stdin == Array("hello".utf8) })
            connection.shut()
            // The next request is answered by the same service after the broken one was dealt with.
            try await Task.sleep(for: .milliseconds(100))
            let state = try await front.ask("GET", path + "/stdin")
            #expect(state.text == #"{"accepted":5,"closed":false}"#)
        }
    }

    @Test("a process that closes its stdin ends the upload early")
    func closedEarly() async throws {
        try await withFront { front in
            let (id, path) = try await front.makeSandbox(#"{"argv":["head"]}"#)
            front.service.update { $0.execs[id]?[.main]?.stdinLimit = 100_000 }
            let connection = try front.connect()
            try await connection.send(Array(TestFront.head("POST", path + "/stdin?eof=true", length: 400_000).utf8))
            try await connection.send([UInt8](repeating: 7, count: 400_000))
            let response = try await connection.receive()
            #expect(response.text == #"{"accepted":100000,"closed":true}"#)
            #expect(try await TestFront.ask(connection, "GET", "/healthz").status == 200)
        }
    }
}
