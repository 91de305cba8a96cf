import SandboxEngine
import SandboxModel
import Testing

@Suite struct ExecTests {
    @Test("an exec has the sandbox's variables with its own over them, and its workdir")
    func environment() async throws {
        let fixture = try await Fixture()
        let sandbox = try await fixture.create(
            SandboxSpec(environment: try Environment(["A": "1", "B": "1"]), workdir: "/srv"))
        var spec = try sh()
        spec.environment = try Environment(["B": "2"])
        _ = try await fixture.start(spec, in: sandbox.id)
        spec.id = .mint()
        spec.workdir = "/tmp"
        _ = try await fixture.start(spec, in: sandbox.id)
        let orders = fixture.host.with { $0.execOrders }
        #expect(orders[0].environment.variables == ["A": "1", "B": "2"])
        #expect(orders.map(\.workdir) == ["/srv", "/tmp"])
    }

    @Test("a terminal is resized while its exec runs; without one, or after the end, that is refused")
    func resizing() async throws {
        let fixture = try await Fixture()
        let sandbox = try await fixture.create(
            SandboxSpec(command: try CommandSpec(argv: ["sh"]), terminal: .standard))
        var spec = try sh()
        spec.terminal = .standard
        _ = try await fixture.start(spec, in: sandbox.id)
        let pipes = try await fixture.start(try sh(), in: sandbox.id).id
        let size = try TerminalSize(rows: 1, columns: 2)
        for exec in [spec.id, .main] { try await fixture.engine.resize(exec, in: sandbox.id, to: size) }
        #expect(fixture.host.with { $0.sizes } == [spec.id: size, .main: size])
        #expect(fixture.host.with { $0.execOrders[0].spec.terminal } == .standard)
        #expect(await code { try await fixture.engine.resize(pipes, in: sandbox.id, to: size) } == .failedPrecondition)
        #expect(await code { try await fixture.engine.resize(.mint(), in: sandbox.id, to: size) } == .notFound)
        #expect(await code { try await fixture.engine.resize(spec.id, in: .mint(), to: size) } == .notFound)
        fixture.host.endExec(spec.id, in: sandbox.id, Ending(.exited, exitCode: 0, at: .now()))
        _ = try await fixture.engine.wait(for: spec.id, in: sandbox.id, upTo: .seconds(5))
        #expect(
            await code { try await fixture.engine.resize(spec.id, in: sandbox.id, to: size) } == .failedPrecondition)
    }

    @Test("the same exec_id answers the same exec, with other values it is refused")
    func idempotentByID() async throws {
        let fixture = try await Fixture()
        let sandbox = try await fixture.create()
        let spec = try sh("mine")
        let ids = try await withThrowingTaskGroup(of: ExecSnapshot.self) { group in
            for _ in 0..<20 { group.addTask { try await fixture.start(spec, in: sandbox.id) } }
            return try await group.reduce(into: Set<Timestamp>()) { $0.insert($1.createdAt) }
        }
        #expect(ids.count == 1)
        #expect(fixture.host.with { $0.execOrders.count } == 1)
        #expect(await code { _ = try await fixture.start(try sh("mine", ["ls"]), in: sandbox.id) } == .alreadyExists)
        #expect(await code { _ = try await fixture.start(try sh("main"), in: sandbox.id) } == .invalidArgument)
    }

    @Test(
        "an exec that memory has let go is still found, listed, waited for and idempotent", arguments: [64 << 10, 0])
    func beyondMemory(bytes: Int) async throws {
        var limits = EngineLimits(recentExecsPerSandbox: 1)
        limits.recentExecBytesPerSandbox = bytes
        let fixture = try await Fixture(limits)
        let sandbox = try await fixture.create()
        for name in ["a", "b", "c"] {
            _ = try await fixture.start(try sh(name), in: sandbox.id, key: name)
            let exec = try #require(ExecID(name))
            fixture.host.endExec(exec, in: sandbox.id, Ending(.exited, exitCode: 0, at: .now()))
            #expect(try await fixture.engine.wait(for: exec, in: sandbox.id, upTo: .seconds(5)).status.ending != nil)
        }
        let first = try #require(ExecID("a"))
        #expect(try await fixture.engine.execs(in: sandbox.id).map(\.id.text) == ["a", "b", "c"])
        #expect(try await fixture.engine.exec(first, in: sandbox.id).status.ending?.exitCode == 0)
        #expect(try await fixture.start(try sh("a"), in: sandbox.id).status.ending != nil)
        #expect(try await fixture.start(try sh("other"), in: sandbox.id, key: "a").id == first)
        #expect(await code { _ = try await fixture.start(try sh("a", ["ls"]), in: sandbox.id) } == .alreadyExists)
        _ = try await fixture.engine.terminate(sandbox.id)
        #expect(try await fixture.start(try sh("a"), in: sandbox.id).status.ending != nil)
        #expect(await code { _ = try await fixture.start(try sh("new"), in: sandbox.id) } == .failedPrecondition)
    }

    @Test("a key used in one sandbox is refused in another")
    func keyOfAnotherSandbox() async throws {
        let fixture = try await Fixture()
        let one = try await fixture.create()
        let other = try await fixture.create()
        let exec = try await fixture.start(try sh(), in: one.id, key: "k")
        #expect(try await fixture.start(try sh(), in: one.id, key: "k").id == exec.id)
        #expect(await code { _ = try await fixture.start(try sh(), in: other.id, key: "k") } == .failedPrecondition)
    }

    @Test("the end of an exec that is reported before its start returned is not lost")
    func endsAtOnce() async throws {
        let fixture = try await Fixture()
        let sandbox = try await fixture.create()
        fixture.host.with { $0.endsExecsAtOnce = true }
        let exec = try await fixture.start(try sh(), in: sandbox.id)
        #expect(exec.status.ending?.exitCode == 0)
        #expect(exec.startedAt != nil)
        let kinds = try await fixture.engine.events(of: sandbox.id, after: 2, waitingUpTo: .zero).map(\.kind)
        #expect(kinds == [.execStarted, .execEnded])
    }

    @Test("execs that run when the sandbox ends are terminated")
    func endWithSandbox() async throws {
        let fixture = try await Fixture()
        let sandbox = try await fixture.create()
        let exec = try await fixture.start(try sh(), in: sandbox.id)
        fixture.host.end(sandbox.id, Ending(.timedOut, at: .now()))
        _ = try await fixture.engine.wait(for: sandbox.id, upTo: .seconds(5))
        let ending = try #require(try await fixture.engine.exec(exec.id, in: sandbox.id).status.ending)
        #expect(ending.reason == .terminated)
        #expect(ending.detail?.contains("timed_out") == true)
        #expect(
            await code {
                try await fixture.engine.signal(exec.id, in: sandbox.id, number: 15, by: Fixture.caller, key: nil)
            } == .failedPrecondition)
    }

    @Test("a signal with a key is sent once, after a restart too; one that failed is sent when it is repeated")
    func signalKeys() async throws {
        let fixture = try await Fixture()
        let sandbox = try await fixture.create()
        let exec = try await fixture.start(try sh(), in: sandbox.id)
        let key = IdempotencyKey(key: "k", route: "signal", bodyHash: [1])
        func send(_ engine: Engine, _ key: IdempotencyKey) async -> ErrorCode? {
            await code {
                try await engine.signal(exec.id, in: sandbox.id, number: 15, by: Fixture.caller, key: key)
            }
        }
        fixture.host.with { $0.execFailure = FakeHost.Failure() }
        #expect(await send(fixture.engine, key) == .internal)
        fixture.host.with { $0.execFailure = nil }
        #expect(await send(fixture.engine, key) == nil)
        #expect(await send(fixture.engine, key) == nil)
        #expect(fixture.host.with { $0.signals } == [15])
        let other = IdempotencyKey(key: "k", route: "signal", bodyHash: [2])
        #expect(await send(fixture.engine, other) == .failedPrecondition)
        let again = try await fixture.restarted()
        #expect(await send(again.engine, key) == nil)
        #expect(again.host.with { $0.signals }.isEmpty)
    }

    @Test("a start that the machine refuses leaves no exec, and a repeat starts it")
    func refused() async throws {
        let fixture = try await Fixture()
        let sandbox = try await fixture.create()
        fixture.host.with { $0.execFailure = FakeHost.Failure() }
        #expect(await code { _ = try await fixture.start(try sh("e"), in: sandbox.id, key: "k") } == .internal)
        #expect(try await fixture.engine.execs(in: sandbox.id).isEmpty)
        fixture.host.with { $0.execFailure = nil }
        #expect(try await fixture.start(try sh("e"), in: sandbox.id, key: "k").status == .running)
    }

    @Test("no more execs run than the limit, and of those that are over the oldest are forgotten")
    func limits() async throws {
        let fixture = try await Fixture(
            EngineLimits(maxExecsPerSandbox: 4, maxConcurrentExecsPerSandbox: 2, recentExecsPerSandbox: 1))
        let sandbox = try await fixture.create()
        _ = try await fixture.start(try sh("a"), in: sandbox.id)
        _ = try await fixture.start(try sh("b"), in: sandbox.id)
        #expect(await code { _ = try await fixture.start(try sh("c"), in: sandbox.id) } == .resourceExhausted)
        let ended = Ending(.exited, exitCode: 0, at: .now())
        fixture.host.endExec(try #require(ExecID("b")), in: sandbox.id, ended)
        for number in 0..<80 {
            let exec = try #require(ExecID("n\(number)"))
            #expect(
                await eventually {
                    await code { _ = try await fixture.start(try sh("n\(number)"), in: sandbox.id) } == nil
                })
            fixture.host.endExec(exec, in: sandbox.id, ended)
        }
        let execs = try await fixture.engine.execs(in: sandbox.id)
        #expect(execs.count <= 4 + 64)
        #expect(execs.first?.id.text == "a")
    }
}
