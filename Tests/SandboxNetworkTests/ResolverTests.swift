import SandboxModel
import SandboxNetwork
import Testing

/// The resolver on the loopback, before a DNS server that misbehaves, asked by dnspython and dig.
@Suite("The resolver", .serialized, .timeLimit(.minutes(5)))
struct ResolverTests {
    private func run(_ program: String, _ check: (LoopbackNames) throws -> Void = { _ in }) async throws {
        try await LoopbackNames.with { names in
            let (status, output) = try await Program.run("resolver", ["\(names.resolverPort)", program])
            #expect(status == 0, "\(output.suffix(4000))")
            try check(names)
        }
    }

    @Test("brings all kinds of records as they are, over UDP and TCP")
    func kinds() async throws { try await run("kinds") }

    @Test("follows chains of CNAME records, and ends where they don't")
    func chains() async throws {
        try await run("chains") { names in
            #expect(names.host.wasDenied(names.host.listed, "endless.example", "a chain of more than 8 CNAME records"))
        }
    }

    @Test("cuts what is too large for UDP, and asks upstream over TCP for what was cut")
    func large() async throws { try await run("large") }

    @Test("takes no answer with another id, question, case or form, and nothing beside the answer")
    func forgeries() async throws { try await run("forgeries") }

    @Test("answers SERVFAIL, with the reason, where upstream fails or is silent")
    func failures() async throws {
        try await run("failures") { #expect($0.service.readings.upstreamFailures == 2) }
    }

    @Test("keeps answers back that point to closed addresses, whatever the policy")
    func rebinding() async throws {
        try await run("rebinding") { names in
            let host = names.host
            for id in [host.open, host.listed] {
                #expect(host.wasDenied(id, "private.example", "private"))
                #expect(host.wasDenied(id, "mixed.example", "private"))
                #expect(host.wasDenied(id, "metadata.example", "metadata"))
            }
            #expect(Set(host.opened.map(\.address.description)) == ["198.51.100.20"])
        }
    }

    @Test("resolves permitted names alone under a domain_allowlist, and opens their addresses before it answers")
    func listed() async throws {
        try await run("listed") { names in
            let host = names.host
            #expect(host.wasDenied(host.listed, "evil.example", "not in domain_allowlist"))
            #expect(host.wasDenied(host.empty, "good.example", "the allowlist is empty"))
            #expect(Set(host.opened.map(\.sandbox)) == [host.listed])
            #expect(Set(host.opened.map(\.address.description)) == ["198.51.100.10", "2001:db8::6"])
        }
    }

    @Test("refuses long, deep and too many names below a wildcard, with the reason")
    func tunnelling() async throws {
        try await run("tunnelling") { names in
            #expect(
                names.host.wasDenied(
                    names.host.listed, "n299.wild.example", "more than 256 different names below *.wild.example"))
        }
    }

    @Test("refuses queries beyond a sandbox's rate, and no other sandbox's")
    func rate() async throws {
        try await run("rate") { names in
            #expect(names.host.wasDenied(names.host.open, nil, "too many queries"))
        }
    }

    @Test("answers what isn't a query as such, or not at all")
    func malformed() async throws { try await run("malformed") }

    @Test("takes many queries on one connection, and bounds connections")
    func streams() async throws { try await run("streams") }

    @Test("tells dig the reason of a refusal")
    func dig() async throws { try await run("dig") }
}
