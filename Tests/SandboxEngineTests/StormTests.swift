import SandboxEngine
import SandboxModel
import Testing

@Suite struct StormTests {
    @Test("after a storm of concurrent calls on a few names, state, records and history agree")
    func storm() async throws {
        let fixture = try await Fixture()
        await withTaskGroup(of: Void.self) { group in
            for client in 0..<16 {
                group.addTask {
                    for round in 0..<40 { await Self.act(fixture, client, round) }
                }
            }
        }
        let all = try await fixture.engine.sandboxes(matching: SandboxQuery(limit: 1000)).sandboxes
        #expect(all.count > 20)
        let running = all.filter { $0.status == .running }
        #expect(Set(running.map(\.spec.name)).count == running.count)
        for sandbox in all { try await Self.checkHistory(of: sandbox, in: fixture) }
        let recorded = try await fixture.catalog.records.sandboxes().sandboxes
        #expect(recorded.map(\.snapshot) == all.reversed())

        let after = try await fixture.restarted()
        #expect(try await after.engine.sandboxes(matching: SandboxQuery(limit: 1000)).sandboxes == all)
    }

    /// One random call; every refusal must be one that a race explains.
    private static func act(_ fixture: Fixture, _ client: Int, _ round: Int) async {
        let outcome = await code {
            let name = try SandboxName("n\(Int.random(in: 0..<4))")
            switch Int.random(in: 0..<6) {
            case 0, 1: _ = try await fixture.create(SandboxSpec(name: name), key: "c\(client)-\(round / 2)", body: 1)
            case 2:
                let id = try await fixture.engine.sandbox(named: name, in: .default).id
                _ = try await fixture.engine.terminate(id)
            case 3:
                let id = try await fixture.engine.sandbox(named: name, in: .default).id
                fixture.host.end(id, Ending(.timedOut, at: .now()))
            case 4:
                let id = try await fixture.engine.sandbox(named: name, in: .default).id
                let exec = try await fixture.start(try sh("e\(Int.random(in: 0..<5))"), in: id)
                fixture.host.endExec(exec.id, in: id, Ending(.exited, exitCode: 0, at: .now()))
                _ = try await fixture.engine.wait(for: exec.id, in: id, upTo: .seconds(60))
            default:
                let id = try await fixture.engine.sandbox(named: name, in: .default).id
                _ = try await fixture.engine.setTags(of: id, to: try Tags(["by": "\(client)"]))
            }
        }
        #expect([nil, .alreadyExists, .notFound, .failedPrecondition].contains(outcome))
    }

    private static func checkHistory(of sandbox: SandboxSnapshot, in fixture: Fixture) async throws {
        let events = try await fixture.engine.events(of: sandbox.id, after: 0, waitingUpTo: .zero)
        #expect(events.map(\.number) == Array(1...max(events.count, 1)))
        #expect(events.prefix(2).map(\.kind) == [.created, .started])
        let isOver = sandbox.status.ending != nil
        #expect(events.filter { $0.kind == .ended }.count == (isOver ? 1 : 0))
        #expect(events.filter { $0.kind == .terminateRequested }.count <= 1)
        for exec in try await fixture.engine.execs(in: sandbox.id) {
            let kinds = events.filter { $0.exec == exec.id }.map(\.kind)
            let isDone = exec.status.ending != nil
            // One that starts while its sandbox ends never ran.
            #expect(
                kinds == (isDone ? [.execStarted, .execEnded] : [.execStarted]) || (isOver && kinds == [.execEnded]))
            #expect(isDone || !isOver)
        }
    }
}
