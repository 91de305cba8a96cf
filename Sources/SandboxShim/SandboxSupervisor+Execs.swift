import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

extension SandboxSupervisor {
    /// How long a process may take from clone to exec: the guest can make it wait (a FIFO as its
    /// program), and a CPU limit can.
    private static let startLimit = Duration.seconds(10)

    // MARK: Starting

    /// Starts a command and answers when it runs or has failed to. Asking again with the same id
    /// answers for the one that is there.
    func startExec(_ start: StartExec, answer: @escaping (Result<ExecState, Failure>) -> Void) {
        guard case .running = phase, let assignment else {
            answer(.failure(Failure(.failedPrecondition, "the sandbox is ending")))
            return
        }
        if let known = execs[start.id] {
            if let pending = starts[known.number] {
                pending.answers.append(answer)
            } else {
                answer(.success(known.state))
            }
            return
        }
        if execs.count >= Self.mostExecs { forgetOldest() }
        guard execs.values.lazy.filter({ !$0.isOver }).count < Self.mostConcurrentExecs else {
            answer(.failure(Failure(.resourceExhausted, "\(Self.mostConcurrentExecs) execs run already")))
            return
        }
        do {
            try start.verify()
            let pending = try prepareStart(start, assignment, answer)
            let exec = pending.exec
            execs[exec.id] = exec
            execOrder.append(exec.id)
            execsByNumber[exec.number] = exec
            starts[exec.number] = pending
            try process.start(number: exec.number, descriptors: pending.descriptors, nulls: pending.nulls)
            pending.deadline = loop.schedule(after: Self.startLimit) { [unowned self] in
                self.failStart(pending, Failure(.deadlineExceeded, "the program did not start within 10 s"))
            }
            activity()
        } catch let failure as Failure {
            answer(.failure(failure))
        } catch {
            if let exec = execs[start.id] {
                if let pending = starts[exec.number] { settle(pending) }
                forget(exec)
            }
            answer(.failure(Failure(.internal, "\(error)")))
        }
    }

    private func prepareStart(
        _ start: StartExec, _ assignment: Assignment, _ answer: @escaping (Result<ExecState, Failure>) -> Void
    ) throws -> PendingStart {
        let number = nextExec
        nextExec += 1
        // They belong to root inside, so that /dev/stdout opens again there.
        cordon_set_fs_ids(prepare.idBase, prepare.idBase)
        defer { cordon_set_fs_ids(0, 0) }
        let streams = try ExecStreams(for: start, terminals: terminals, loop: loop)
        cordon_set_fs_ids(0, 0)

        let leaf = group.child("e-\(number)")
        try Self.makeLeaf(leaf)
        try check(chown("\(leaf.unified)/cgroup.procs", prepare.idBase, prepare.idBase), "chown", "cgroup.procs")
        var report: [Int32] = [-1, -1]
        try check(cordon_pipe(&report, true), "pipe2")
        let hears = Descriptor(owning: report[0])
        let tells = SharedDescriptor(Descriptor(owning: report[1]))
        let specification = try ProcessSpecification(
            start: start, seccomp: assignment.seccomp, capabilities: SandboxBuilder.capabilities
        ).file()

        let exec = Exec(
            number: number, id: start.id, group: leaf, stdin: streams.input, terminal: streams.terminal,
            oomKillsBefore: group.outOfMemoryKills())
        try collect(streams.outputs, of: exec, start)
        let always = [
            SharedDescriptor(specification), SharedDescriptor(try Directory(path: leaf.unified).descriptorCopy()),
            tells,
        ]
        let pending = PendingStart(
            exec: exec, start: start, report: hears, descriptors: always + streams.given.compactMap(\.self),
            nulls: streams.nulls, answer: answer)
        if let timeout = start.timeout {
            exec.timeout = loop.schedule(after: timeout) { [unowned self] in
                self.kill(exec, .timedOut, "its timeout of \(timeout.inSeconds) s was over")
            }
        }
        try loop.watch(pending.report.raw, for: .readable) { [unowned self] _ in self.hearStart(pending) }
        return pending
    }

