import SandboxEngine
import SandboxModel
import Testing

@Suite struct SidecarTests {
    private static func spec(_ name: String, of main: SandboxID) throws -> SandboxSpec {
        var spec = SandboxSpec(name: try SandboxName(name), timeout: SandboxSpec.maximumTimeout)
        spec.sidecarOf = main
        return spec
    }

    private func refusal(_ work: () async throws -> SandboxSnapshot) async throws -> CordonError {
        do {
            let made = try await work()
            Issue.record("\(made.id) was made")
        } catch let error as CordonError { return error }
        return CordonError(.internal, "nothing was refused")
    }

    @Test("a sidecar is of its sandbox's app and network, lives no longer, and is listed with its sandbox alone")
    func belongs() async throws {
        let fixture = try await Fixture()
        let main = try await fixture.create(
            SandboxSpec(app: try AppName("web"), timeout: .seconds(60), network: .blocked))
        let side = try await fixture.create(try Self.spec("db", of: main.id))
        #expect(side.spec.app == main.spec.app)
        #expect(side.spec.network == .blocked)
        #expect(side.deadline == main.deadline)
        #expect(try await fixture.engine.sandboxes(matching: SandboxQuery()).sandboxes.map(\.id) == [main.id])
        let listed = try await fixture.engine.sandboxes(matching: SandboxQuery(sidecarsOf: main.id)).sandboxes
        #expect(listed.map(\.id) == [side.id])
        _ = try await fixture.engine.setNetwork(of: main.id, to: .open)
        _ = try await fixture.engine.setDeadlines(of: main.id, timeout: .seconds(90), idleTimeout: .keep)
        let seen = try await fixture.engine.sandbox(side.id)
        #expect(seen.spec.network == .open)
        #expect(seen.deadline == (try await fixture.engine.sandbox(main.id)).deadline)
        let refused = try await refusal { try await fixture.engine.setNetwork(of: side.id, to: .blocked) }
        #expect(refused.code == .failedPrecondition)
    }

    @Test("a name is one running sidecar's of a sandbox, free again once that has ended, and no other sandbox's matter")
    func names() async throws {
        let fixture = try await Fixture()
        let (first, second) = (try await fixture.create(), try await fixture.create())
        let side = try await fixture.create(try Self.spec("db", of: first.id))
        _ = try await fixture.create(try Self.spec("db", of: second.id))
        _ = try await fixture.create(SandboxSpec(name: try SandboxName("db")))
        let taken = try await refusal { try await fixture.create(try Self.spec("db", of: first.id)) }
        #expect(taken.code == .alreadyExists)
        #expect(taken.detail["sandbox_id"] == side.id.text)
        _ = try await fixture.engine.terminate(side.id)
        let again = try await fixture.create(try Self.spec("db", of: first.id))
        var query = SandboxQuery(sidecarsOf: first.id, name: try SandboxName("db"))
        #expect(try await fixture.engine.sandboxes(matching: query).sandboxes.map(\.id) == [again.id, side.id])
        query.state = .running
        #expect(try await fixture.engine.sandboxes(matching: query).sandboxes.map(\.id) == [again.id])
        let named = try await fixture.engine.sandbox(named: try SandboxName("db"), in: .default)
        #expect(named.spec.sidecarOf == nil)
    }

    @Test("sidecars of sidecars, of sandboxes that are over, without a name, with a network, or too many are refused")
    func refusals() async throws {
        let fixture = try await Fixture()
        let main = try await fixture.create()
        var refused: [ErrorCode] = []
        func refuse(_ spec: SandboxSpec) async throws {
            refused.append(try await refusal { try await fixture.create(spec) }.code)
        }
        let side = try await fixture.create(try Self.spec("s0", of: main.id))
        try await refuse(try Self.spec("x", of: side.id))
        try await refuse(try Self.spec("main", of: main.id))
        var spec = try Self.spec("x", of: main.id)
        spec.name = nil
        try await refuse(spec)
        spec = try Self.spec("x", of: main.id)
        spec.network = .open
        try await refuse(spec)
        for number in 1..<Sidecar.most { _ = try await fixture.create(try Self.spec("s\(number)", of: main.id)) }
        try await refuse(try Self.spec("x", of: main.id))
        _ = try await fixture.engine.terminate(main.id)
        try await refuse(try Self.spec("x", of: main.id))
        #expect(
            refused == [
                .failedPrecondition, .invalidArgument, .invalidArgument, .invalidArgument, .resourceExhausted,
                .failedPrecondition,
            ])
    }

    @Test("a sandbox is terminated with its sidecars: none is left when that is answered")
    func endsTogether() async throws {
        let fixture = try await Fixture()
        let main = try await fixture.create()
        for name in ["a", "b"] { _ = try await fixture.create(try Self.spec(name, of: main.id)) }
        _ = try await fixture.engine.terminate(main.id)
        for sidecar in try await fixture.engine.sandboxes(matching: SandboxQuery(sidecarsOf: main.id)).sandboxes {
            #expect(sidecar.status.ending?.reason == .terminated)
        }
        #expect(fixture.engine.population.running == 0)
    }

    @Test("after a restart a sidecar is still its sandbox's")
    func restart() async throws {
        let fixture = try await Fixture()
        let main = try await fixture.create()
        let side = try await fixture.create(try Self.spec("db", of: main.id), key: "k")
        let after = try await fixture.restarted()
        let seen = try await after.engine.sandbox(side.id)
        #expect(seen.spec.sidecarOf == main.id)
        #expect(seen.deadline == (try await after.engine.sandbox(main.id)).deadline)
        #expect(try await after.create(try Self.spec("db", of: main.id), key: "k").id == side.id)
        #expect(
            try await refusal { try await after.create(try Self.spec("db", of: main.id)) }.code == .alreadyExists)
        _ = try await after.engine.terminate(main.id)
        #expect(try await after.engine.sandbox(side.id).status.ending != nil)
    }
}
