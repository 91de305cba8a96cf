import Foundation
import ServiceSupport
import Testing

/// The checks are in `Programs/connect.py`.
@Suite("Connect tokens", .serialized, .timeLimit(.minutes(10)))
struct ConnectTests {
    @Test("a token lets its bearer in by field, query or cookie, and the server learns who it is")
    func waysIn() async throws {
        try await check("connect", "ways_in", service: ["--access-log"])
        try await check("connect", "ways_in", service: ["--access-log", "--tls", "development-ca"])
    }

    @Test("what can't be had is refused by its field")
    func requests() async throws { try await check("connect", "requests_for_tokens") }

    @Test("nobody listens, nobody may, nothing is there any more: each has its answer")
    func refusals() async throws { try await check("connect", "refusals") }

    @Test("clients of HTTP/2 get through to servers of HTTP/1.1")
    func http2() async throws {
        try await check("connect", "http2")
        try await check("connect", "http2", service: ["--tls", "development-ca"])
    }

    @Test("h2load's requests are all answered")
    func load() async throws { try await check("connect", "load") }

    @Test("bodies stream both ways, and a client that doesn't read costs nothing")
    func streaming() async throws { try await check("connect", "streaming") }

    @Test("WebSockets pass, from HTTP/1.1 and from HTTP/2")
    func webSockets() async throws {
        try await check("connect", "web_sockets")
        try await check("connect", "web_sockets", service: ["--tls", "development-ca"])
        try await check("connect", "web_sockets_over_http2")
    }

    @Test("an open WebSocket ends when its token expires")
    func expiry() async throws { try await check("connect", "expiry_ends_what_is_open") }

    @Test("a token that is taken back is good no more, and ends what is open with it")
    func revocation() async throws { try await check("connect", "revocation") }

    @Test("an open connection keeps an idle sandbox awake")
    func awake() async throws { try await check("connect", "keeps_awake") }

    @Test("address and tokens are the same after the service was killed in the middle of transfers")
    func restart() async throws {
        try await withService { service in
            let state = service.directory + "/state"
            async let before: String = service.check("connect", "before_restart", [state])
            while !FileManager.default.fileExists(atPath: state) { try await Task.sleep(for: .milliseconds(50)) }
            try await Task.sleep(for: .milliseconds(300))
            service.killService()
            _ = try await before
            try await service.startService()
            try await service.check("connect", "after_restart", [state])
        }
    }

    @Test("when a server is killed in the middle its client knows, and nothing is left")
    func kills() async throws { try await check("connect", "kills") }

    @Test("the command line prints an address that opens")
    func commandLine() async throws { try await check("connect", "command_line") }

    @Test("with a host for each port of a sandbox, a token is good there alone")
    func hosts() async throws {
        let port = try await ServiceInstance.program(
            "/usr/bin/python3",
            ["-c", "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1], end='')"]
        ).output
        try await check(
            "connect", "hosts", [port],
            service: ["--connect-listen", "127.0.0.1:\(port)", "--connect-url", "http://*.sandboxes.test:\(port)"])
    }
}
