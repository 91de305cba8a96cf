import Foundation
import SandboxModel
import Testing

@Suite("Output over REST")
struct StreamTests {
    private func expectPattern(_ bytes: [UInt8], from offset: UInt64) {
        let wrong = bytes.indices.first { bytes[$0] != FakeStream.pattern(at: offset + UInt64($0)) }
        #expect(wrong == nil)
    }

    @Test("a closed stream comes whole, byte for byte, and says where it ends")
    func readsWhole() async throws {
        try await withFront { front in
            let (id, _) = try await front.makeSandbox()
            let stream = FakeStream(patternOf: 10_000_019, closed: true)
            let path = try front.makeExec(id, stdout: stream)
            let response = try await front.ask("GET", path + "/stdout")
            #expect(response.status == 200)
            #expect(response.headers["content-type"] == "application/octet-stream")
            #expect(response.headers["cordon-offset"] == "0")
            #expect(response.headers["cordon-dropped"] == "0")
            #expect(response.headers["cordon-end"] == "10000019")
            #expect(response.body.count == 10_000_019)
            expectPattern(response.body, from: 0)
            #expect(try await eventually { stream.state.withLock { $0.openReaders } == 0 })
            #expect(stream.state.withLock { $0.told } == 10_000_019)
        }
    }

    @Test("reading goes on by offset and stops at a limit")
    func resumes() async throws {
        try await withFront { front in
            let (id, _) = try await front.makeSandbox()
            let path = try front.makeExec(id, stderr: FakeStream(patternOf: 1_000_000, closed: true))
            let response = try await front.ask("GET", path + "/stderr?offset=777777&limit=1000")
            #expect(response.headers["cordon-offset"] == "777777")
            #expect(response.body.count == 1000)
            expectPattern(response.body, from: 777_777)
            let atEnd = try await front.ask("GET", path + "/stderr?offset=1000000&follow=true")
            #expect(atEnd.status == 200 && atEnd.body.isEmpty && atEnd.headers["cordon-end"] == "1000000")
        }
    }

    @Test(
        "an offset beyond the end is 416 with the end, and one below what is kept starts higher and says how much is gone"
    )
    func tellsWhereBytesAre() async throws {
        try await withFront { front in
            let (id, _) = try await front.makeSandbox()
            let path = try front.makeExec(id, stdout: FakeStream(patternOf: 500, first: 100))
            let beyond = try await front.ask("GET", path + "/stdout?offset=501")
            #expect(beyond.status == 416)
            #expect(try beyond.json()["end"] as? Int == 500)
            #expect(try beyond.json()["code"] as? String == "out_of_range")
            let gone = try await front.ask("GET", path + "/stdout?offset=30")
            #expect(gone.headers["cordon-offset"] == "100")
            #expect(gone.headers["cordon-dropped"] == "70")
            #expect(gone.headers["cordon-end"] == nil)
            expectPattern(gone.body, from: 100)
            #expect(gone.body.count == 400)
        }
    }

    @Test("a followed stream brings bytes as they come and ends with its length in the trailer")
    func follows() async throws {
        try await withFront { front in
            let (id, _) = try await front.makeSandbox()
            let stream = FakeStream(bytes: Array("one".utf8), closed: false)
            let path = try front.makeExec(id, stdout: stream)
            let connection = try front.connect()
            try await connection.send(TestFront.head("GET", path + "/stdout?follow=true"))
            #expect(try await connection.receiveHead().headers["cordon-end"] == nil)
            #expect(try await connection.chunk().bytes == Array("one".utf8))
            stream.append(Array("two".utf8))
            #expect(try await connection.chunk().bytes == Array("two".utf8))
            stream.update { $0.closed = true }
            let last = try await connection.chunk()
            #expect(last.bytes.isEmpty && last.trailers["cordon-end"] == "6")
            #expect(try await TestFront.ask(connection, "GET", "/healthz").status == 200)
        }
    }

