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
        guard execs.count < Self.mostExecs else {
            answer(.failure(Failure(.resourceExhausted, "a sandbox keeps at most \(Self.mostExecs) execs")))
            return
        }
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
            try process.start(number: exec.number, descriptors: pending.descriptors.map(\.raw))
            pending.deadline = loop.schedule(after: Self.startLimit) { [unowned self] in
                self.failStart(pending, Failure(.deadlineExceeded, "the program did not start within 10 s"))
            }
            activity()
        } catch let failure as Failure {
            answer(.failure(failure))
        } catch {
            if let exec = execs[start.id] { forget(exec) }
            answer(.failure(Failure(.internal, "\(error)")))
        }
    }

    private func prepareStart(
        _ start: StartExec, _ assignment: Assignment, _ answer: @escaping (Result<ExecState, Failure>) -> Void
    ) throws -> PendingStart {
        let number = nextExec
        nextExec += 1
        let leaf = group.child("e-\(number)")
        try Self.makeLeaf(leaf)
        try check(chown("\(leaf.unified)/cgroup.procs", prepare.idBase, prepare.idBase), "chown", "cgroup.procs")

        // Pipes belong to root inside, so that /dev/stdout opens again there.
        cordon_set_fs_ids(prepare.idBase, prepare.idBase)
        defer { cordon_set_fs_ids(0, 0) }
        let stdout = try end(of: start.stdout, keepsReader: true)
        let stderr = try end(of: start.stderr, keepsReader: true)
        let stdin = start.stdin ? try pipe(keepsReader: false) : (ours: -1, theirs: try null())
        cordon_set_fs_ids(0, 0)
        let report = try pipe(keepsReader: true)
        let specification = try ProcessSpecification(
            start: start, seccomp: assignment.seccomp, capabilities: SandboxBuilder.capabilities
        ).file()

        let feed = StdinFeed(pipe: stdin.ours < 0 ? nil : Descriptor(owning: stdin.ours), loop: loop)
        let exec = Exec(
            number: number, id: start.id, group: leaf, stdin: feed,
            oomKillsBefore: group.outOfMemoryKills())
        try collect(stdout: stdout.ours, stderr: stderr.ours, of: exec, start)
        let given = [
            SharedDescriptor(specification), SharedDescriptor(try Directory(path: leaf.unified).descriptorCopy()),
            SharedDescriptor(Descriptor(owning: report.theirs)), SharedDescriptor(Descriptor(owning: stdin.theirs)),
            SharedDescriptor(Descriptor(owning: stdout.theirs)), SharedDescriptor(Descriptor(owning: stderr.theirs)),
        ]
        let pending = PendingStart(
            exec: exec, start: start, report: Descriptor(owning: report.ours), descriptors: given, answer: answer)
        if let timeout = start.timeout {
            exec.timeout = loop.schedule(after: timeout) { [unowned self] in
                self.kill(exec, .timedOut, "its timeout of \(timeout.inSeconds) s was over")
            }
        }
        try loop.watch(report.ours, for: .readable) { [unowned self] _ in self.hearStart(pending) }
        return pending
    }

    private func pipe(keepsReader: Bool) throws(SystemCallError) -> (ours: Int32, theirs: Int32) {
        var ends: [Int32] = [-1, -1]
        try check(cordon_pipe(&ends, keepsReader), "pipe2")
        return keepsReader ? (ends[0], ends[1]) : (ends[1], ends[0])
    }

    private func null() throws(SystemCallError) -> Int32 {
        try check(cordon_open(AT_FDCWD, "/dev/null", O_RDWR, 0), "open", "/dev/null")
    }

    private func end(
        of disposition: OutputDisposition, keepsReader: Bool
    ) throws(SystemCallError) -> (ours: Int32, theirs: Int32) {
        switch disposition {
        case .keep: try pipe(keepsReader: true)
        case .discard: (-1, try null())
        }
    }

    /// Starts to collect what the exec writes: three quarters of its budget are stdout's.
    private func collect(stdout: Int32, stderr: Int32, of exec: Exec, _ start: StartExec) throws(SystemCallError) {
        guard let budget, let output = self.output else { return }
        var index: SpoolIndex?
        let id = exec.id
        let lazyIndex = {
            if index == nil { index = try? SpoolIndex(of: id, in: output) }
            return index
        }
        for (stream, raw, part) in [(OutputStream.stdout, stdout, UInt64(3)), (.stderr, stderr, 1)] where raw >= 0 {
            let pipe = try OutputPipe(
                stream, of: id, pipe: Descriptor(owning: raw), directory: output,
                capacity: prepare.execSpoolBudget / 4 * part, onFull: start.onFull, budget: budget, loop: loop,
                index: lazyIndex)
            pipe.onClose = { [unowned self] in self.sweepGroups() }
            exec.outputs[stream] = pipe
        }
    }

    /// The child's report: a failure, or nothing when its program runs.
    private func hearStart(_ pending: PendingStart) {
        var failure = cordon_start_failure()
        let size = MemoryLayout<cordon_start_failure>.size
        let count = read(pending.report.raw, &failure, size)
        if count < 0 && (errno == EAGAIN || errno == EINTR) { return }
        // Init's own word, that it made the process, is always sent before the child can exec, but
        // may still wait in its socket.
        while !pending.isCloned, starts[pending.exec.number] != nil, hearInit() {}
        guard starts[pending.exec.number] != nil else { return }
        if count == size {
            failStart(pending, StartFailure.describe(stage: failure.stage, errno: failure.error, start: pending.start))
        } else {
            succeed(pending)
        }
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
        for name in OutputStream.allCases.map({ SpoolFormat.fileName($0, of: exec.id) }) + [IndexFormat.fileName(of: exec.id)] {
            try? output?.unlink(name)
        }
        sweepGroups()
    }

    // MARK: What init says

    /// Handles one report of init; false when there was none.
    @discardableResult
    func hearInit() -> Bool {
        guard let report = process.nextReport() else {
            // Its death is told by the pidfd.
            loop.unwatch(process.socket.raw)
            return false
        }
        switch report {
        case .started(let number, _): starts[number]?.cloned()
        case .cloneFailed(let number, let error): if let pending = starts[number] { cloneFailed(pending, error) }
        case .exited(let number, let status): exited(number, status)
        case .ready, .pong, .setupFailed: break
        }
        return true
    }

    private func cloneFailed(_ pending: PendingStart, _ error: Int32) {
        if error == EAGAIN, !pending.triedAgain {
            // The guest used up its processes: one more place, for this start alone.
            pending.triedAgain = true
            let limit = pidsLimit
            try? group.setPids(limit + 1)
            loop.schedule(after: .seconds(1)) { [unowned self] in try? self.group.setPids(limit) }
            if (try? process.start(number: pending.exec.number, descriptors: pending.descriptors.map(\.raw))) != nil {
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
        for output in exec.outputs.values { output.drain() }
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
        if let journal { try? ExecJournal.bytes(exec.state).withUnsafeBytes { try writeAll($0, to: journal.raw) } }
        onExecEnded(exec.state)
        evictIfNeeded()
        sweepGroups()
        activity()
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
