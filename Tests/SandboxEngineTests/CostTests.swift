import SandboxEngine
import SandboxModel
import Testing

/// What the engine and its records cost by themselves, over a machine's side that costs nothing.
/// The bounds find a lost index or a lock, not a busy neighbour.
@Suite(.serialized) struct CostTests {
    private let clock = ContinuousClock()

    private func report(_ what: String, _ durations: [Duration]) -> Duration {
        let sorted = durations.sorted()
        let median = sorted[sorted.count / 2]
        print("\(what): p50 \(median), p99 \(sorted[sorted.count * 99 / 100])")
        return median
    }

    @Test("creating and starting an exec cost a fraction of what a request may take")
    func creates() async throws {
        let fixture = try await Fixture()
        var creates: [Duration] = []
        var execs: [Duration] = []
        for number in 0..<300 {
            let spec = SandboxSpec(name: try SandboxName("n\(number)"), tags: try Tags(["a": "b"]))
            var id: SandboxID?
            creates.append(try await clock.measure { id = try await fixture.create(spec).id })
            let sandbox = try #require(id)
            let exec = try sh()
            execs.append(try await clock.measure { _ = try await fixture.start(exec, in: sandbox) })
        }
        #expect(report("create", creates) < .milliseconds(5))
        #expect(report("exec", execs) < .milliseconds(5))
    }

    @Test("a thousand running sandboxes and as many ended ones are recovered in well under a second")
    func recovery() async throws {
        let before = try await Fixture()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<2000 {
                group.addTask {
                    let id = try await before.create(SandboxSpec(tags: try Tags(["a": "b"]))).id
                    _ = try await before.start(try sh(), in: id)
                    if number % 2 == 0 { _ = try await before.engine.terminate(id) }
                }
                if number >= 16 { try await group.next() }
            }
            try await group.waitForAll()
        }
        let start = clock.now
        let after = try await before.restarted()
        print("recovery of 1,000 running and 1,000 ended: \(clock.now - start)")
        #expect(clock.now - start < .seconds(5))
        #expect(
            try await after.engine.sandboxes(matching: SandboxQuery(state: .running, limit: 1000)).sandboxes.count
                == 1000)
    }
}
