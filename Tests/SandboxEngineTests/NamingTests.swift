import SandboxEngine
import SandboxModel
import Testing

@Suite struct NamingTests {
    @Test("a running sandbox without a name takes one, which is found, also after a restart, and free at its end")
    func named() async throws {
        let fixture = try await Fixture()
        let name = try SandboxName("late")
        let sandbox = try await fixture.create()
        #expect(try await fixture.engine.setName(of: sandbox.id, to: name).spec.name == name)
        #expect(try await fixture.engine.sandbox(named: name, in: .default).id == sandbox.id)
        #expect(try await fixture.engine.setName(of: sandbox.id, to: name).id == sandbox.id)
        let again = try await fixture.restarted()
        #expect(try await again.engine.sandbox(named: name, in: .default).id == sandbox.id)
        #expect(await code { _ = try await again.create(SandboxSpec(name: name)) } == .alreadyExists)
        _ = try await again.engine.terminate(sandbox.id)
        _ = try await again.create(SandboxSpec(name: name))
    }

    @Test("a name that is taken, a second name, and a sandbox that is over are refused, and change nothing")
    func refused() async throws {
        let fixture = try await Fixture()
        let (one, other) = (try SandboxName("one"), try SandboxName("other"))
        _ = try await fixture.create(SandboxSpec(name: one))
        let sandbox = try await fixture.create()
        #expect(await code { _ = try await fixture.engine.setName(of: sandbox.id, to: one) } == .alreadyExists)
        _ = try await fixture.engine.setName(of: sandbox.id, to: other)
        #expect(
            await code { _ = try await fixture.engine.setName(of: sandbox.id, to: try SandboxName("third")) }
                == .failedPrecondition)
        let ended = try await fixture.create()
        _ = try await fixture.engine.terminate(ended.id)
        #expect(
            await code { _ = try await fixture.engine.setName(of: ended.id, to: try SandboxName("late")) }
                == .failedPrecondition)
        _ = try await fixture.create(SandboxSpec(name: try SandboxName("late")))
    }

    @Test("of many that want one name at once exactly one gets it")
    func race() async throws {
        let fixture = try await Fixture()
        let name = try SandboxName("only")
        var ids: [SandboxID] = []
        for _ in 0..<20 { ids.append(try await fixture.create().id) }
        let outcomes = await withTaskGroup(of: ErrorCode?.self) { group in
            for id in ids { group.addTask { await code { _ = try await fixture.engine.setName(of: id, to: name) } } }
            return await group.reduce(into: [ErrorCode?]()) { $0.append($1) }
        }
        #expect(outcomes.filter { $0 == nil }.count == 1)
        #expect(outcomes.filter { $0 == .alreadyExists }.count == 19)
    }
}
