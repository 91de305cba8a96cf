import SandboxEngine
import SandboxModel
import Testing

/// That what the engine and its records cost doesn't grow with what there is already, over a machine's side that
/// costs nothing. The best of many are compared, which a busy neighbour hardly touches.
@Suite(.serialized) struct CostTests {
    private let clock = ContinuousClock()

    private func grows(_ durations: [Duration]) -> Bool {
        (durations.suffix(100).min() ?? .zero) > (durations.prefix(100).min() ?? .zero) * 5
    }

    @Test("creating and starting an exec cost no more when there are many")
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
        #expect(!grows(creates), "\(creates)")
        #expect(!grows(execs), "\(execs)")
    }

    @Test("a thousand running sandboxes and as many ended ones are recovered")
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
        let after = try await before.restarted()
        #expect(
            try await after.engine.sandboxes(matching: SandboxQuery(state: .running, limit: 1000)).sandboxes.count
                == 1000)
    }
}
