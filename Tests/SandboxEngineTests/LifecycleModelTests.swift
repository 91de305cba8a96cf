import SandboxEngine
import SandboxModel
import Testing

/// Random walks through the state machine, beside a model of which steps are allowed.
@Suite struct LifecycleModelTests {
    private enum Step: CaseIterable { case start, abandon, setDeadline, terminate, end }

    private static let allowed: [String: Set<Step>] = [
        "creating": [.start, .abandon], "running": [.setDeadline, .terminate, .end], "ended": [], "abandoned": [],
    ]
    private static let leadsTo: [Step: String] = [
        .start: "running", .abandon: "abandoned", .setDeadline: "running", .terminate: "running", .end: "ended",
    ]

    @Test("every walk follows the model: allowed steps lead where they should, others throw and change nothing")
    func randomWalks() throws {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            var lifecycle = SandboxLifecycle.creating
            var requests = 0
            for _ in 0..<12 {
                let step = Step.allCases.randomElement(using: &generator) ?? .start
                let before = lifecycle
                let isAllowed = Self.allowed[before.name]?.contains(step) == true
                do {
                    if try take(step, &lifecycle) { requests += 1 }
                    #expect(isAllowed)
                    #expect(lifecycle.name == Self.leadsTo[step])
                } catch {
                    #expect(!isAllowed)
                    #expect(lifecycle == before)
                }
            }
            #expect(requests <= 1)
        }
    }

    /// Whether this was a first request for termination.
    private func take(_ step: Step, _ lifecycle: inout SandboxLifecycle) throws -> Bool {
        let time = Timestamp(microseconds: 1)
        switch step {
        case .start: try lifecycle.start(at: time, deadline: time)
        case .abandon: try lifecycle.abandon(because: .internal)
        case .setDeadline: try lifecycle.setDeadline(Timestamp(microseconds: 2))
        case .terminate: return try lifecycle.requestTermination()
        case .end: try lifecycle.end(with: Ending(.terminated, at: time))
        }
        return false
    }

    @Test("random calls on an engine, with restarts between, agree with a model of it")
    func randomEngine() async throws {
        var fixtures = [try await Fixture()]
        var running: [String: SandboxID] = [:]
        var ended: Set<SandboxID> = []
        for round in 0..<300 {
            let fixture = fixtures[fixtures.count - 1]
            let name = "n\(Int.random(in: 0..<6))"
            switch Int.random(in: 0..<10) {
            case 0..<5:
                let spec = SandboxSpec(name: try SandboxName(name))
                let outcome = await code { running[name] = try await fixture.create(spec).id }
                if outcome != nil { #expect(outcome == .alreadyExists && running[name] != nil) }
            case 5..<7:
                guard let id = running.removeValue(forKey: name) else { continue }
                _ = try await fixture.engine.terminate(id)
                ended.insert(id)
            case 7:
                guard let id = running.removeValue(forKey: name) else { continue }
                fixture.host.end(id, Ending(.timedOut, at: .now()))
                _ = try await fixture.engine.wait(for: id, upTo: .seconds(60))
                ended.insert(id)
            default:
                if round % 5 == 0 { fixtures.append(try await fixture.restarted()) }
            }
            let engine = fixtures[fixtures.count - 1].engine
            let live = try await engine.sandboxes(matching: SandboxQuery(state: .running, limit: 1000)).sandboxes
            #expect(Set(live.map(\.id)) == Set(running.values))
            let over = try await engine.sandboxes(matching: SandboxQuery(state: .ended, limit: 1000)).sandboxes
            #expect(Set(over.map(\.id)) == ended)
        }
    }
}
