import CordonAPI
import CordonClient
import NIOCore
import NIOWebSocket
import Synchronization
import Testing

@Suite("The client's attach", .timeLimit(.minutes(1)))
struct AttachTests {
    /// What an attached exec gave.
    private final class Received: Sendable {
        private let state = Mutex<(stdout: [UInt8], stderr: [UInt8], gaps: [UInt64])>(([], [], []))

        var stdout: [UInt8] { state.withLock { $0.stdout } }
        var stderr: [UInt8] { state.withLock { $0.stderr } }
        var gaps: [UInt64] { state.withLock { $0.gaps } }

        func take(_ output: AttachOutput) {
            state.withLock { state in
                switch output {
                case .bytes(.stdout, let bytes): state.stdout += bytes.readableBytesView
                case .bytes(.stderr, let bytes): state.stderr += bytes.readableBytesView
                case .gap(_, let count): state.gaps.append(count)
                }
            }
        }
    }

    private func exec(_ port: Int, patience: Duration = .seconds(30)) throws -> AttachedExec {
        var client = try CordonClient(Credentials(url: "http://127.0.0.1:\(port)", tokenID: "i", tokenSecret: "s"))
        client.patience = patience
        return AttachedExec(client, exec: "e", in: "sb-x")
    }

    private func pieces(_ bytes: [UInt8]...) -> AsyncStream<[UInt8]> {
        let (stream, source) = AsyncStream<[UInt8]>.makeStream()
        for piece in bytes { source.yield(piece) }
        source.finish()
        return stream
    }

    private let nothing: AsyncStream<[UInt8]>? = nil

    @Test("output that breaks off again and again is put together byte for byte")
    func resumes() async throws {
        let bytes = (0..<100_003).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
        try await ScriptedSocketServer.run { socket in
            if socket.number.isMultiple(of: 4) { return }
            try await socket.started()
            let offset = socket.query("stdout_offset").flatMap { Int($0) } ?? 0
            // Some of it a second time, as a service may that knows less of us.
            let again = max(0, offset - 10)
            try await socket.send(offset: again, bytes[again..<min(again + 9001, bytes.count)])
            if again + 9001 >= bytes.count { try await socket.finish(stdout: bytes.count, status: 7) }
        } _: { port in
            let received = Received()
            let result = try await exec(port).run(stdin: nothing) { received.take($0) }
            #expect(received.stdout == bytes)
            #expect(result.exitCode == 7)
        }
    }

