import SandboxEngine
import SandboxModel
import Testing

@Suite struct LifetimeTests {
    @Test("concurrent terminations share one, and one more afterwards does nothing")
    func sharedTermination() async throws {
        let fixture = try await Fixture()
        let sandbox = try await fixture.create()
        fixture.host.with { $0.isHeld = true }
        let endings = try await withThrowingTaskGroup(of: SandboxSnapshot.self) { group in
            for _ in 0..<50 { group.addTask { try await fixture.engine.terminate(sandbox.id) } }
            // Time for all of them to come while the first is under way.
            try await Task.sleep(for: .milliseconds(50))
            fixture.host.release()
            return try await group.reduce(into: Set<SandboxSnapshot>()) { $0.insert($1) }
        }
        #expect(endings.count == 1)
        #expect(try await fixture.engine.terminate(sandbox.id) == endings.first)
        #expect(fixture.host.with { $0.terminations[sandbox.id] } == 1)
        let kinds = try await fixture.engine.events(of: sandbox.id, after: 0, waitingUpTo: .zero).map(\.kind)
        #expect(kinds == [.created, .started, .terminateRequested, .ended])
    }

    @Test("a termination during the creation waits for the launch, then ends it")
    func terminateWhileCreating() async throws {
        let fixture = try await Fixture()
        fixture.host.with { $0.isHeld = true }
        let creation = Task { try await fixture.create() }
        #expect(await eventually { fixture.host.with { $0.held.count } == 1 })
        let id = try #require(try await fixture.engine.sandboxes(matching: SandboxQuery()).sandboxes.first?.id)
        let termination = Task { try await fixture.engine.terminate(id) }
        fixture.host.release()
        #expect(try await termination.value.status.ending?.reason == .terminated)
        _ = try await creation.value
    }

    @Test("a wait wakes when the sandbox ends, and returns without it when its time is over")
    func waits() async throws {
        let fixture = try await Fixture()
        let sandbox = try await fixture.create()
        let long = Task { try await fixture.engine.wait(for: sandbox.id, upTo: .seconds(3600)) }
        // The sweep sleeps as well.
        #expect(await eventually { fixture.clock.sleeping == 2 })
        fixture.clock.advance(by: .seconds(59))
        #expect(fixture.clock.sleeping >= 1)
        fixture.clock.advance(by: .seconds(1))
        #expect(try await long.value.status == .running)
        let woken = Task { try await fixture.engine.wait(for: sandbox.id, upTo: .seconds(60)) }
        #expect(await eventually { fixture.clock.sleeping == 2 })
        fixture.host.end(sandbox.id, Ending(.idleTimedOut, at: .now()))
        #expect(try await woken.value.status.ending?.reason == .idleTimedOut)
    }

