import SandboxModel
import SandboxNetwork
import Testing

@Suite("Names under a policy")
struct PolicyTests {
    private func pattern(_ text: String) throws -> DomainPattern {
        try DomainPattern(text, field: "domain_allowlist[0]")
    }

    @Test("entries are names, or *. and a name; what isn't is refused with the rule")
    func patterns() throws {
        #expect(try pattern("Example.COM.").text == "example.com")
        #expect(try pattern("*.xn--bcher-kva.example").parent == "xn--bcher-kva.example")
        #expect(try pattern("_a.b-c.d").parent == nil)
        for (text, rule) in [
            ("", "1–253"), ("com", "two labels"), ("*.com", "two labels"), ("*", "stands alone"),
            ("a.*.com", "stands alone"), ("*a.example.com", "stands alone"), ("*.*.example.com", "stands alone"),
            ("a..com", "1–63"), (".example.com", "1–63"), ("example.com..", "1–63"), ("-a.example", "labels are"),
            ("a-.example", "labels are"), ("a b.example", "labels are"), ("https://example.com", "labels are"),
            ("example.com/", "labels are"), ("example.com:443", "labels are"), ("bücher.example", "xn--"),
            ("ex\u{430}mple.com", "xn--"), ("192.0.2.1", "cidr_allowlist"), ("::1", "cidr_allowlist"),
            ("127.1", "isn't a number"), ("a.0x7f", "isn't a number"), ("1.2.3.4.5", "isn't a number"),
            (String(repeating: "a", count: 64) + ".example", "1–63"),
            (Array(repeating: "a", count: 130).joined(separator: "."), "1–253"), ("a\0.example", "labels are"),
        ] {
            do throws(CordonError) {
                _ = try DomainPattern(text, field: "domain_allowlist[3]")
                Issue.record("\(text) was taken")
            } catch {
                #expect(error.field == "domain_allowlist[3]" && error.rule?.contains(rule) == true, "\(text): \(error)")
            }
        }
    }

    @Test("a name means itself alone; a wildcard every name below, at any depth, and not its own")
    func matching() throws {
        let matcher = DomainMatcher([
            try pattern("a.example"), try pattern("*.b.example"), try pattern("*.c.b.example"),
        ])
        #expect(matcher.match("a.example") == .name)
        #expect(matcher.match("x.b.example") == .parent("b.example", below: "x"))
        #expect(matcher.match("y.x.b.example") == .parent("b.example", below: "y.x"))
        #expect(matcher.match("y.c.b.example") == .parent("c.b.example", below: "y"))
        for name in ["x.a.example", "b.example", "ab.example", "xb.example", "example", "", ".", "a.example.x"] {
            #expect(matcher.match(name) == nil)
        }
    }

    @Test("a rate fills up again with time")
    func rate() {
        let start = ContinuousClock.now
        var limits = NameBudget.Limits()
        limits.queriesAtOnce = 3
        limits.queriesPerSecond = 2
        var budget = NameBudget(limits, now: start)
        #expect((0..<5).map { _ in budget.takeQuery(now: start) } == [true, true, true, false, false])
        #expect((0..<3).map { _ in budget.takeQuery(now: start + .seconds(1)) } == [true, true, false])
    }

    @Test("an address stays bound for as long as it was opened, and is opened again before that")
    func bindings() throws {
        let start = ContinuousClock.now
        let address = try #require(IPAddress("198.51.100.1"))
        var bindings = NameBindings(NameBindings.Limits())
        #expect(bindings.holding(seconds: 1) == .seconds(300))
        #expect(bindings.holding(seconds: 100_000) == .seconds(3600))
        #expect(bindings.due([address], of: "a", seconds: 60, now: start) == [address])
        bindings.bind([address], to: "a", until: start + .seconds(300), now: start, asked: true)
        #expect(bindings.due([address], of: "a", seconds: 60, now: start + .seconds(60)).isEmpty)
        #expect(bindings.due([address], of: "a", seconds: 60, now: start + .seconds(100)) == [address])
        #expect(bindings.isBound("a", to: address, now: start + .seconds(299)))
        #expect(!bindings.isBound("b", to: address, now: start))
        #expect(!bindings.isBound("a", to: address, now: start + .seconds(301)))
        #expect(bindings.renewals(now: start + .seconds(100)).isEmpty)
        #expect(bindings.renewals(now: start + .seconds(200)) == ["a"])
        #expect(bindings.renewals(now: start + .seconds(301)).isEmpty)
    }

    @Test("names and addresses that are kept are bounded")
    func bounds() throws {
        let start = ContinuousClock.now
        var bindings = NameBindings(NameBindings.Limits())
        for number in 0..<1000 {
            let address = IPAddress(v4: 0xc633_6400 + UInt32(number))
            bindings.bind([address], to: "one", until: start + .seconds(number + 1), now: start, asked: true)
            bindings.bind(
                [address], to: "n\(number)", until: start + .seconds(300), now: start + .milliseconds(number),
                asked: true)
        }
        let kept = bindings.renewals(now: start + .seconds(200)).count
        #expect(kept == 512)
        #expect(!bindings.isBound("one", to: IPAddress(v4: 0xc633_6400 + 1), now: start))
    }

    @Test("resolv.conf's servers are taken as the C library takes them")
    func resolvConf() {
        func servers(_ text: String) -> [String] { UpstreamServers.servers(in: text).map(\.description) }
        #expect(
            servers("# x\nnameserver 192.0.2.1\n nameserver\t192.0.2.2 # y\noptions edns0\n") == [
                "192.0.2.1:53", "192.0.2.2:53",
            ])
        #expect(servers("nameserver 2001:db8::1\nnameserver ::1\nnameserver 1.1.1.1\nnameserver 8.8.8.8").count == 3)
        #expect(servers("search example\nnameserver nonsense\n;nameserver 192.0.2.1") == ["127.0.0.1:53"])
    }

    @Test("servers are addresses, with a port or without")
    func serverTexts() {
        #expect(UpstreamServer("192.0.2.1:5353")?.description == "192.0.2.1:5353")
        #expect(UpstreamServer("[2001:db8::1]:5353")?.description == "2001:db8::1:5353")
        #expect(UpstreamServer("2001:db8::1")?.address.port == 53)
        for text in ["", "dns.example", "192.0.2.1:0", "192.0.2.1:x", "[::1", "[::1]5", "192.0.2.1:70000"] {
            #expect(UpstreamServer(text) == nil)
        }
    }
}
