import CordonAPI
import CordonClient
import Foundation
import Synchronization
import Testing

@Suite("The client")
struct ClientTests {
    /// Counts and keeps what a script saw.
    final class Journal: Sendable {
        private let requests = Mutex<[SeenRequest]>([])

        func note(_ request: SeenRequest) -> Int {
            requests.withLock {
                $0.append(request)
                return $0.count
            }
        }

        var all: [SeenRequest] { requests.withLock { $0 } }
    }

    private func client(_ server: ScriptedServer, patience: Duration = .seconds(30)) throws -> CordonClient {
        var client = try CordonClient(
            Credentials(url: "http://127.0.0.1:\(server.port)", tokenID: "id", tokenSecret: "secret"))
        client.patience = patience
        return client
    }

    @Test("a stream that breaks off again and again is put together byte for byte")
    func resumes() async throws {
        let bytes = (0..<100_003).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
        let journal = Journal()
        try await ScriptedServer.run { request in
            let count = journal.note(request)
            // One try in four finds nobody; the others break off somewhere.
            if count.isMultiple(of: 4) { return .hangUp }
            let offset = request.uri.split(separator: "offset=").last.flatMap { Int($0.prefix { $0.isNumber }) } ?? 0
            let rest = Array(bytes[offset...])
            return .answer(
                headers: ["Cordon-Offset": String(offset), "Cordon-Dropped": "0"], body: rest,
                trailers: rest.count <= 9001 ? ["Cordon-End": "100003"] : [:], cutAfter: rest.count > 9001 ? 9001 : nil)
        } _: { server in
            var received: [UInt8] = []
            let end = try await client(server).follow(.stdout, of: "e", in: "sb-x") { received += $0 }
            #expect(received == bytes)
            #expect(end == 100_003)
            #expect(journal.all.count > 11)
            #expect(journal.all.allSatisfy { $0.headers["authorization"] == "Bearer id.secret" })
        }
    }

    @Test("bytes that are gone are told of, and the rest follows")
    func tellsGap() async throws {
        try await ScriptedServer.run { request in
            request.uri.contains("offset=0&")
                ? .answer(headers: ["Cordon-Offset": "0", "Cordon-Dropped": "0"], body: [1, 2])
                : .answer(headers: ["Cordon-Offset": "10", "Cordon-Dropped": "8", "Cordon-End": "12"], body: [3, 4])
        } _: { server in
            var received: [UInt8] = []
            var gone: [UInt64] = []
            try await client(server).follow(.stderr, of: "e", in: "sb-x", onGap: { gone.append($0) }) { received += $0 }
            #expect(received == [1, 2, 3, 4])
            #expect(gone == [8])
        }
    }