    @Test("a waiter whose caller goes away is let go, and no more wait than the limit")
    func waitersAreBounded() async throws {
        let fixture = try await Fixture(EngineLimits(maxWaiters: 1))
        let sandbox = try await fixture.create()
        let first = Task { try await fixture.engine.wait(for: sandbox.id, upTo: .seconds(60)) }
        #expect(await eventually { fixture.clock.sleeping == 2 })
        #expect(
            await code { _ = try await fixture.engine.wait(for: sandbox.id, upTo: .seconds(60)) } == .resourceExhausted)
        first.cancel()
        // An error, not an early answer: whoever asks until it is over must come to an end.
        #expect(await code { _ = try await first.value } == .cancelled)
        #expect(try await fixture.engine.wait(for: sandbox.id, upTo: .zero).status == .running)
    }

    @Test("events are waited for and numbered without a gap")
    func eventsWake() async throws {
        let fixture = try await Fixture()
        let sandbox = try await fixture.create()
        let next = Task { try await fixture.engine.events(of: sandbox.id, after: 2, waitingUpTo: .seconds(60)) }
        #expect(await eventually { fixture.clock.sleeping == 2 })
        _ = try await fixture.engine.setTags(of: sandbox.id, to: try Tags(["a": "b"]))
        #expect(try await next.value.map(\.kind) == [.tagsChanged])
        _ = try await fixture.engine.terminate(sandbox.id)
        let all = try await fixture.engine.events(of: sandbox.id, after: 0, waitingUpTo: .zero)
        #expect(all.map(\.number) == Array(1...all.count))
        // Nothing more can come: no wait.
        #expect(try await fixture.engine.events(of: sandbox.id, after: all.count, waitingUpTo: .seconds(60)).isEmpty)
    }

    @Test("deadlines count from the start and survive; those of an ended sandbox can't change")
    func deadlines() async throws {
        let fixture = try await Fixture()
        let sandbox = try await fixture.create()
        let changed = try await fixture.engine.setDeadlines(
            of: sandbox.id, timeout: .seconds(1000), idleTimeout: .set(.seconds(7)))
        let startedAt = try #require(changed.startedAt)
        #expect(changed.deadline?.microseconds == startedAt.microseconds + 1_000_000_000)
        let after = try await fixture.restarted()
        #expect(try await after.engine.sandbox(sandbox.id) == changed)
        _ = try await after.engine.terminate(sandbox.id)
        #expect(
            await code {
                _ = try await after.engine.setDeadlines(of: sandbox.id, timeout: .seconds(1), idleTimeout: .keep)
            } == .failedPrecondition)
    }

    @Test("ended sandboxes are kept for their time and number, then forgotten on all sides")
    func retention() async throws {
        let fixture = try await Fixture(EngineLimits(retention: .seconds(100), retainedSandboxes: 2))
        var ids: [SandboxID] = []
        for _ in 0..<4 {
            let sandbox = try await fixture.create(key: "k\(ids.count)")
            ids.append(sandbox.id)
            fixture.host.end(sandbox.id, Ending(.terminated, at: fixture.clock.now()))
            _ = try await fixture.engine.wait(for: sandbox.id, upTo: .seconds(9))
            fixture.clock.advance(by: .milliseconds(1))
        }
        let running = try await fixture.create()
        await fixture.engine.sweep()
        #expect(fixture.host.with { $0.forgotten } == Set(ids.prefix(2)))
        #expect(await code { _ = try await fixture.engine.sandbox(ids[0]) } == .notFound)
        fixture.clock.advance(by: .seconds(100))
        #expect(await eventually { fixture.host.with { $0.forgotten.count } == 4 })
        #expect(
            try await eventually {
                try await fixture.catalog.records.sandboxes().sandboxes.map(\.snapshot.id) == [running.id]
            })
    }

    @Test("lists filter by app, state and all tags, newest first, in pages without gap or repeat")
    func lists() async throws {
        let fixture = try await Fixture()
        var expected: [SandboxID] = []
        for number in 0..<25 {
            let tags = try Tags(["all": "yes", "odd": "\(number % 2)"])
            let sandbox = try await fixture.create(SandboxSpec(app: try AppName("a\(number % 5)"), tags: tags))
            if number % 2 == 1 { expected.insert(sandbox.id, at: 0) }
        }
        var query = SandboxQuery(tags: try Tags(["all": "yes", "odd": "1"]), limit: 5)
        var found: [SandboxID] = []
        repeat {
            let page = try await fixture.engine.sandboxes(matching: query)
            found += page.sandboxes.map(\.id)
            query.before = page.next
        } while query.before != nil
        #expect(found == expected)
        _ = try await fixture.engine.terminate(expected[0])
        let ended = try await fixture.engine.sandboxes(matching: SandboxQuery(state: .ended))
        #expect(ended.sandboxes.map(\.id) == [expected[0]])
        #expect(try await fixture.engine.sandboxes(matching: SandboxQuery(app: try AppName("a3"))).sandboxes.count == 5)
        #expect(
            try await fixture.engine.sandboxes(matching: SandboxQuery(tags: try Tags(["all": "no"]))).sandboxes.isEmpty)
    }
}
