import GRDB
import SandboxEngine
import SandboxModel
import Testing

@Suite struct RecoveryTests {
    @Test("a running sandbox is readopted with its execs, its name, its key and its times")
    func readopted() async throws {
        let before = try await Fixture()
        let spec = SandboxSpec(name: try SandboxName("kept"), command: try CommandSpec(argv: ["sleep", "9"]))
        let sandbox = try await before.create(spec, key: "k")
        let exec = try await before.start(try sh("one"), in: sandbox.id)
        let after = try await before.restarted()
        #expect(try await after.engine.sandbox(sandbox.id) == sandbox)
        #expect(try await after.engine.sandbox(named: try SandboxName("kept"), in: .default).id == sandbox.id)
        #expect(await code { _ = try await after.create(spec) } == .alreadyExists)
        #expect(try await after.create(spec, key: "k").id == sandbox.id)
        #expect(try await after.engine.exec(exec.id, in: sandbox.id) == exec)
        #expect(try await after.engine.execs(in: sandbox.id).map(\.id.text) == ["main", "one"])
        let events = try await after.engine.events(of: sandbox.id, after: 0, waitingUpTo: .zero)
        #expect(events.map(\.number) == Array(1...events.count))
        #expect(events.map(\.kind) == [.created, .started, .execStarted, .execStarted, .readopted])
    }

    @Test("a sandbox that ended meanwhile has the machine's ending, and so have its execs")
    func endedMeanwhile() async throws {
        let before = try await Fixture()
        let sandbox = try await before.create()
        _ = try await before.start(try sh("done"), in: sandbox.id)
        _ = try await before.start(try sh("cut"), in: sandbox.id)
        let ending = Ending(.timedOut, detail: "its lifetime", at: .now())
        before.host.with { state in
            state.sandboxes[sandbox.id]?.ending = ending
            state.sandboxes[sandbox.id]?.execs[0].status = .ended(Ending(.exited, exitCode: 7, at: .now()))
        }
        let after = try await before.restarted()
        #expect(try await after.engine.sandbox(sandbox.id).status == .ended(ending))
        let execs = try await after.engine.execs(in: sandbox.id)
        #expect(execs.map { $0.status.ending?.reason } == [.exited, .terminated])
        // And it stays so.
        let again = try await after.restarted()
        #expect(try await again.engine.sandbox(sandbox.id).status == .ended(ending))
        #expect(try await again.engine.execs(in: sandbox.id) == execs)
    }

    @Test("a running sandbox that the machine doesn't know has ended with the host's restart")
    func hostRestarted() async throws {
        let before = try await Fixture()
        let sandbox = try await before.create(SandboxSpec(name: try SandboxName("n")))
        before.host.with { _ = $0.sandboxes.removeValue(forKey: sandbox.id) }
        let after = try await before.restarted()
        #expect(try await after.engine.sandbox(sandbox.id).status.ending?.reason == .hostRestarted)
        _ = try await after.create(SandboxSpec(name: try SandboxName("n")))
    }

    @Test("killed between intent and launch: nothing is left, and the repeat creates it")
    func killedBeforeLaunch() async throws {
        let before = try await Fixture()
        before.host.with { $0.isHeld = true }
        let spec = SandboxSpec(name: try SandboxName("half"))
        let call = Task { try await before.create(spec, key: "k") }
        #expect(await eventually { before.host.with { $0.held.count } == 1 })
        let after = try await before.restarted()
        #expect(try await after.engine.sandboxes(matching: SandboxQuery()).sandboxes.isEmpty)
        let sandbox = try await after.create(spec, key: "k")
        #expect(sandbox.status == .running)
        before.host.release()
        _ = try? await call.value
    }

    @Test("killed between launch and record: it runs, and the repeat finds it")
    func killedAfterLaunch() async throws {
        let before = try await Fixture()
        before.host.with { $0.swallowsLaunches = true }
        let spec = SandboxSpec(command: try CommandSpec(argv: ["cat"]))
        let call = Task { try await before.create(spec, key: "k") }
        #expect(await eventually { before.host.with { $0.sandboxes.count } == 1 })
        let after = try await before.restarted()
        let sandbox = try await after.create(spec, key: "k")
        #expect(sandbox.status == .running)
        #expect(after.host.with { $0.launched.isEmpty })
        #expect(try await after.engine.exec(.main, in: sandbox.id).status == .running)
        call.cancel()
    }

    @Test("what runs and is on nobody's record is ended and forgotten")
    func strays() async throws {
        let before = try await Fixture()
        let stray = SandboxID.mint()
        before.host.with {
            $0.sandboxes[stray] = HostedSandbox(
                id: stray, startedAt: .now(), ending: nil, deadline: .now(), execs: [])
        }
        let after = try await before.restarted()
        #expect(after.host.with { $0.terminations[stray] } == 1)
        #expect(after.host.with { $0.forgotten.contains(stray) })
    }

    @Test("a sandbox whose record can't be read is neither ended nor forgotten")
    func unreadable() async throws {
        let before = try await Fixture()
        let sandbox = try await before.create()
        let other = try await before.create()
        var patient = Configuration()
        patient.busyMode = .timeout(5)
        try await DatabaseQueue(path: before.directory + "/live.db", configuration: patient).write {
            try $0.execute(sql: "UPDATE sandboxes SET spec = '[]' WHERE id = ?", arguments: [sandbox.id.text])
        }
        let after = try await before.restarted()
        #expect(after.host.with { $0.terminations.isEmpty && $0.forgotten.isEmpty })
        #expect(try await after.engine.sandbox(other.id).status == .running)
        #expect(try await after.catalog.records.sandboxes().unreadable == [sandbox.id])
    }

    @Test("a termination that was interrupted is finished, with one event for the request")
    func interruptedTermination() async throws {
        let before = try await Fixture()
        let sandbox = try await before.create()
        before.host.with { $0.isHeld = true }
        let call = Task { try await before.engine.terminate(sandbox.id) }
        #expect(await eventually { before.host.with { $0.held.count } == 1 })
        #expect(
            try await eventually {
                let events = try await before.engine.events(of: sandbox.id, after: 0, waitingUpTo: .zero)
                return events.contains { $0.kind == .terminateRequested }
            })
        let after = try await before.restarted()
        let ended = try await after.engine.terminate(sandbox.id)
        #expect(ended.status.ending?.reason == .terminated)
        before.host.release()
        _ = try await call.value
    }

    @Test("an exec that was recorded and never reached the machine is gone, and a repeat starts it")
    func execNeverStarted() async throws {
        let before = try await Fixture()
        let sandbox = try await before.create()
        before.host.with { $0.isHeld = true }
        let call = Task { try await before.start(try sh("e"), in: sandbox.id, key: "k") }
        #expect(await eventually { before.host.with { $0.held.count } == 1 })
        let after = try await before.restarted()
        #expect(try await after.engine.execs(in: sandbox.id).isEmpty)
        #expect(try await after.start(try sh("e"), in: sandbox.id, key: "k").status == .running)
        before.host.release()
        _ = try? await call.value
    }

    @Test("before recovery every call is refused as unavailable")
    func beforeRecovery() async throws {
        let fixture = try await Fixture()
        let engine = Engine(
            host: FakeHost(), records: fixture.catalog.records, clock: fixture.clock, logger: .init(label: "t"))
        #expect(await code { _ = try await engine.create(SandboxSpec(), by: Fixture.caller, key: nil) } == .unavailable)
        #expect(await code { _ = try await engine.sandbox(.mint()) } == .unavailable)
        #expect(await engine.readiness().ready == false)
    }
}
