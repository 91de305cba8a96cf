import SandboxEngine
import SandboxModel
import Testing

@Suite("Branches")
struct BranchTests {
    private static func order(
        _ count: Int, firstSuccess: Bool = false, winners: BranchOrder.Winners = .end
    ) throws -> BranchOrder {
        BranchOrder(
            count: count, program: ExecSpec(id: .run, command: try CommandSpec(argv: ["try", "{i}", "a{i}{i}{j}"])),
            stopsAtFirstSuccess: firstSuccess, winners: winners)
    }

    private static func key(_ body: UInt8 = 1) -> IdempotencyKey {
        IdempotencyKey(key: "k", route: "POST /v1/sandboxes/{id}/branches", bodyHash: [body])
    }

    private func eventually(_ condition: () async throws -> Bool) async throws {
        for _ in 0..<5000 {
            if try await condition() { return }
            try await Task.sleep(for: .milliseconds(4))
        }
        Issue.record("it never happened")
    }

    /// The branches whose command runs, by their numbers.
    private func running(_ fixture: Fixture) async throws -> [Int: SandboxID] {
        var found: [Int: SandboxID] = [:]
        for sandbox in try await fixture.engine.sandboxes(matching: SandboxQuery(limit: 1000)).sandboxes {
            guard sandbox.spec.imageID != nil, case .running = sandbox.status,
                let exec = try? await fixture.engine.exec(.run, in: sandbox.id), exec.status == .running
            else { continue }
            found[Int(exec.spec.command.argv[1]) ?? 0] = sandbox.id
        }
        return found
    }

    private func start(
        _ order: BranchOrder, of id: SandboxID, _ fixture: Fixture, key: IdempotencyKey? = nil
    ) -> Task<BranchOutcome, any Error> {
        Task { try await fixture.engine.branch(id, order, by: Fixture.caller, key: key) { _ in } }
    }

    private func end(_ id: SandboxID?, with code: Int, _ fixture: Fixture) {
        if let id { fixture.host.endExec(.run, in: id, Ending(.exited, exitCode: code, at: .now())) }
    }

    @Test("each command has its number, and nothing is left of the sandboxes")
    func all() async throws {
        let fixture = try await Fixture()
        let parent = try await fixture.create()
        let work = start(try Self.order(3), of: parent.id, fixture)
        try await eventually { try await running(fixture).count == 3 }
        let branches = try await running(fixture)
        for (number, id) in branches {
            let program = try await fixture.engine.exec(.run, in: id).spec
            #expect(program.command.argv == ["try", "\(number)", "a\(number)\(number){j}"])
            #expect(program.environment.variables == ["CORDON_BRANCH": "\(number)"])
            end(id, with: number, fixture)
        }
        let outcome = try await work.value
        #expect(outcome.branches.map(\.ending.exitCode) == [1, 2, 3] && outcome.winner == nil)
        #expect(outcome.branches.allSatisfy { $0.changes?.changes.first?.path == Array($0.sandbox.text.utf8) })
        #expect(
            try await fixture.engine.sandboxes(matching: SandboxQuery(state: .running)).sandboxes.map(\.id) == [
                parent.id
            ])
    }

    @Test("the first success ends the others, and is kept as a sandbox like any other")
    func firstSuccess() async throws {
        let fixture = try await Fixture()
        let parent = try await fixture.create()
        let work = start(try Self.order(4, firstSuccess: true, winners: .keep), of: parent.id, fixture)
        try await eventually { try await running(fixture).count == 4 }
        let winner = try await running(fixture)[3]
        end(winner, with: 0, fixture)
        let outcome = try await work.value
        #expect(outcome.winner == 3 && outcome.branches.filter(\.isKept).map(\.sandbox) == [winner])
        let left = try await fixture.engine.sandboxes(matching: SandboxQuery(state: .running)).sandboxes
        #expect(Set(left.map(\.id)) == [parent.id, winner] && left.allSatisfy { $0.spec.run == nil })
    }

    @Test("a repeat with the same key joins, another request with it is refused, and a restart begins nothing anew")
    func repeats() async throws {
        let fixture = try await Fixture()
        let parent = try await fixture.create()
        let first = start(try Self.order(2), of: parent.id, fixture, key: Self.key())
        try await eventually { try await running(fixture).count == 2 }
        let second = start(try Self.order(2), of: parent.id, fixture, key: Self.key())
        await #expect(throws: CordonError.self) {
            try await start(try Self.order(1), of: parent.id, fixture, key: Self.key(2)).value
        }
        #expect(fixture.host.with { $0.launched.count } == 3)
        end(try await running(fixture)[1], with: 0, fixture)
        // The service is killed here: nobody of it is asked any more.
        let next = try await fixture.restarted()
        let third = start(try Self.order(2), of: parent.id, next, key: Self.key())
        try await eventually { try await !running(next).isEmpty }
        end(try await running(next)[2], with: 0, next)
        let outcome = try await third.value
        #expect(outcome.branches.map(\.ending.exitCode) == [0, 0])
        #expect(next.host.with { $0.launched }.isEmpty)
        first.cancel()
        second.cancel()
        withExtendedLifetime(fixture) {}
    }

    @Test("who leaves without a key ends the branches")
    func leaving() async throws {
        let fixture = try await Fixture()
        let parent = try await fixture.create()
        let work = start(try Self.order(3), of: parent.id, fixture)
        try await eventually { try await running(fixture).count == 3 }
        work.cancel()
        await #expect(throws: CordonError.self) { try await work.value }
        try await eventually { try await running(fixture).isEmpty }
    }

    @Test("when one can't be made, none is left, and the key is free")
    func failing() async throws {
        var limits = EngineLimits()
        limits.maxSandboxes = 3
        let fixture = try await Fixture(limits)
        let parent = try await fixture.create()
        for _ in 0..<2 {
            await #expect(throws: CordonError.self) {
                try await start(try Self.order(4), of: parent.id, fixture, key: Self.key()).value
            }
            let left = try await fixture.engine.sandboxes(matching: SandboxQuery()).sandboxes
            #expect(left.map(\.id) == [parent.id])
        }
    }
}
