import Logging
import SandboxModel

extension Engine {
    /// How long a run that lost its service waits for a repeat of its request.
    package static let runGrace: Duration = .seconds(60)

    public func startRun(_ spec: RunSpec, by caller: Caller, key: IdempotencyKey?) async throws -> StartedRun {
        let began = world.clock.uptime()
        let timeout = spec.program.timeout ?? SandboxSpec.defaultTimeout
        var sandbox = spec.sandbox
        sandbox.timeout = timeout + RunSpec.margin
        sandbox.run = RunMark(isDetached: spec.isDetached, hasKey: key != nil)
        let snapshot = try await create(sandbox, by: caller, key: key)
        let creating = world.clock.uptime() - began
        let start = runs.claim(snapshot.id, spec) { [self] in
            try await begin(spec, in: snapshot.id, creating: creating, by: caller)
        }
        do {
            let started = try await world.boundary.during("starting a run") { try await start.value }
            if spec.isDetached { mind(snapshot.id, spec) }
            return started
        } catch {
            // The first to see it removes all traces: a repeat begins anew.
            if runs.release(snapshot.id) != nil { await undo(snapshot.id) }
            throw error
        }
    }

    public func finishRun(_ id: SandboxID) async throws -> FinishedRun {
        let sandbox = try find(id)
        return try await world.boundary.during("waiting for a run") {
            while try await !sandbox.isOver(.run) {
                try Task.checkCancellation()
                _ = try await sandbox.waitForExec(.run, upTo: world.limits.maxWait)
            }
            guard let finish = runs.finishing(id, { [self] spec in try await finish(spec, id) }) else {
                throw CordonError(.failedPrecondition, "nobody runs sandbox \(id)", field: "id", value: id.text)
            }
            return try await finish.value
        }
    }

    public func leaveRun(_ id: SandboxID, forNow: Bool) async {
        guard let entry = runs.release(id) else { return }
        entry.feed?.cancel()
        guard !entry.isFinished, !entry.spec.isDetached else { return }
        if forNow, world.registry.sandbox(id)?.snapshot.spec.run?.hasKey == true {
            awaitRepeat(of: id)
        } else {
            await endRun(id)
        }
    }

    // MARK: The start

    /// Writes the files and starts the program, unless an earlier request did.
    private func begin(
        _ spec: RunSpec, in id: SandboxID, creating: Duration, by caller: Caller
    ) async throws -> StartedRun {
        let sandbox = try find(id)
        var started = StartedRun(
            sandbox: sandbox.snapshot, program: nil, creating: creating, writing: .zero, starting: .zero)
        started.program = try await sandbox.knownExec(.run)
        if case .ended = started.sandbox.status { return started }
        if started.program == nil {
            let began = world.clock.uptime()
            try await writeFiles(of: spec, in: id)
            let written = world.clock.uptime()
            started.program = try await startProgram(spec.program, in: sandbox, by: caller)
            started.writing = written - began
            started.starting = world.clock.uptime() - written
        }
        if let stdin = spec.stdin {
            guard runs.hold(stdin.count, for: id) else {
                throw CordonError(
                    .resourceExhausted, "too much input of runs is waiting to be read", field: "stdin",
                    retryAfter: .seconds(1))
            }
            // Ends with the program, or with the last claimant.
            runs.keep(feed: Task { await self.feed(stdin, in: id) }, of: id)
        }
        return started
    }

    /// One agent writes them all.
    private func writeFiles(of spec: RunSpec, in id: SandboxID) async throws {
        let session = try await openFiles(in: id, as: spec.program.user ?? find(id).snapshot.spec.user)
        defer { session.close() }
        do {
            try await session.makeDirectory(spec.workdir, parents: true, mode: nil)
        } catch let error as CordonError where error.field == "path" {
            throw error.about("workdir")
        }
        for file in spec.files {
            do {
                _ = try await session.write(FileWrite(path: file.path, mode: file.mode), content: file.content)
            } catch let error as CordonError where error.field == "path" { throw error.about(file.field) }
        }
    }

    /// A program that isn't there, or doesn't start, is the run's result.
    func startProgram(_ program: ExecSpec, in sandbox: Sandbox, by caller: Caller) async throws -> ExecSnapshot {
        do {
            return try await sandbox.startExec(program, by: caller, key: nil)
        } catch let error as CordonError where error.field == "argv[0]" || error.code == .deadlineExceeded {
            var recorded = program
            recorded.secrets = []
            return try await sandbox.recordFailedStart(of: recorded, because: error.message)
        }
    }

    /// Writes all of stdin and its end. A program that ends or closes its stdin earlier is no error.
    private func feed(_ bytes: [UInt8], in id: SandboxID) async {
        var offset = 0
        while !Task.isCancelled {
            let end = min(offset + 64 * 1024, bytes.count)
            guard
                let state = try? await world.host.writeStdin(
                    of: .run, in: id, offset: UInt64(offset), bytes: Array(bytes[offset..<end]),
                    end: end == bytes.count, upTo: world.limits.maxWait), !state.closed
            else { return }
            offset = Int(min(state.accepted, UInt64(bytes.count)))
        }
    }

    // MARK: The end

    private func finish(_ spec: RunSpec, _ id: SandboxID) async throws -> FinishedRun {
        let began = world.clock.uptime()
        let outputs = await collect(spec, id)
        let ended = try await terminate(id)
        let finished = world.clock.uptime()
        runs.finished(id)
        return FinishedRun(
            sandbox: ended, program: try await find(id).knownExec(.run), outputs: outputs,
            finishing: finished - began)
    }

    /// Sees a detached run to its end.
    private func mind(_ id: SandboxID, _ spec: RunSpec) {
        runs.join(id, spec)
        // Waited for by nobody: the sandbox's lifetime bounds it, and recovery does the same again.
        Task {
            _ = try? await finishRun(id)
            await leaveRun(id, forNow: false)
        }
    }

    /// Goes on with a run that a killed service left behind.
    func resumeRun(_ sandbox: Sandbox, _ mark: RunMark) {
        // Waited for by nobody, as above.
        Task {
            let id = sandbox.id
            if mark.isDetached, let program = try? await sandbox.knownExec(.run) {
                mind(
                    id,
                    RunSpec(
                        sandbox: sandbox.snapshot.spec, program: program.spec, workdir: .root, isDetached: true))
            } else if mark.hasKey {
                awaitRepeat(of: id)
            } else {
                await endRun(id)
            }
        }
    }

    /// Ends a run for which no repeat has come in time.
    private func awaitRepeat(of id: SandboxID) {
        // Waited for by nobody; it takes a minute.
        Task {
            try? await world.clock.sleep(for: Self.runGrace)
            guard !runs.isClaimed(id) else { return }
            await endRun(id)
        }
    }

    private func endRun(_ id: SandboxID) async {
        do {
            _ = try await terminate(id)
        } catch {
            // Its lifetime ends it.
            world.logger.error("a run could not be ended", metadata: ["sandbox": "\(id)", "error": "\(error)"])
        }
    }

    /// Takes a run back whose program was never started.
    func undo(_ id: SandboxID) async {
        await endRun(id)
        guard let sandbox = world.registry.sandbox(id), case .ended = sandbox.snapshot.status else { return }
        await forget(sandbox)
    }
}

extension CordonError {
    /// The same, of another field of the request.
    fileprivate func about(_ field: String) -> CordonError {
        var error = self
        error.field = field
        return error
    }
}
