import Foundation
import ServiceSupport
import Testing

/// Attaching over WebSocket with clients that we did not write; the checks are in `Programs/attach.py`.
@Suite("Attaching", .serialized, .timeLimit(.minutes(10)))
struct AttachTests {
    @Test("10 MB of random bytes go in and come back as they were")
    func echo() async throws { try await check("attach", "echo_of_ten_megabytes") }

    @Test("both streams come interleaved, and a reader that is cut off again and again goes on by offset")
    func resume() async throws { try await check("attach", "interleaved_streams_and_resumption") }

    @Test("bytes that are gone are told of")
    func gap() async throws {
        try await check("attach", "gap_told", service: ["--exec-spool-mib", "16"])
    }

    @Test("several viewers each see all of it, and those that only read change nothing")
    func viewers() async throws { try await check("attach", "several_viewers") }

    @Test("a command is signalled")
    func signalled() async throws { try await check("attach", "signalled") }

    @Test("Python's websocket-client")
    func websocketClient() async throws { try await check("attach", "with_websocket_client") }

    @Test("a page in a browser: a token as a subprotocol, its own origin and no other")
    func browser() async throws { try await check("attach", "as_a_browser") }

    @Test("Kubernetes' own Python client, and its newer protocol")
    func kubernetes() async throws { try await check("attach", "with_kubernetes") }

    @Test("WebSocket on a stream of HTTP/2, with another request beside it")
    func overHTTP2() async throws { try await check("attach", "over_http2") }

    @Test("a frame of 1 GiB and 10,000 unread pings are dealt with, and nobody else notices")
    func hostile() async throws { try await check("attach", "hostile_frames") }

    @Test("a peer that is gone without a word is cut off, one that answers isn't")
    func halfOpen() async throws { try await check("attach", "half_open_peer") }

    @Test("1 GB with a fast, a slow and a stalled reader: right to the last byte, in bounded memory")
    func bulk() async throws { try await check("attach", "a_lot_with_three_readers", ["\(1 << 30)"]) }

    @Test("the service is killed ten times in the middle: nothing is lost and nothing comes twice")
    func restarts() async throws {
        try await withService { service in
            let request = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    for number in 1...10 {
                        while !FileManager.default.fileExists(atPath: "\(request).\(number)") {
                            try await Task.sleep(for: .milliseconds(2))
                        }
                        service.killService()
                        try await service.startService()
                        try? FileManager.default.removeItem(atPath: "\(request).\(number)")
                    }
                }
                try await service.check("attach", "through_restarts", ["\(1 << 30)", request])
                group.cancelAll()
            }
        }
    }
}