    /// Starts to collect what the exec writes: three quarters of its budget are stdout's.
    private func collect(
        _ sources: [(stream: OutputStream, source: OutputSource)], of exec: Exec, _ start: StartExec
    ) throws(SystemCallError) {
        guard let budget, let output = self.output else { return }
        var index: SpoolIndex?
        let id = exec.id
        let lazyIndex = {
            if index == nil { index = try? SpoolIndex(of: id, in: output) }
            return index
        }
        for (stream, source) in sources {
            let pipe = try OutputPipe(
                stream, of: id, from: source, directory: output,
                capacity: prepare.execSpoolBudget / 4 * (stream == .stdout ? 3 : 1), onFull: start.onFull,
                budget: budget, loop: loop, index: lazyIndex)
            pipe.onClose = { [unowned self, weak exec] in
                exec?.hangUp()
                self.sweepGroups()
            }
            exec.outputs[stream] = pipe
        }
    }

    /// The child's report: a failure, or nothing when its program runs. Init's word that it made
    /// the process may come later than this one.
    private func hearStart(_ pending: PendingStart) {
        guard pending.outcome == nil else { return }
        var failure = cordon_start_failure()
        let size = MemoryLayout<cordon_start_failure>.size
        let count = read(pending.report.raw, &failure, size)
        if count < 0 && (errno == EAGAIN || errno == EINTR) { return }
        loop.unwatch(pending.report.raw)
        pending.outcome = .some(
            count == size
                ? StartFailure.describe(stage: failure.stage, errno: failure.error, start: pending.start) : nil)
        conclude(pending)
    }

    /// Answers a start once both init and the child have told.
    private func conclude(_ pending: PendingStart) {
        guard pending.isCloned, let outcome = pending.outcome, starts[pending.exec.number] === pending else { return }
        if let failure = outcome { failStart(pending, failure) } else { succeed(pending) }
    }

    private func settle(_ pending: PendingStart) {
        starts[pending.exec.number] = nil
        loop.unwatch(pending.report.raw)
        loop.cancel(pending.deadline)
    }

    private func succeed(_ pending: PendingStart) {
        settle(pending)
        if case .starting = pending.exec.phase { pending.exec.phase = .running }
        pending.answer(.success(pending.exec.state))
    }

    private func failStart(_ pending: PendingStart, _ failure: Failure) {
        settle(pending)
        try? pending.exec.group.kill()
        forget(pending.exec)
        pending.answer(.failure(failure))
        activity()
    }

    /// Removes every trace of an exec that never ran.
    private func forget(_ exec: Exec) {
        loop.cancel(exec.timeout)
        exec.stdin.close()
        for output in exec.outputs.values { output.finish() }
        execs[exec.id] = nil
        execOrder.removeAll { $0 == exec.id }
        execsByNumber[exec.number] = nil
        starts[exec.number] = nil
        lingeringGroups.append(exec.group)
        for name in OutputStream.allCases.map({ SpoolFormat.fileName($0, of: exec.id) }) + [
            IndexFormat.fileName(of: exec.id)
        ] {
            try? output?.unlink(name)
        }
        sweepGroups()
    }

    // MARK: What init says

    /// Handles what init has reported, at most so much that others get their turn.
    func hearInit() {
        for _ in 0..<512 {
            switch process.hear() {
            case .report(let report): handle(report)
            case .nothing: return
            case .gone:
                // Its death is told by the pidfd.
                loop.unwatch(process.socket.raw)
                return
            }
        }
    }

    func handle(_ report: InitProcess.Report) {
        switch report {
        case .started(let number, _):
            guard let pending = starts[number] else { break }
            pending.cloned()
            // Killed or timed out before there was a process to kill.
            if pending.exec.verdict != nil { try? pending.exec.group.kill() }
            conclude(pending)
        case .cloneFailed(let number, let error): if let pending = starts[number] { cloneFailed(pending, error) }
        case .exited(let number, let status): exited(number, status)
        case .ready, .pong, .setupFailed: break
        }
    }

    private func cloneFailed(_ pending: PendingStart, _ error: Int32) {
        if error == EAGAIN, !pending.triedAgain {
            // The guest used up its processes: one more place, for this start alone.
            pending.triedAgain = true
            let limit = pidsLimit
            try? group.setPids(limit + 1)
            loop.schedule(after: .seconds(1)) { [unowned self] in try? self.group.setPids(limit) }
            if (try? process.start(number: pending.exec.number, descriptors: pending.descriptors, nulls: pending.nulls))
                != nil
            {
                return
            }
        }
        let failure =
            error == EAGAIN
            ? Failure(.resourceExhausted, "the sandbox is at its limit of \(pidsLimit) processes")
            : Failure(.internal, "clone: \(String(cString: strerror(error)))")
        failStart(pending, failure)
    }