    @Test("stdin is sent again from what was accepted, masked, and closed behind the last byte")
    func resumesStdin() async throws {
        let input = (0..<2000).map { number in [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 700) }
        let taken = Mutex<[UInt8]>([])
        try await ScriptedSocketServer.run { socket in
            try await socket.started(accepted: taken.withLock { $0.count })
            var messages = 0
            while let frame = try await socket.next() {
                #expect(frame.isMasked)
                messages += 1
                var data = frame.data
                if frame.opcode == .text {
                    #expect(String(buffer: data) == #"{"type":"eof","offset":1400000}"#)
                    #expect(taken.withLock { $0.count } == 1_400_000)
                    return try await socket.finish(stdout: 0)
                }
                guard data.readInteger(as: UInt8.self) == 0, let offset = data.readInteger(as: UInt64.self) else {
                    return
                }
                let count = taken.withLock { taken in
                    #expect(Int(offset) <= taken.count)
                    taken += data.readableBytesView.dropFirst(taken.count - Int(offset))
                    return taken.count
                }
                // Every third is taken, but its answer is lost with the connection.
                if messages == 3 { return }
                try await socket.send(text: #"{"type":"stdin","accepted":\#(count),"closed":false}"#)
            }
        } _: { port in
            let (stream, source) = AsyncStream<[UInt8]>.makeStream()
            for piece in input { source.yield(piece) }
            source.finish()
            _ = try await exec(port).run(stdin: stream) { _ in }
            #expect(taken.withLock { $0 } == input.flatMap { $0 })
        }
    }

    @Test("stdin that nobody reads is held at a mebibyte, and given up when it is closed")
    func boundsStdin() async throws {
        let pulled = Mutex(0)
        try await ScriptedSocketServer.run { socket in
            try await socket.started()
            try await Task.sleep(for: .milliseconds(500))
            let count = pulled.withLock { $0 }
            #expect(count <= (1 << 20) + 2 * 65_536, "\(count)")
            try await socket.send(text: #"{"type":"stdin","accepted":10,"closed":true}"#)
            try await socket.finish(stdout: 0)
        } _: { port in
            let endless = AsyncStream<[UInt8]> {
                pulled.withLock { $0 += 65_536 }
                return [UInt8](repeating: 1, count: 65_536)
            }
            let result = try await exec(port).run(stdin: endless) { _ in }
            #expect(result.reason == "exited")
        }
    }

    @Test("gaps are told of, and both streams go on")
    func tellsGaps() async throws {
        try await ScriptedSocketServer.run { socket in
            try await socket.started()
            try await socket.send(offset: 0, [1, 2])
            try await socket.send(channel: 2, offset: 0, [9])
            try await socket.send(text: #"{"type":"gap","stream":"stdout","from":2,"to":10,"dropped":8}"#)
            try await socket.send(offset: 10, [3])
            try await socket.finish(stdout: 11, stderr: 1)
        } _: { port in
            let received = Received()
            _ = try await exec(port).run(stdin: nothing) { received.take($0) }
            #expect(received.stdout == [1, 2, 3] && received.stderr == [9] && received.gaps == [8])
        }
    }

    @Test("pings are answered with their bytes, and fragments are put together")
    func speaksWebSocket() async throws {
        try await ScriptedSocketServer.run { socket in
            try await socket.outbound.write(
                WebSocketFrame(fin: true, opcode: .ping, data: ByteBuffer(string: "are you")))
            let pong = try await socket.next()
            #expect(
                pong?.opcode == .pong && pong.map { String(buffer: $0.data) } == "are you" && pong?.isMasked == true)
            let text = #"{"type":"started","stdout_offset":0,"stderr_offset":0,"stdin":{"accepted":0,"closed":false}}"#
            let (head, rest) = (text.prefix(10), text.dropFirst(10))
            try await socket.outbound.write(
                WebSocketFrame(fin: false, opcode: .text, data: ByteBuffer(substring: head)))
            try await socket.outbound.write(WebSocketFrame(fin: true, opcode: .ping, data: ByteBuffer()))
            try await socket.outbound.write(
                WebSocketFrame(fin: true, opcode: .continuation, data: ByteBuffer(substring: rest)))
            try await socket.finish(stdout: 0)
        } _: { port in
            let result = try await exec(port).run(stdin: nothing) { _ in }
            #expect(result.exitCode == 0)
        }
    }

    @Test(
        "a server that breaks the rules is refused and told so",
        arguments: [
            WebSocketViolationCase(opcode: .continuation), .init(opcode: .text, rsv1: true),
            .init(opcode: .text, isMasked: true),
        ])
    func refusesViolations(_ violation: WebSocketViolationCase) async throws {
        try await ScriptedSocketServer.run { socket in
            try await socket.started()
            try await socket.outbound.write(violation.frame)
            while let frame = try await socket.next() {
                guard frame.opcode == .connectionClose else { continue }
                #expect(frame.data.getInteger(at: 0, as: UInt16.self) == 1002)
                return
            }
            Issue.record("no close frame")
        } _: { port in
            await #expect(throws: ClientError.self) {
                _ = try await exec(port, patience: .milliseconds(100)).run(stdin: nothing) { _ in }
            }
        }
    }

    @Test("a service that goes, or fails, is attached to again; one that calls us wrong isn't")
    func obeysCloseCodes() async throws {
        let codes: [UInt16] = [1001, 1011, 1013, 1008]
        let connections = Mutex(0)
        try await ScriptedSocketServer.run { socket in
            connections.withLock { $0 += 1 }
            try await socket.started()
            try await socket.send(close: codes[socket.number - 1])
            _ = try await socket.next()
        } _: { port in
            let error = await #expect(throws: ClientError.self) {
                _ = try await exec(port).run(stdin: nothing) { _ in }
            }
            #expect(error?.description.contains("1008") == true)
            #expect(connections.withLock { $0 } == 4)
        }
    }

    @Test("a handshake that is refused carries the problem")
    func reportsProblem() async throws {
        let problem = Array(
            #"{"type":"t","title":"t","status":404,"detail":"there is no exec e","code":"not_found","request_id":"r"}"#
                .utf8)
        try await ScriptedServer.run { _ in
            .answer(status: 404, headers: ["Content-Type": "application/problem+json"], body: problem)
        } _: { server in
            let error = await #expect(throws: ClientError.self) {
                _ = try await exec(server.port).run(stdin: nothing) { _ in }
            }
            #expect(error?.description == "there is no exec e")
        }
    }

    private struct Stop: Error {}

    @Test("what a consumer or stdin throws ends it at once")
    func stops() async throws {
        try await ScriptedSocketServer.run { socket in
            try await socket.started()
            try await socket.send(offset: 0, [1])
            while try await socket.next() != nil {}
        } _: { port in
            await #expect(throws: Stop.self) { _ = try await exec(port).run(stdin: nothing) { _ in throw Stop() } }
            let failing = AsyncThrowingStream<[UInt8], any Error> { throw Stop() }
            await #expect(throws: Stop.self) { _ = try await exec(port).run(stdin: failing) { _ in } }
        }
    }
}
