import SandboxModel
import SandboxNetwork
import Synchronization
import Testing

/// The resolver before an upstream and a clock of the test's own.
@Suite("Openings")
struct OpeningTests {
    /// Answers every question for A with its addresses.
    private final class FixedUpstream: Upstream {
        let addresses = Mutex(["198.51.100.1"])
        let seconds: UInt32 = 30

        func ask(_ ask: UpstreamAsk) async throws(UpstreamFault) -> DNSMessage {
            var answer = DNSMessage(id: 0)
            answer.isResponse = true
            answer.questions = [ask.question]
            guard ask.question.type == .a else { return answer }
            answer.answers = addresses.withLock { $0 }.compactMap { IPAddress($0) }.map {
                DNSRecord(name: ask.question.name, type: .a, seconds: seconds, data: $0.bytes)
            }
            return answer
        }
    }

    private final class Clock: Sendable {
        let passed = Mutex(Duration.zero)
        let start = ContinuousClock.now
        var now: ContinuousClock.Instant { start + passed.withLock { $0 } }
        func pass(_ duration: Duration) { passed.withLock { $0 += duration } }
    }

    private let host: LoopbackHost
    private let upstream = FixedUpstream()
    private let clock = Clock()
    private let resolver: Resolver

    init() throws {
        host = try LoopbackHost()
        resolver = Resolver(
            directory: NameDirectory(host: host) { [host] in host.policy(of: $0) }, upstream: upstream,
            floor: AddressFloor { ClosedRanges.rule(for: $0) }, now: { [clock] in clock.now })
    }

    private func ask(_ name: String) async throws -> DNSMessage {
        var query = DNSMessage(id: 1)
        query.questions = [DNSQuestion(name: try #require(DNSName(name)), type: .a)]
        let source = try #require(IPAddress("127.0.0.3"))
        let reply = try #require(await resolver.answer(query.serialized(), from: source, over: .udp))
        return try DNSMessage(parsing: reply)
    }

    @Test("an address is opened for five minutes at least, and told for less")
    func durations() async throws {
        let reply = try await ask("good.example")
        #expect(reply.answers.map(\.seconds) == [30])
        #expect(host.opened.map(\.duration) == [.seconds(300)])
        _ = try await ask("good.example")
        #expect(host.opened.count == 1)
    }

    @Test("names in use are resolved again before their addresses close, and those that lead elsewhere close")
    func renewal() async throws {
        _ = try await ask("good.example")
        let old = try #require(IPAddress("198.51.100.1"))
        upstream.addresses.withLock { $0 = ["198.51.100.2"] }
        clock.pass(.seconds(200))
        await resolver.renew()
        #expect(host.opened.map(\.address.description) == ["198.51.100.1", "198.51.100.2"])
        #expect(await resolver.refusal(of: "good.example", at: old, for: host.listed) == nil)
        clock.pass(.seconds(301))
        #expect(
            await resolver.refusal(of: "good.example", at: old, for: host.listed)
                == "the name doesn't resolve to this address")
    }

    @Test("a connection's name is resolved where nobody has asked for it yet")
    func unasked() async throws {
        let address = try #require(IPAddress("198.51.100.1"))
        #expect(await resolver.refusal(of: "good.example", at: address, for: host.listed) == nil)
        #expect(await resolver.refusal(of: "evil.example", at: address, for: host.listed) == "not in domain_allowlist")
    }

    @Test("what was opened while the policy changed is closed again, and not told")
    func race() async throws {
        let other = try NetworkPolicy(block: nil, ranges: nil, domains: ["other.example"])
        host.setWhileOpening { [host] in host.setPolicy(of: host.listed, to: other) }
        let reply = try await ask("good.example")
        #expect(reply.code == .refused && reply.answers.isEmpty)
        #expect(host.opened.map(\.duration) == [.seconds(300), .milliseconds(1)])
        #expect(try await ask("good.example").code == .refused)
    }

    @Test("a policy that is replaced by the same opens anew")
    func same() async throws {
        _ = try await ask("good.example")
        await resolver.forgetOpenings(of: host.listed)
        _ = try await ask("good.example")
        #expect(host.opened.count == 2)
    }
}
