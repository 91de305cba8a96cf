import CordonAPI
import Foundation
import RESTFront
import SandboxModel
import Testing

@Suite("Attaching over WebSocket")
struct AttachTests {
    @Test("the handshake is answered as RFC 6455 computes it, and names the subprotocol that was offered")
    func handshake() async throws {
        try await withFront { front in
            let (id, _) = try await front.makeSandbox()
            let exec = try front.makeExec(id)
            for (offered, named) in [("", nil), ("cordon.v1", "cordon.v1"), ("x, cordon.v1", "cordon.v1")] {
                let connection = try front.connect()
                try await connection.send(
                    WireSocket.handshake(exec + "/attach", headers: ["Sec-WebSocket-Protocol": offered]))
                let answer = try await connection.receiveHead()
                #expect(answer.status == 101)
                #expect(answer.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
                #expect(answer.headers["upgrade"] == "websocket")
                #expect(answer.headers["sec-websocket-protocol"] == named)
                #expect(answer.headers["sec-websocket-extensions"] == nil)
            }
        }
    }

    @Test("what is no good handshake is answered with a problem document")
    func refusals() async throws {
        var options = RESTFrontOptions()
        options.allowedOrigins = ["https://friend.example"]
        try await withFront(options) { front in
            let (id, _) = try await front.makeSandbox()
            let exec = try front.makeExec(id, stdout: FakeStream(bytes: [1, 2, 3], closed: false))
            let cases: [(path: String, headers: [String: String], status: Int)] = [
                ("/attach", ["Upgrade": ""], 426), ("/attach", ["Upgrade": "h2c"], 426),
                ("/attach", ["Sec-WebSocket-Version": "8"], 426), ("/attach", ["Sec-WebSocket-Key": "abc"], 400),
                ("/attach", ["Sec-WebSocket-Key": ""], 400), ("/attach", ["Content-Length": "3"], 400),
                ("/attach", ["Sec-WebSocket-Protocol": "chat"], 400), ("/attach?what=1", [:], 400),
                ("/attach?stdout_offset=-1", [:], 400), ("/attach?stdout_offset=4", [:], 416),
                ("/attach?stdin=perhaps", [:], 400), ("x/attach", [:], 404),
                ("/attach", ["Origin": "https://evil.example"], 403), ("/attach", ["Origin": "null"], 403),
                ("/attach", ["Origin": "https://localhost"], 403), ("/attach", ["Origin": "http://localhost"], 101),
                ("/attach", ["Origin": "https://friend.example"], 101), ("/attach?stdout_offset=3", [:], 101),
                ("/attach?stdout_offset=end&stderr_offset=end", [:], 101),
            ]
            for (path, headers, status) in cases {
                let connection = try front.connect()
                try await connection.send(WireSocket.handshake(exec + path, headers: headers))
                let answer = try await connection.receiveHead()
                #expect(answer.status == status, "\(path) \(headers)")
                if status == 426 { #expect(answer.headers["upgrade"] == "websocket") }
                if status != 101 { #expect(answer.headers["content-type"] == "application/problem+json") }
            }
            #expect(try await eventually { front.service.streamReaders(of: exec) == 0 })
        }
    }

    @Test("a token may come as a subprotocol, and is neither echoed nor taken for the real one")
    func bearerSubprotocol() async throws {
        try await withFront { front in
            let (id, _) = try await front.makeSandbox()
            let exec = try front.makeExec(id)
            for (offered, status) in [
                ("cordon.bearer.aWQuc2VjcmV0, cordon.v1", 101),
                ("cordon.v1, base64url.bearer.authorization.k8s.io.aWQuc2VjcmV0", 101),
                ("cordon.bearer.aWQuc2VjcmV0", 101), ("cordon.bearer.aWQuc2VjcmV1", 401), ("cordon.bearer.?", 401),
                ("cordon.v1", 401), ("cordon.bearer.aWQuc2VjcmV0, cordon.bearer.aWQuc2VjcmV0", 401),
            ] {
                let connection = try front.connect()
                try await connection.send(
                    WireSocket.handshake(
                        exec + "/attach", headers: ["Sec-WebSocket-Protocol": offered], authorized: false))
                let answer = try await connection.receiveHead()
                #expect(answer.status == status, "\(offered)")
                let named = answer.headers["sec-websocket-protocol"]
                #expect(named == (status == 101 && offered.contains("cordon.v1") ? "cordon.v1" : nil))
            }
        }
    }

    @Test("bytes, ends and the exit come with their offsets, and then the connection is closed")
    func wholeStory() async throws {
        try await withFront { front in
            let (id, _) = try await front.makeSandbox()
            let out = FakeStream(bytes: Array("abcdef".utf8), closed: true)
            let exec = try front.makeExec(id, stdout: out, stderr: FakeStream(bytes: []))
            let socket = try await front.attach(exec + "/attach?stdout_offset=2")
            let started = try await socket.receive().json()
            #expect(started["type"] as? String == "started")
            #expect(started["stdout_offset"] as? Int == 2)
            #expect((started["exec"] as? [String: Any])?["id"] as? String == "e1")
            front.service.finish(try unwrap(ExecID("e1")), in: id, exitCode: 3)
            var texts: [String: [String: Any]] = [:]
            var bytes: [[UInt8]] = []
            var close: WireSocket.Frame?
            while close == nil {
                let frame = try await socket.receive()
                switch frame.opcode {
                case 1:
                    let json = try frame.json()
                    texts["\(json["type"] ?? "") \(json["stream"] ?? "")"] = json
                case 2: bytes.append(frame.payload)
                default: close = frame
                }
            }
            #expect(bytes == [[1, 0, 0, 0, 0, 0, 0, 0, 2] + Array("cdef".utf8)])
            #expect(texts["end stdout"]?["offset"] as? Int == 6)
            #expect(texts["end stderr"]?["offset"] as? Int == 0)
            #expect((texts["exit "]?["result"] as? [String: Any])?["exit_code"] as? Int == 3)
            #expect(close?.closeCode == 1000)
            try await socket.send(8, [3, 232])
            #expect(try await socket.connection.isClosedByPeer())
            #expect(try await eventually { front.service.streamReaders(of: exec) == 0 })
        }
    }

    @Test("a stream that leftover children hold ends the attach a while after the command")
    func leftovers() async throws {
        try await withFront { front in
            let (id, _) = try await front.makeSandbox()
            let exec = try front.makeExec(id, stdout: FakeStream(bytes: [65], closed: false))
            let socket = try await front.attach(exec + "/attach")
            front.service.finish(try unwrap(ExecID("e1")), in: id, closingStreams: false)
            _ = try await socket.event("exit")
            var last = try await socket.receive()
            while last.opcode != 8 {
                #expect(last.opcode == 2)
                last = try await socket.receive()
            }
            #expect(last.closeCode == 1000)
        }
    }

    @Test("stdin goes by offset: repeats are skipped, gaps refused with what was accepted, the end is told")
    func stdin() async throws {
        try await withFront { front in
            let (id, _) = try await front.makeSandbox()
            let exec = try front.makeExec(id)
            let socket = try await front.attach(exec + "/attach")
            try await socket.send(stdin: 0, "abc")
            #expect(try await socket.event("stdin")["accepted"] as? Int == 3)
            try await socket.send(stdin: 1, "bcd")
            #expect(try await socket.event("stdin")["accepted"] as? Int == 4)
            try await socket.send(stdin: 9, "x")
            let problem = try unwrap(try await socket.event("error")["problem"] as? [String: Any])
            #expect(problem["code"] as? String == "out_of_range")
            #expect(problem["accepted"] as? Int == 4)
            try await endlessStdin(socket)
            try await socket.send(text: #"{"type":"signal","signal":"TERM"}"#)
            for bad in [
                #"{"type":"signal","signal":"NO"}"#, #"{"type":"dance"}"#, #"{"type":"eof"}"#,
                #"{"type":"eof","offset":1,"more":2}"#, #"{"type":"resize","rows":0,"cols":1}"#,
            ] {
                try await socket.send(text: bad)
                let problem = try unwrap(try await socket.event("error")["problem"] as? [String: Any])
                #expect(problem["code"] as? String == "invalid_argument", "\(bad)")
            }
            try await socket.send(text: #"{"type":"eof","offset":4}"#)
            #expect(try await socket.event("stdin")["closed"] as? Bool == true)
            try await endlessStdin(socket)
            let fake = try front.service.fake(try unwrap(ExecID("e1")), in: id)
            #expect(String(decoding: fake.stdin, as: UTF8.self) == "abcd")
            #expect(fake.signals == [15])
        }
    }

    /// Bytes so far out that there is no offset behind them.
    private func endlessStdin(_ socket: WireSocket) async throws {
        try await socket.send(stdin: .max, "x")
        let problem = try unwrap(try await socket.event("error")["problem"] as? [String: Any])
        #expect(problem["code"] as? String == "out_of_range")
    }

    @Test("a signal passes stdin that nobody reads")
    func signalOvertakes() async throws {
        try await withFront { front in
            let (id, _) = try await front.makeSandbox()
            let exec = try front.makeExec(id)
            front.service.update { $0.execs[id]?[ExecID("e1")!]?.stdinLimit = 2 }
            let socket = try await front.attach(exec + "/attach")
            try await socket.send(stdin: 0, "abcdef")
            try await socket.send(text: #"{"type":"signal","signal":9}"#)
            #expect(
                try await eventually { try front.service.fake(ExecID("e1")!, in: id).signals == [9] })
        }
    }

    @Test("a read-only attach takes nothing")
    func readOnly() async throws {
        try await withFront { front in
            let (id, _) = try await front.makeSandbox()
            let exec = try front.makeExec(id)
            let socket = try await front.attach(exec + "/attach?stdin=false")
            #expect(try await socket.receive().json()["read_only"] as? Bool == true)
            try await socket.send(stdin: 0, "abc")
            for text in [
                #"{"type":"eof","offset":0}"#, #"{"type":"signal","signal":9}"#,
                #"{"type":"resize","rows":1,"cols":1}"#,
            ] { try await socket.send(text: text) }
            for _ in 0..<4 {
                let problem = try unwrap(try await socket.event("error")["problem"] as? [String: Any])
                #expect(problem["code"] as? String == "failed_precondition")
            }
            let fake = try front.service.fake(ExecID("e1")!, in: id)
            #expect(fake.stdin.isEmpty && !fake.stdinClosed && fake.signals.isEmpty)
        }
    }

    @Test(
        "what isn't of the subprotocol closes the connection",
        arguments: [(1, Array("{".utf8), 1008), (1, Array("[]".utf8), 1008), (2, [1], 1008), (2, [0, 1], 1008)])
    func violations(_ opcode: UInt8, _ payload: [UInt8], _ code: Int) async throws {
        try await withFront { front in
            let (id, _) = try await front.makeSandbox()
            let socket = try await front.attach(try front.makeExec(id) + "/attach")
            try await socket.send(opcode, payload)
            var frame = try await socket.receive()
            while frame.opcode != 8 { frame = try await socket.receive() }
            #expect(frame.closeCode == code)
        }
    }

    @Test("bytes that are gone are told of before those that are there")
    func gap() async throws {
        try await withFront { front in
            let (id, _) = try await front.makeSandbox()
            let exec = try front.makeExec(id, stdout: FakeStream(patternOf: 2000, first: 1500, closed: true))
            let socket = try await front.attach(exec + "/attach?stdout_offset=100")
            let gap = try await socket.event("gap")
            #expect(gap["from"] as? Int == 100 && gap["to"] as? Int == 1500 && gap["dropped"] as? Int == 1400)
            var frame = try await socket.receive()
            while frame.opcode != 2 { frame = try await socket.receive() }
            #expect(Array(frame.payload[..<9]) == [1, 0, 0, 0, 0, 0, 0, 0x05, 0xDC])
            #expect(frame.payload.count == 509)
        }
    }

    @Test("an upgrade works on any request of a connection, and what comes behind it at once isn't lost")
    func reusedConnection() async throws {
        try await withFront { front in
            let (id, _) = try await front.makeSandbox()
            let exec = try front.makeExec(id)
            let connection = try front.connect()
            for _ in 0..<3 { #expect(try await TestFront.ask(connection, "GET", "/healthz").status == 200) }
            // Two requests and the first frame in one write.
            let frame = WebSocketReaderTests.frame(9, [7])
            try await connection.send(
                Array((TestFront.head("GET", "/readyz") + WireSocket.handshake(exec + "/attach")).utf8) + frame)
            #expect(try await connection.receive().status == 200)
            #expect(try await connection.receiveHead().status == 101)
            let socket = WireSocket(connection)
            let frames = [try await socket.receive(), try await socket.receive()]
            #expect(frames.contains(WireSocket.Frame(opcode: 10, payload: [7])))
        }
    }
}
