import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

extension Launcher {
    private static let mostRemovals = 4
    /// How long a shim may take to end its sandbox before it is killed itself.
    private static let patience = Duration.seconds(5)
    /// How many seconds one removal has before it makes room for others and waits for its next turn:
    /// a tree may have millions of entries, and a disk may hang.
    private static let removalTurn: UInt32 = 20

    /// Ends a sandbox; answers once nothing of it is left.
    func end(_ id: SandboxID, _ detail: String, answer: @escaping (Result<Ending, Failure>) -> Void) {
        if let slot = sandboxes[id] {
            slot.waiters.append { answer(.success($0)) }
            end(slot, detail)
        } else if let ending = try? recordedEnding(of: id) {
            answer(.success(ending))
        } else {
            answer(.failure(Failure(.notFound, "no sandbox \(id)")))
        }
    }

    func end(_ slot: Slot, _ detail: String) {
        guard !slot.isReclaiming, slot.endTimer == nil else { return }
        slot.endDetail = detail
        slot.endTimer = loop.schedule(after: Self.patience) { [unowned slot] in
            if let pidfd = slot.pidfd?.raw { _ = cordon_pidfd_kill(pidfd, SIGKILL) }
        }
        slot.channel?.send(EndSandbox(detail: detail), request: 3)
    }

    func recordedEnding(of id: SandboxID) throws -> Ending? {
        guard files.sandboxes.exists(id.text),
            let bytes = try files.sandboxes.directory(id.text).read(RecordNames.ending)
        else { return nil }
        return try Ending(record: bytes)
    }

    /// The shim is dead: what it leaves is taken apart.
    func shimDied(_ slot: Slot) {
        if let pidfd = slot.pidfd?.raw { loop.unwatch(pidfd) }
        slot.pidfd = nil
        loop.cancel(slot.endTimer)
        slot.channel?.close()
        if case .assigning(let answer) = slot.state {
            slot.waiters.append { _ in answer(.failure(Failure(.unavailable, "the sandbox's shim died as it started")))
            }
        }
        if slot.isBuilding, slot.failure == nil {
            let failure = Failure(.unavailable, "the shim died while it built a sandbox")
            slot.failure = failure
            // Whoever killed it may not kill the next: those who wait are told only when it goes on.
            buildFailures += 1
            if buildFailures >= 4 { buildFailed(failure) }
        }
        reclaim(slot)
    }

    /// Removes groups and files of a slot whose shim is dead. What takes no time is done at once;
    /// groups that are still held, and the removal of what the sandbox wrote, go to processes of
    /// their own.
    func reclaim(_ slot: Slot) {
        slot.state = .reclaiming
        if let id = slot.sandbox, (try? recordedEnding(of: id)) ?? nil == nil { recordLoss(id) }
        try? slot.group.kill()
        do {
            try files.discard(slot.name)
        } catch { log("slot \(slot.name): \(error)") }
        sweepTrash()
        if !slot.group.holdsPageCache(), slot.group.remove() {
            removed(slot)
        } else {
            waitingRemovals.append(slot)
            startRemovals()
        }
    }

    /// The shim was killed before it could write the ending.
    private func recordLoss(_ id: SandboxID) {
        guard files.sandboxes.exists(id.text), let record = try? files.sandboxes.directory(id.text),
            record.exists(RecordNames.status)
        else { return }
        let ending = Ending(.supervisorLost, detail: "the sandbox's shim died", at: .now())
        try? record.replace(RecordNames.ending, with: ending.record, mode: 0o640)
    }

    private func startRemovals() {
        while removals.count < Self.mostRemovals, !waitingRemovals.isEmpty {
            let slot = waitingRemovals.removeFirst()
            let launcher = getpid()
            let pid = fork()
            if pid == 0 {
                Self.becomeRemoval(of: launcher)
                Self.remove(slot)
            }
            guard pid > 0 else {
                waitingRemovals.insert(slot, at: 0)
                loop.schedule(after: .seconds(1)) { [unowned self] in self.startRemovals() }
                return
            }
            removals[pid] = slot
        }
    }

    /// In a child: it ends with its launcher, whose successor does the work again, holds none of its
    /// locks and connections, and has its time.
    private static func becomeRemoval(of launcher: pid_t, keeping directory: Int32 = 2) {
        _ = cordon_set_parent_death_signal(SIGKILL)
        if getppid() != launcher { _exit(1) }
        if directory > 3 { _ = cordon_close_range(3, UInt32(directory - 1)) }
        _ = cordon_close_range(UInt32(directory + 1), .max)
        alarm(removalTurn)
    }

