import ServiceSupport
import Testing

/// The checks are in `Programs/smuggling.py`.
@Suite("Hostile connect requests", .serialized, .timeLimit(.minutes(10)))
struct ConnectSecurityTests {
    @Test("no request of HTTP/1.1 reaches a sandbox but as the one that it is, with its own valid token")
    func http1() async throws { try await check("smuggling", "http1") }

    @Test("nor does one that HTTP/2 carries")
    func http2() async throws { try await check("smuggling", "http2") }

    @Test("the same holds over TLS")
    func tls() async throws { try await check("smuggling", "http2", service: ["--tls", "development-ca"]) }

    @Test("floods of frames end their connection and cost nothing that stays")
    func floods() async throws { try await check("smuggling", "floods") }

    @Test("on a connection that is kept each request needs its token")
    func oneByOne() async throws { try await check("smuggling", "one_by_one") }

    @Test("tokens expire, and are for one sandbox")
    func expired() async throws { try await check("smuggling", "expired") }

    @Test("a hostile server's answer answers its own request, and is bounded")
    func hostileServer() async throws { try await check("smuggling", "hostile_server") }
}
