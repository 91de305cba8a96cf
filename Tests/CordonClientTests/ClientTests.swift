import CordonAPI
import CordonClient
import Testing

@Suite("The client")
struct ClientTests {
    private func client(_ server: ScriptedServer, patience: Duration = .seconds(30)) throws -> CordonClient {
        var client = try CordonClient(
            Credentials(url: "http://127.0.0.1:\(server.port)", tokenID: "id", tokenSecret: "secret"))
        client.patience = patience
        return client
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
            let error = await #expect(throws: ClientError.self) { try await client(server).sandbox(.id("x")) }
            #expect(error?.description == "there is no sandbox x")
            #expect(journal.all.count == 1)
        }
    }

    @Test("a service that stays away is given up on once patience is over")
    func givesUp() async throws {
        var client = try CordonClient(Credentials(url: "http://127.0.0.1:1", tokenID: "i", tokenSecret: "s"))
        client.patience = .milliseconds(200)
        let error = await #expect(throws: ClientError.self) { try await client.sandbox(.id("x")) }
        guard case .unreachable = error else {
            Issue.record("\(String(describing: error))")
            return
        }
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

    @Test(
        "a sandbox is named by id, name, or app and name",
        arguments: [
            ("sb-aaaaaaaaaaaaaaaaaaaaaaaaaa", .id("sb-aaaaaaaaaaaaaaaaaaaaaaaaaa")),
            ("box", .name("box", app: "default")),
            ("tools/box", .name("box", app: "tools")), ("sb-short", .name("sb-short", app: "default")), ("", nil),
            ("a/b/c", nil), ("/box", nil), ("tools/", nil),
        ] as [(String, SandboxReference?)])
    func namesSandboxes(_ text: String, _ reference: SandboxReference?) {
        #expect(SandboxReference(text) == reference)
        if let reference { #expect(SandboxReference("\(reference)") == reference) }
    }
}
