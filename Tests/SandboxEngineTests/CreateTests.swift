import SandboxEngine
import SandboxModel
import Testing

@Suite struct CreateTests {
    @Test("of a hundred concurrent creates of one name exactly one wins")
    func oneNameOneWinner() async throws {
        let fixture = try await Fixture()
        let spec = SandboxSpec(name: try SandboxName("only"))
        let outcomes = await withTaskGroup(of: ErrorCode?.self) { group in
            for _ in 0..<100 { group.addTask { await code { _ = try await fixture.create(spec) } } }
            return await group.reduce(into: [ErrorCode?]()) { $0.append($1) }
        }
        #expect(outcomes.filter { $0 == nil }.count == 1)
        #expect(outcomes.filter { $0 == .alreadyExists }.count == 99)
        #expect(fixture.host.with { $0.launched.count } == 1)
    }

    @Test("a name is free again once its sandbox has ended, and belongs to one per app")
    func nameIsFreeAgain() async throws {
        let fixture = try await Fixture()
        let name = try SandboxName("web")
        let first = try await fixture.create(SandboxSpec(name: name))
        _ = try await fixture.create(SandboxSpec(app: try AppName("other"), name: name))
        #expect(await code { _ = try await fixture.create(SandboxSpec(name: name)) } == .alreadyExists)
        _ = try await fixture.engine.terminate(first.id)
        let second = try await fixture.create(SandboxSpec(name: name))
        #expect(try await fixture.engine.sandbox(named: name, in: .default).id == second.id)
    }

    @Test("ids carry the node and times of creation are unique and grow")
    func idsAndTimes() async throws {
        let fixture = try await Fixture()
        let node = try await fixture.catalog.records.node()
        var last = Timestamp(microseconds: 0)
        for _ in 0..<20 {
            let sandbox = try await fixture.create()
            #expect(sandbox.id.node == node)
            #expect(sandbox.createdAt > last)
            last = sandbox.createdAt
        }
    }

    @Test("variables can name the sandbox itself, under those that were asked for")
    func ownNames() async throws {
        let fixture = try await Fixture()
        var spec = SandboxSpec(environment: try Environment(["A": "asked"]))
        spec.ownNames = ["A": OwnName(before: ""), "B": OwnName(before: "x-", behind: "Y")]
        let made = try await fixture.create(spec)
        #expect(made.spec.environment.variables == ["A": "asked", "B": "x-\(made.id.text.dropFirst(3))Y"])
        #expect(made.spec.ownNames.isEmpty)
    }

    @Test("a launch that fails leaves no name, no record and no sandbox, and doesn't say where it failed")
    func failedLaunch() async throws {
        let fixture = try await Fixture()
        let spec = SandboxSpec(name: try SandboxName("x"))
        fixture.host.with { $0.launchFailure = FakeHost.Failure() }
        do {
            _ = try await fixture.create(spec, key: "k")
            Issue.record("it should have failed")
        } catch let error as CordonError {
            #expect(error.code == .internal)
            #expect(!error.message.contains("secret"))
        }
        #expect(try await fixture.engine.sandboxes(matching: SandboxQuery()).sandboxes.isEmpty)
        #expect(try await fixture.catalog.records.sandboxes().sandboxes.isEmpty)
        fixture.host.with { $0.launchFailure = nil }
        _ = try await fixture.create(spec, key: "k")
    }

    @Test("a caller that goes away leaves a whole sandbox, which a repeat finds")
    func cancelledCaller() async throws {
        let fixture = try await Fixture()
        fixture.host.with { $0.isHeld = true }
        let call = Task { try await fixture.create(key: "once") }
        #expect(await eventually { fixture.host.with { $0.held.count } == 1 })
        call.cancel()
        fixture.host.release()
        let first = try await call.value
        #expect(first.status == .running)
        #expect(try await fixture.create(key: "once").id == first.id)
        #expect(fixture.host.with { $0.launched.count } == 1)
    }

    @Test("no more sandboxes run than the limit, and the refusal says when to come back")
    func limit() async throws {
        let fixture = try await Fixture(EngineLimits(maxSandboxes: 2))
        let first = try await fixture.create()
        _ = try await fixture.create()
        do {
            _ = try await fixture.create()
            Issue.record("it should have been refused")
        } catch let error as CordonError {
            #expect(error.code == .resourceExhausted)
            #expect(error.retryAfter != nil)
        }
        _ = try await fixture.engine.terminate(first.id)
        _ = try await fixture.create()
    }

    @Test("repeats with one key, also concurrent ones, make one sandbox")
    func concurrentRepeats() async throws {
        let fixture = try await Fixture()
        let spec = SandboxSpec(name: try SandboxName("keyed"))
        let ids = try await withThrowingTaskGroup(of: SandboxID.self) { group in
            for _ in 0..<20 { group.addTask { try await fixture.create(spec, key: "same").id } }
            return try await group.reduce(into: Set<SandboxID>()) { $0.insert($1) }
        }
        #expect(ids.count == 1)
        #expect(fixture.host.with { $0.launched.count } == 1)
    }

    @Test("a key with another body is refused, on another route or by another token it is another key")
    func keyConflict() async throws {
        let fixture = try await Fixture()
        let first = try await fixture.create(key: "k", body: 1)
        #expect(await code { _ = try await fixture.create(key: "k", body: 2) } == .failedPrecondition)
        let other = try await fixture.engine.create(
            SandboxSpec(), by: Caller(tokenID: "tk-other"), key: Fixture.key("k"))
        #expect(other.id != first.id)
    }

    @Test("an early report of the main command's end is not lost")
    func mainEndsDuringLaunch() async throws {
        let fixture = try await Fixture()
        fixture.host.with { $0.isHeld = true }
        let spec = SandboxSpec(command: try CommandSpec(argv: ["true"]))
        let call = Task { try await fixture.create(spec) }
        #expect(await eventually { fixture.host.with { $0.held.count } == 1 })
        let id = try #require(fixture.host.with { $0.launched.first })
        fixture.host.endExec(.main, in: id, Ending(.exited, exitCode: 3, at: .now()))
        fixture.host.end(id, Ending(.exited, exitCode: 3, at: .now()))
        try await Task.sleep(for: .milliseconds(30))
        fixture.host.release()
        let snapshot = try await call.value
        #expect(snapshot.status.ending?.exitCode == 3)
        #expect(try await fixture.engine.exec(.main, in: id).status.ending?.exitCode == 3)
    }
}