    private var pidsLimit: Int { Int(assignment?.limits.pids ?? prepare.pids) }

    private func exited(_ number: UInt32, _ status: Int32) {
        guard let exec = execsByNumber[number], !exec.isOver else { return }
        // It is dead, so its report is there: it may just not have been read yet.
        if let pending = starts[number] { hearStart(pending) }
        guard !exec.isOver, execs[exec.id] === exec else { return }
        // What it wrote before it died is there before its end is told.
        for output in exec.outputs.values { output.leaderEnded() }
        finish(exec, exec.ending(waitStatus: status, oomKillsNow: group.outOfMemoryKills()))
        if exec.id == .main {
            mainEnding = exec.ending
            end(nil, "its main command ended")
        }
    }

    /// Writes an exec's ending down, then tells of it.
    func finish(_ exec: Exec, _ ending: Ending) {
        guard !exec.isOver else { return }
        exec.phase = .ended(ending)
        loop.cancel(exec.timeout)
        exec.stdin.close()
        lingeringGroups.append(exec.group)
        record(exec.state)
        onExecEnded(exec.state)
        evictIfNeeded()
        sweepGroups()
        activity()
    }

    /// Appends to the journal, a whole entry or none.
    private func record(_ state: ExecState) {
        guard let journal else { return }
        let bytes = ExecJournal.bytes(state)
        let written = bytes.withUnsafeBytes { write(journal.raw, $0.baseAddress, $0.count) }
        if written == bytes.count {
            journalSize += off_t(bytes.count)
        } else {
            // The disk is full: what got there must not be taken for an entry's start.
            _ = ftruncate(journal.raw, journalSize)
        }
    }

    /// Makes room for one more exec: the oldest that is over and whose streams are closed goes, with
    /// its output.
    private func forgetOldest() {
        guard
            let id = execOrder.first(where: { id in
                guard let exec = execs[id] else { return true }
                return exec.isOver && exec.id != .main && exec.outputs.values.allSatisfy(\.isClosed)
            })
        else { return }
        guard let exec = execs[id] else {
            execOrder.removeAll { $0 == id }
            return
        }
        for output in exec.outputs.values { output.evict() }
        forget(exec)
    }

    // MARK: Terminals

    /// Changes the size of an exec's terminal.
    func resize(_ id: ExecID, to size: TerminalSize) throws(Failure) {
        guard let exec = execs[id] else { throw Failure(.notFound, "no exec \(id)") }
        guard !exec.isOver else { throw Failure(.failedPrecondition, "the exec has ended") }
        guard let terminal = exec.terminal else { throw Failure(.failedPrecondition, "the exec has no terminal") }
        do { try terminal.resize(to: size) } catch { throw Failure(.unavailable, "\(error)") }
    }

    // MARK: Signals

    /// Sends a signal; 9 goes to everything the exec started.
    func signal(_ id: ExecID, _ number: Int32) throws(Failure) {
        guard let exec = execs[id] else { throw Failure(.notFound, "no exec \(id)") }
        guard (1...64).contains(number) else { throw Failure(.invalidArgument, "signal \(number)") }
        if number == SIGKILL {
            // Also after its main process has ended: what it left behind goes.
            kill(exec, .terminated, "killed on request")
            return
        }
        guard !exec.isOver else { throw Failure(.failedPrecondition, "the exec has ended") }
        do { try process.signal(number: exec.number, number) } catch { throw Failure(.unavailable, "\(error)") }
    }

    /// Kills everything an exec started, double forks included.
    func kill(_ exec: Exec, _ reason: EndingReason, _ detail: String) {
        if !exec.isOver, exec.verdict == nil { exec.verdict = Exec.Verdict(reason: reason, detail: detail) }
        try? exec.group.kill()
    }

    // MARK: Room

    /// Removes the groups of execs of which no process is left.
    func sweepGroups() {
        lingeringGroups.removeAll { $0.removeUnified() }
    }

    /// When the sandbox's spools are over their budget together, the oldest ended execs' go.
    private func evictIfNeeded() {
        guard let budget, budget.isExhausted else { return }
        for id in execOrder {
            guard budget.isExhausted, let exec = execs[id] else { return }
            guard exec.isOver else { continue }
            for output in exec.outputs.values { output.evict() }
        }
    }
}
