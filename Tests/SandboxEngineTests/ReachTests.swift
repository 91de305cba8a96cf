import SandboxEngine
import SandboxModel
import Testing

/// Tunnels and readiness, as the engine has them.
@Suite struct ReachTests {
    private func spec(tunnels: Int = 0, probe: ReadinessProbe.Check? = nil) throws -> SandboxSpec {
        var spec = SandboxSpec()
        spec.tunnels = try TunnelSpec((0..<tunnels).map { TunnelPort(port: UInt16(80 + $0), kind: .encrypted) })
        spec.readinessProbe = try probe.map { try ReadinessProbe($0, interval: .seconds(1), timeout: .seconds(2)) }
        return spec
    }

    @Test("tunnels are open before the answer, where they were after a restart, and closed with the sandbox")
    func tunnels() async throws {
        let before = try await Fixture()
        let sandbox = try await before.create(try spec(tunnels: 2))
        let endpoints = try await before.engine.tunnels(of: sandbox.id)
        #expect(endpoints.map(\.port) == [80, 81])
        let after = try await before.restarted()
        #expect(try await after.engine.tunnels(of: sandbox.id) == endpoints)
        _ = try await after.engine.terminate(sandbox.id)
        #expect(after.tunnels.with { $0.open.isEmpty })
        #expect(await code { _ = try await after.engine.tunnels(of: sandbox.id) } == .failedPrecondition)
    }

    @Test("a sandbox whose tunnels or launch fail leaves nothing open")
    func failures() async throws {
        let fixture = try await Fixture()
        fixture.tunnels.with { $0.failure = CordonError(.resourceExhausted, "no port is left") }
        #expect(await code { _ = try await fixture.create(try self.spec(tunnels: 1)) } == .resourceExhausted)
        #expect(fixture.host.with { $0.launched.isEmpty })
        fixture.tunnels.with { $0.failure = nil }
        fixture.host.with { $0.launchFailure = CordonError(.unavailable, "x") }
        #expect(await code { _ = try await fixture.create(try self.spec(tunnels: 1)) } == .unavailable)
        #expect(fixture.tunnels.with { $0.open.isEmpty })
        #expect(try await fixture.engine.sandboxes(matching: SandboxQuery()).sandboxes.isEmpty)
    }

    @Test("without a probe a sandbox is ready since it runs; with one, since it first succeeded, restart or not")
    func readiness() async throws {
        let before = try await Fixture()
        let plain = try await before.create()
        #expect(try await before.engine.waitReady(plain.id, upTo: .zero).readySince == plain.startedAt)
        let probed = try await before.create(try spec(probe: .tcp(port: 80)))
        #expect(try await before.engine.waitReady(probed.id, upTo: .zero).readySince == nil)
        let after = try await before.restarted()
        #expect(try await after.engine.waitReady(probed.id, upTo: .zero).readySince == nil)
        after.host.with { _ = $0.listening.insert(80) }
        let isReady = try await eventually {
            after.clock.advance(by: .seconds(1))
            return try await after.engine.sandbox(probed.id).readySince != nil
        }
        #expect(isReady)
        let since = try await after.engine.sandbox(probed.id).readySince
        let last = try await after.restarted()
        #expect(try await last.engine.waitReady(probed.id, upTo: .zero).readySince == since)
        let events = try await last.engine.events(of: probed.id, after: 0, waitingUpTo: .zero)
        #expect(events.filter { $0.kind == .ready }.count == 1)
    }

    @Test("who waits for a sandbox that ends before it is ready is told so")
    func endedBefore() async throws {
        let fixture = try await Fixture()
        let sandbox = try await fixture.create(try spec(probe: .tcp(port: 80)))
        async let waiting = code { _ = try await fixture.engine.waitReady(sandbox.id, upTo: .seconds(60)) }
        _ = try await fixture.engine.terminate(sandbox.id)
        #expect(await waiting == .failedPrecondition)
    }
}
