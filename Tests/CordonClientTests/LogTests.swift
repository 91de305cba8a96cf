import CordonAPI
import CordonClient
import Synchronization
import Testing

@Suite("The client's logs")
struct LogTests {
    private func client(_ server: ScriptedServer) throws -> CordonClient {
        try CordonClient(Credentials(url: "http://127.0.0.1:\(server.port)", tokenID: "i", tokenSecret: "s"))
    }

    private func entry(_ stream: String, _ offset: Int, _ text: String, second: Int) -> String {
        #"{"stream":"\#(stream)","offset":\#(offset),"length":\#(text.utf8.count),"#
            + #""at":"2026-01-01T00:00:0\#(second)Z","text":"\#(text)"}"#
    }

    @Test("entries come in order, whether pages break off or grow, and what the index has forgotten comes first")
    func reads() async throws {
        let journal = Journal()
        try await ScriptedServer.run { request in
            let count = journal.note(request)
            if request.uri.contains("/stdout?") {
                let start = request.uri.contains("offset=0&")
                return .answer(
                    headers: ["Cordon-Offset": start ? "2" : "9", "Cordon-Dropped": start ? "2" : "0"],
                    body: start ? Array("cd".utf8) : [])
            }
            if request.uri.contains("/stderr?") { return .answer(headers: ["Cordon-Offset": "3"], body: []) }
            let entries = [entry("stdout", 4, #"e}\"{"#, second: 1), entry("stderr", 0, "err", second: 2)]
            let body = Array(#"{"entries":["#.utf8) + Array(entries.joined(separator: ",").utf8) + Array("]}".utf8)
            switch count {
            case 1: return .answer(body: body, cutAfter: body.count - 20)
            case 4:
                #expect(request.uri.contains("since=2026-01-01T00%3A00%3A02"))
                #expect(request.uri.contains("stderr_offset=3") && request.uri.contains("stdout_offset=8"))
                return .answer(body: Array(#"{"entries":[\#(entry("stdout", 8, "z", second: 3))]}"#.utf8))
            default:
                return .answer(body: request.uri.contains("stdout_offset=9") ? Array(#"{"entries":[]}"#.utf8) : body)
            }
        } _: { server in
            var reader = LogReader(try client(server), exec: "main", in: "sb-x")
            let pieces = Mutex<[LogPiece]>([])
            try await reader.readAvailable { piece in pieces.withLock { $0.append(piece) } }
            let shown = pieces.withLock { $0 }.map { piece in
                switch piece.content {
                case .bytes(let bytes): "\(piece.stream) \(piece.offset) \(String(decoding: bytes, as: UTF8.self))"
                case .gone(let count): "\(piece.stream) \(piece.offset) gone \(count)"
                }
            }
            #expect(shown == ["stdout 0 gone 2", "stdout 2 cd", #"stdout 4 e}"{"#, "stderr 0 err", "stdout 8 z"])
        }
    }

    @Test("the last lines are kept, also of streams that take turns")
    func keepsTail() {
        func piece(_ stream: OutputName, _ text: String) -> LogPiece {
            LogPiece(stream: stream, offset: 0, at: nil, content: .bytes(Array(text.utf8)))
        }
        func last(_ count: Int, _ pieces: [LogPiece]) -> String {
            var tail = LogTail(lines: count)
            for piece in pieces { tail.append(piece) }
            return tail.pieces.map { piece in
                if case .bytes(let bytes) = piece.content { String(decoding: bytes, as: UTF8.self) } else { "?" }
            }.joined()
        }
        #expect(last(2, [piece(.stdout, "a\nb\nc\n")]) == "b\nc\n")
        #expect(last(2, [piece(.stdout, "a\nb\nc")]) == "b\nc")
        #expect(last(1, [piece(.stdout, "a\nb"), piece(.stdout, "c\n")]) == "bc\n")
        #expect(last(0, [piece(.stdout, "a\nb")]) == "")
        #expect(last(9, [piece(.stdout, "a\n"), piece(.stderr, "e"), piece(.stdout, "b\n")]) == "a\neb\n")
        #expect(last(3, (0..<10_000).map { piece(.stdout, "\($0)\n") }) == "9997\n9998\n9999\n")
    }
}
