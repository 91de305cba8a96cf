import SandboxEngine
import SandboxModel
import Testing

@Suite("Runs")
struct RunTests {
    private static func spec(
        detached: Bool = false, files: [String] = ["main"], outputs: [String] = []
    ) throws -> RunSpec {
        RunSpec(
            sandbox: SandboxSpec(), program: ExecSpec(id: .run, command: try CommandSpec(argv: ["program"])),
            workdir: try FilePath("/w"),
            files: try files.map {
                RunFile(
                    path: try FilePath($0, below: "/w", field: "f"), content: [1, 2], mode: nil, field: "files[0].path")
            }, outputs: try outputs.map { try FilePath($0) }, isDetached: detached)
    }

    private static func key(_ name: String = "k") -> IdempotencyKey { Fixture.key(name, 1) }

    private func eventually(_ condition: () async throws -> Bool) async throws -> Bool {
        for _ in 0..<2500 {
            if try await condition() { return true }
            try await Task.sleep(for: .milliseconds(4))
        }
        return false
    }

    private func isOver(_ id: SandboxID, _ fixture: Fixture) async throws -> Bool {
        if case .ended = try await fixture.engine.sandbox(id).status { true } else { false }
    }

    @Test("files go in, the program runs, files come out, and the sandbox is gone")
    func whole() async throws {
        let fixture = try await Fixture()
        let started = try await fixture.engine.startRun(
            Self.spec(outputs: ["/w/main", "/none"]), by: Fixture.caller, key: nil)
        let id = started.sandbox.id
        #expect(started.program?.id == .run && fixture.host.with { $0.files[id]?["/w/main"] } == [1, 2])
        #expect(started.sandbox.spec.timeout == SandboxSpec.defaultTimeout + RunSpec.margin)
        fixture.host.endExec(.run, in: id, Ending(.exited, exitCode: 3, at: .now()))
        let finished = try await fixture.engine.finishRun(id)
        guard case .ended(let ending) = finished.program?.status else { throw CordonError(.internal, "it goes on") }
        #expect(ending.exitCode == 3)
        #expect(try finished.outputs[0].result.get().bytes == [1, 2])
        #expect(throws: CordonError.self) { try finished.outputs[1].result.get() }
        #expect(try await isOver(id, fixture))
        await fixture.engine.leaveRun(id, forNow: false)
        await #expect(throws: CordonError.self) { try await fixture.engine.finishRun(id) }
    }

    @Test("a run whose last claimant leaves is ended; one that somebody else waits for isn't")
    func leaving() async throws {
        let fixture = try await Fixture()
        let first = try await fixture.engine.startRun(Self.spec(), by: Fixture.caller, key: Self.key())
        let second = try await fixture.engine.startRun(Self.spec(), by: Fixture.caller, key: Self.key())
        let id = first.sandbox.id
        #expect(second.sandbox.id == id && second.program?.id == .run)
        #expect(fixture.host.with { $0.filesWritten } == 1, "files are written once")
        await fixture.engine.leaveRun(id, forNow: false)
        #expect(try await !isOver(id, fixture))
        await fixture.engine.leaveRun(id, forNow: false)
        #expect(try await isOver(id, fixture))
    }

    @Test("a file that can't be written leaves nothing, and the key is free again")
    func refusedFile() async throws {
        let fixture = try await Fixture()
        for _ in 0..<2 {
            do {
                _ = try await fixture.engine.startRun(
                    Self.spec(files: ["/proc/x"]), by: Fixture.caller, key: Self.key())
                Issue.record("it started")
            } catch let error as CordonError {
                #expect(error.code == .permissionDenied && error.field == "files[0].path")
            }
        }
        #expect(fixture.host.with { Set($0.terminations.keys).count } == 2)
        #expect(try await fixture.engine.sandboxes(matching: SandboxQuery()).sandboxes.isEmpty)
    }

    @Test("a program that can't be started is a result, also for a repeat")
    func failedStart() async throws {
        let fixture = try await Fixture()
        fixture.host.with { $0.execFailure = CordonError(.invalidArgument, "no such program", field: "argv[0]") }
        for _ in 0..<2 {
            let started = try await fixture.engine.startRun(Self.spec(), by: Fixture.caller, key: Self.key())
            guard case .ended(let ending) = started.program?.status else { throw CordonError(.internal, "it runs") }
            #expect(ending.reason == .failedToStart && ending.detail == "no such program")
            _ = try await fixture.engine.finishRun(started.sandbox.id)
            await fixture.engine.leaveRun(started.sandbox.id, forNow: false)
        }
        #expect(fixture.host.with { $0.launched.count } == 1)
    }

    @Test("a detached run is seen to its end, also by the next service")
    func detached() async throws {
        let fixture = try await Fixture()
        let started = try await fixture.engine.startRun(Self.spec(detached: true), by: Fixture.caller, key: nil)
        let id = started.sandbox.id
        await fixture.engine.leaveRun(id, forNow: false)
        #expect(try await !isOver(id, fixture))
        let next = try await fixture.restarted()
        #expect(try await !isOver(id, next))
        next.host.endExec(.run, in: id, Ending(.exited, exitCode: 0, at: .now()))
        #expect(try await eventually { try await isOver(id, next) })
        withExtendedLifetime(fixture) {}
    }

    @Test("a killed service's run is ended by the next one; with a key it is left for its repeat")
    func killed() async throws {
        let fixture = try await Fixture()
        let plain = try await fixture.engine.startRun(Self.spec(), by: Fixture.caller, key: nil).sandbox.id
        let kept = try await fixture.engine.startRun(
            Self.spec(outputs: ["/w/main"]), by: Fixture.caller, key: Self.key()
        )
        .sandbox.id
        let next = try await fixture.restarted()
        #expect(try await eventually { try await isOver(plain, next) })
        let files = fixture.host.with { $0.files }
        next.host.with { $0.files = files }
        let again = try await next.engine.startRun(
            Self.spec(outputs: ["/w/main"]), by: Fixture.caller, key: Self.key())
        #expect(again.sandbox.id == kept && next.host.with { $0.filesWritten } == 0)
        next.host.endExec(.run, in: kept, Ending(.exited, exitCode: 0, at: .now()))
        #expect(try await next.engine.finishRun(kept).outputs[0].result.get().bytes == [1, 2])
        withExtendedLifetime(fixture) {}
    }

    @Test("a run with a key for which no repeat comes is ended after a minute")
    func noRepeat() async throws {
        let fixture = try await Fixture()
        let id = try await fixture.engine.startRun(Self.spec(), by: Fixture.caller, key: Self.key()).sandbox.id
        await fixture.engine.leaveRun(id, forNow: true)
        #expect(try await !isOver(id, fixture))
        #expect(
            try await eventually {
                fixture.clock.advance(by: Engine.runGrace)
                return try await isOver(id, fixture)
            })
    }
}