    /// In a child: waits until the groups are empty, and removes them. Exits 0 when none is left.
    private static func remove(_ slot: Slot) -> Never {
        var delay: UInt32 = 200
        for _ in 0..<400 {
            try? slot.group.kill()
            slot.group.dropPageCache()
            if slot.group.remove() { _exit(0) }
            usleep(delay)
            delay = min(delay * 2, 20_000)
        }
        _exit(1)
    }

    /// Removes what ended sandboxes wrote, in one process at a time.
    func sweepTrash() {
        guard trashSweeper == nil else {
            trashIsNew = true
            return
        }
        trashIsNew = false
        let launcher = getpid()
        let pid = fork()
        if pid == 0 {
            Self.becomeRemoval(of: launcher, keeping: files.trash.raw)
            setpriority(__priority_which_t(0), 0, 10)
            do {
                var removal = TreeRemoval(in: files.trash)
                for name in try files.trash.entries() { try removal.remove(name) }
                _exit(0)
            } catch { _exit(1) }
        }
        if pid > 0 { trashSweeper = pid }
    }

    private func trashSwept(_ status: Int32) {
        trashSweeper = nil
        if status != 0 {
            log("what ended sandboxes wrote could not be removed yet")
            loop.schedule(after: .seconds(2)) { [unowned self] in self.sweepTrash() }
        } else if trashIsNew {
            sweepTrash()
        } else if isShuttingDown {
            finishShutDown()
        }
    }

    /// SIGCHLD: removals that are done, and orphans of adopted shims.
    func reapChildren(_ signals: Int32) {
        var information = signalfd_siginfo()
        while read(signals, &information, MemoryLayout<signalfd_siginfo>.size) > 0 {
            // SIGTERM and SIGINT end this process as a kill would: sandboxes live on.
            if information.ssi_signo != UInt32(SIGCHLD) { exit(0) }
        }
        var status: Int32 = 0
        while true {
            let pid = waitpid(-1, &status, WNOHANG)
            guard pid > 0 else { break }
            if pid == trashSweeper {
                trashSwept(status)
                continue
            }
            // Shims are told dead by their pidfds, inits that outlived theirs by nobody.
            guard let slot = removals.removeValue(forKey: pid) else { continue }
            if status == 0 { removed(slot) } else { retryRemoval(slot) }
        }
        startRemovals()
    }

    private func retryRemoval(_ slot: Slot) {
        log("slot \(slot.name) could not be removed yet")
        loop.schedule(after: .seconds(2)) { [unowned self] in
            self.waitingRemovals.append(slot)
            self.startRemovals()
        }
    }

    private func removed(_ slot: Slot) {
        do {
            try files.removeSlotRecord(slot.name)
        } catch {
            log("slot \(slot.name): \(error)")
            retryRemoval(slot)
            return
        }
        ranges.release(slot.idBase)
        slots[slot.name] = nil
        if let id = slot.sandbox {
            sandboxes[id] = nil
            let recorded = (try? recordedEnding(of: id)) ?? nil
            // A full disk can keep an ending from being written, never from being told.
            let ran = files.sandboxes.exists("\(id.text)/\(RecordNames.status)") && !slot.launchFailed
            let lost = Ending(.supervisorLost, detail: "the sandbox's shim died", at: .now())
            let never = Ending(.failedToStart, detail: "the sandbox never ran", at: .now())
            let ending = recorded ?? slot.ending ?? (ran ? lost : never)
            if !ran { try? forget(id) }
            let waiters = slot.waiters
            slot.waiters = []
            for waiter in waiters { waiter(ending) }
            if ran { report(Ended(id: id, ending: ending)) }
        }
        answerInventory()
        if isShuttingDown { finishShutDown() } else { refill() }
    }

    /// Removes record and output of a sandbox that has ended.
    func forget(_ id: SandboxID) throws {
        guard sandboxes[id] == nil else { throw Failure(.failedPrecondition, "sandbox \(id) has not ended") }
        do {
            var removal = TreeRemoval(in: files.sandboxes)
            try removal.remove(id.text)
        } catch { throw Failure(.internal, "the record could not be removed: \(error)") }
    }

    // MARK: Shutting down

    /// Ends every sandbox and removes everything but records and images; then this process exits.
    func shutDown() {
        isShuttingDown = true
        for slot in slots.values where !slot.isReclaiming {
            if slot.sandbox != nil { end(slot, "the service was shut down") } else { drop(slot) }
        }
        finishShutDown()
    }

    private func finishShutDown() {
        guard slots.isEmpty, trashSweeper == nil else { return }
        _ = parent.remove()
        loop.schedule(after: .milliseconds(50)) { [unowned self] in
            if !self.supervisors.dissolve() { self.log("a shim is still there: its group is left") }
            self.loop.stop()
        }
    }
}
