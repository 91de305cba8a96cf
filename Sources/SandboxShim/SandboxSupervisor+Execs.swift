import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

extension SandboxSupervisor {
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
        if let number = report.number, let agent = fileAgents[number] {
            handle(report, of: agent)
            return
        }
        switch report {
        case .started(let number, _):
            guard let pending = starts[number] else { break }
            pending.cloned()
            // Killed or timed out before there was a process to kill.
            if pending.exec.verdict != nil { try? pending.exec.group.kill() }
            conclude(pending)
        case .cloneFailed(let number, let error): if let pending = starts[number] { cloneFailed(pending, error) }
        case .exited(let number, let status): exited(number, status)
        case .ready, .setupFailed: break
        }
    }

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
    func forgetOldest() {
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

    /// Removes every trace of an exec that never ran.
    func forget(_ exec: Exec) {
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
