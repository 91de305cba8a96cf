import SandboxModel
import SandboxNetwork
import Testing

/// The proxy on the loopback, with curl, openssl and bare sockets before it.
@Suite("The name proxy", .serialized, .timeLimit(.minutes(5)))
struct NameProxyTests {
    private func run(_ program: String, _ check: (LoopbackNames) async throws -> Void = { _ in }) async throws {
        try await LoopbackNames.with { names in
            let (status, output) = try await Program.run("proxy", [try names.proxyPlaces(), program])
            #expect(status == 0, "\(output.suffix(4000))")
            try await check(names)
        }
    }

    @Test("passes TLS on under a permitted name that resolves to its address, and tells why otherwise")
    func tls() async throws {
        try await run("tls") { names in
            let host = names.host
            #expect(host.wasDenied(host.listed, "other.example", "not in domain_allowlist"))
            #expect(host.wasDenied(host.listed, "elsewhere.example", "the name doesn't resolve to this address"))
            #expect(host.wasDenied(host.listed, nil, "TLS without a server name"))
        }
    }

    @Test("reads a greeting in any pieces, and passes on no bytes of what isn't one")
    func pieces() async throws { try await run("pieces") }

    @Test("cuts off who doesn't say a name in time")
    func silence() async throws {
        try await run("silence") { names in
            #expect(names.host.wasDenied(names.host.listed, nil, "no TLS or HTTP greeting in time"))
        }
    }

    @Test("judges every request of a connection by its host")
    func requests() async throws {
        try await run("requests") { names in
            #expect(names.host.wasDenied(names.host.listed, "other.example", "not in domain_allowlist"))
        }
    }

    @Test("refuses requests that could be read in two ways, and writes anew what it passes on")
    func smuggling() async throws { try await run("smuggling") }

    @Test("carries both directions with back-pressure and half-closed ends, and bounds connections")
    func flow() async throws {
        try await run("flow") { names in
            for _ in 0..<600 where names.service.readings.openConnections != 0 {
                try await Task.sleep(for: .milliseconds(50))
            }
            #expect(names.service.readings.openConnections == 0)
        }
    }

    @Test("connects to no closed address, and tells where nobody listens")
    func closed() async throws {
        try await run("closed") { names in
            #expect(names.host.wasDenied(names.host.listed, "closed.example", "metadata"))
        }
    }

    @Test("passes on without a name what a cidr_allowlist opens")
    func ranges() async throws { try await run("ranges") }
}
