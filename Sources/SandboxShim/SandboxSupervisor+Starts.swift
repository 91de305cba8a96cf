import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

extension SandboxSupervisor {
    /// How long a process may take from clone to exec: the guest can make it wait (a FIFO as its
    /// program), and a CPU limit can.
    private static let startLimit = Duration.seconds(10)

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
    func hearStart(_ pending: PendingStart) {
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
    func conclude(_ pending: PendingStart) {
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

    func cloneFailed(_ pending: PendingStart, _ error: Int32) {
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
}