    @Test("a start is repeated with the same id and key until the service answers")
    func repeatsStart() async throws {
        let journal = Journal()
        let exec = Exec(
            id: "e", sandboxID: "sb-x", argv: ["x"], workdir: nil, user: nil, timeoutSeconds: nil, onFull: "pause",
            stdout: "keep",
            stderr: "keep", pty: nil, state: "running", createdAt: try #require(APITime("2026-01-01T00:00:00Z")),
            startedAt: nil,
            result: nil)
        let answer = try JSONText.encode(exec)
        let unavailable = Array(
            #"{"type":"t","title":"t","status":503,"detail":"d","code":"unavailable","request_id":"r"}"#.utf8)
        try await ScriptedServer.run { request in
            switch journal.note(request) {
            case 1: .hangUp
            case 2: .answer(status: 503, body: unavailable)
            case 3: .answer(status: 201, body: answer, cutAfter: 10)
            default: .answer(status: 201, body: answer)
            }
        } _: { server in
            let started = try await client(server).start(StartExecRequest(argv: ["x"]), in: "sb-x")
            #expect(started == exec)
            #expect(journal.all.count == 4)
            #expect(Set(journal.all.map(\.body)).count == 1)
            #expect(Set(journal.all.map { $0.headers["idempotency-key"] }).count == 1)
            let body = journal.all.first?.body ?? []
            #expect(String(decoding: body, as: UTF8.self).contains(#""exec_id":"cli-"#))
        }
    }

    @Test("stdin is written by offset, a repeat included, and closed behind the last byte")
    func feeds() async throws {
        let journal = Journal()
        let taken = Mutex<[UInt8]>([])
        try await ScriptedServer.run { request in
            let count = journal.note(request)
            let offset = request.uri.split(separator: "offset=").last.flatMap { Int($0.prefix { $0.isNumber }) } ?? 0
            let state = taken.withLock { taken in
                taken += request.body.dropFirst(taken.count - offset)
                return taken.count
            }
            // Every third write is taken, but its answer is lost.
            if count.isMultiple(of: 3) { return .hangUp }
            return .answer(body: Array(#"{"accepted":\#(state),"closed":\#(request.uri.contains("eof=true"))}"#.utf8))
        } _: { server in
            let pieces = (0..<20).map { index in [UInt8](repeating: UInt8(index), count: 100 + index) }
            let (stream, source) = AsyncStream<[UInt8]>.makeStream()
            for piece in pieces { source.yield(piece) }
            source.finish()
            try await client(server).feed(stream, to: "e", in: "sb-x")
            #expect(taken.withLock { $0 } == pieces.flatMap { $0 })
            #expect(journal.all.last?.uri.contains("eof=true") == true)
        }
    }

    @Test("a refusal isn't repeated and carries the problem")
    func reportsProblem() async throws {
        let journal = Journal()
        let problem = Array(
            #"{"type":"t","title":"t","status":404,"detail":"there is no sandbox x","code":"not_found","request_id":"r"}"#
                .utf8)
        try await ScriptedServer.run { request in
            _ = journal.note(request)
            return .answer(status: 404, headers: ["Content-Type": "application/problem+json"], body: problem)
        } _: { server in
            let error = await #expect(throws: ClientError.self) { try await client(server).sandbox("x") }
            #expect(error?.description == "there is no sandbox x")
            #expect(journal.all.count == 1)
        }
    }

    @Test("a service that stays away is given up on once patience is over")
    func givesUp() async throws {
        var client = try CordonClient(Credentials(url: "http://127.0.0.1:1", tokenID: "i", tokenSecret: "s"))
        client.patience = .milliseconds(200)
        let error = await #expect(throws: ClientError.self) { try await client.sandbox("x") }
        guard case .unreachable = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test("credentials come from the path, the variables, or the file they name; nothing else is asked")
    func findsCredentials() throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "cordon-\(UUID().uuidString).json").path
        try Data(#"{"url":"http://a:1","grpc_url":"x","token_id":"i","token_secret":"s"}"#.utf8).write(
            to: URL(filePath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(try Credentials.find(path: path, environment: [:]).tokenID == "i")
        #expect(
            try Credentials.find(environment: ["CORDON_CREDENTIALS": path, "CORDON_URL": "http://b:2"]).url
                == "http://b:2")
        let own = try Credentials.find(environment: [
            "CORDON_TOKEN_ID": "x", "CORDON_TOKEN_SECRET": "y", "CORDON_CREDENTIALS": path,
        ])
        #expect(own.tokenID == "x" && own.tokenSecret == "y")
        #expect(throws: ClientError.self) { try Credentials.find(path: "/nowhere", environment: [:]) }
    }

    @Test(
        "a command's end is the status that a shell expects",
        arguments: [
            ("exited", 3, nil, 3), ("signalled", nil, 11, 139), ("timed_out", nil, 9, 124),
            ("idle_timed_out", nil, nil, 124),
            ("out_of_memory", nil, 9, 137), ("failed_to_start", nil, nil, 127), ("terminated", nil, 15, 143),
            ("supervisor_lost", nil, nil, 125),
        ] as [(String, Int?, Int?, Int32)])
    func mapsEndings(_ reason: String, _ code: Int?, _ signal: Int?, _ status: Int32) throws {
        let at = try #require(APITime("2026-01-01T00:00:00Z"))
        let result = EndResult(reason: reason, exitCode: code, signal: signal, waitStatus: nil, detail: nil, at: at)
        #expect(ExitStatus(result).code == status)
        let sandbox = EndResult(reason: "timed_out", exitCode: nil, signal: nil, waitStatus: nil, detail: nil, at: at)
        #expect(ExitStatus(result, sandbox: sandbox).code == (reason == "terminated" ? 124 : status))
    }
}