    @Test("a gap in mid-stream ends the body, and the next answer says how much is gone")
    func endsAtGap() async throws {
        try await withFront { front in
            let (id, _) = try await front.makeSandbox()
            let stream = FakeStream(patternOf: 100)
            let path = try front.makeExec(id, stdout: stream)
            let connection = try front.connect()
            try await connection.send(TestFront.head("GET", path + "/stdout?follow=true"))
            _ = try await connection.receiveHead()
            #expect(try await connection.chunk().bytes.count == 100)
            stream.update {
                $0.first = 5000
                $0.end = 6000
            }
            let last = try await connection.chunk()
            #expect(last.bytes.isEmpty && last.trailers.isEmpty)
            let next = try await TestFront.ask(connection, "GET", path + "/stdout?offset=100")
            #expect(next.headers["cordon-dropped"] == "4900")
            expectPattern(next.body, from: 5000)
        }
    }

    @Test("a client that vanishes closes its reader, while it waits and while it is sent to", arguments: [0, 1 << 30])
    func closesReaderOfVanishedClient(_ size: UInt64) async throws {
        try await withFront { front in
            let (id, _) = try await front.makeSandbox()
            let stream = FakeStream(patternOf: size)
            let path = try front.makeExec(id, stdout: stream)
            let connection = try front.connect()
            try await connection.send(TestFront.head("GET", path + "/stdout?follow=true"))
            _ = try await connection.receiveHead()
            #expect(stream.state.withLock { $0.openReaders } == 1)
            connection.shut()
            #expect(try await eventually { stream.state.withLock { $0.openReaders } == 0 })
        }
    }

    @Test("a client that stops reading is handed a few pieces and no more, and gets everything once it reads on")
    func boundsMemoryOfSlowClient() async throws {
        try await withFront { front in
            let (id, _) = try await front.makeSandbox()
            let total: UInt64 = 64 << 20
            let stream = FakeStream(patternOf: total, closed: true)
            let path = try front.makeExec(id, stdout: stream)
            let connection = try WireConnection(port: front.port, receiveBufferBytes: 64 * 1024)
            try await connection.send(TestFront.head("GET", path + "/stdout?follow=true"))
            _ = try await connection.receiveHead()
            var before: UInt64 = 1
            // Until nothing more is taken from the stream for a while.
            while case let now = stream.state.withLock({ $0.handedOut }), now != before {
                before = now
                try await Task.sleep(for: .milliseconds(200))
            }
            #expect(before > 0)
            // Socket buffers of the kernel (its maximum for sending is 4 MiB here) and a few pieces.
            #expect(before < 12 << 20)
            var received: UInt64 = 0
            while case let bytes = try await connection.chunk().bytes, !bytes.isEmpty {
                if received.isMultiple(of: 7) { expectPattern(bytes, from: received) }
                received += UInt64(bytes.count)
            }
            #expect(received == total)
        }
    }

    @Test("logs have order, times, text or base64, and say which bytes are gone")
    func logs() async throws {
        try await withFront { front in
            let (id, _) = try await front.makeSandbox()
            let stdout = FakeStream(bytes: Array("héllo\n".utf8) + [0xff, 0xfe])
            stdout.update { $0.first = 1 }
            let path = try front.makeExec(id, stdout: stdout, stderr: FakeStream(bytes: Array("err".utf8)))
            let at = Timestamp(microseconds: 1_767_225_600_123_456)
            front.service.update {
                $0.logs = [
                    LogEntry(stream: .stdout, offset: 0, length: 1, at: at, monotonic: 1),
                    LogEntry(stream: .stdout, offset: 1, length: 6, at: at, monotonic: 2),
                    LogEntry(stream: .stderr, offset: 0, length: 3, at: at, monotonic: 3),
                    LogEntry(stream: .stdout, offset: 7, length: 2, at: at, monotonic: 4),
                ]
            }
            let response = try await front.ask(
                "GET", path + "/logs?since=2026-01-01T00:00:00Z&until=2026-01-01T02:00:00%2B01:00")
            let entries = try unwrap(try response.json()["entries"] as? [[String: Any]])
            #expect(entries.count == 4)
            #expect(entries.first?["dropped"] as? Bool == true)
            #expect(entries.dropFirst().first?["text"] as? String == "éllo\n")
            #expect(entries.last?["base64"] as? String == "//4=")
            #expect(entries.last?["at"] as? String == "2026-01-01T00:00:00.123456Z")
        }
    }
}
