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
    /// For how long nothing has to end until empty groups go, at the latest after the longest rest (nanoseconds), and
    /// how many of them at once.
    private static let groupRest = Duration.milliseconds(100)
    private static let longestRest: UInt64 = 10_000_000_000
    private static let groupsPerTurn = 16

    /// Ends a sandbox; answers once nothing of it is left but empty groups.
    func end(_ id: SandboxID, _ detail: String, answer: @escaping (Result<Ending, Failure>) -> Void) {
        if let slot = sandboxes[id] {
            guard slot.isReclaiming || slot.channel != nil || slot.pidfd != nil else {
                return answer(.failure(Failure(.unavailable, "what is on record of sandbox \(id) could not be read")))
            }
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
            if buildFailures >= 4 || slot.kind != usual { buildFailed(failure, slot.kind) }
        }
        reclaim(slot)
    }

    /// Removes groups and files of a slot whose shim is dead. What takes no time is done at once;
    /// groups that are still held, and the removal of what the sandbox wrote, go to processes of
    /// their own.
    func reclaim(_ slot: Slot) {
        slot.state = .reclaiming
        if let id = slot.sandbox, (try? recordedEnding(of: id)) ?? nil == nil { recordLoss(id) }
        try? slot.group.aside.kill()
        try? slot.group.kill()
        leaveNetwork(slot)
        takeLayer(of: slot)
        keepWrites(of: slot)
        do {
            try files.discard(slot.name)
        } catch { log("slot \(slot.name): \(error)") }
        sweepSoon()
        // Unmounting takes its time.
        if slot.disk == nil, !slot.group.isPopulated(), !slot.group.aside.isPopulated(),
            (try? files.forgetOwner(of: slot.name)) != nil
        {
            tellEnded(slot)
            answerInventory()
            emptied.append(slot)
            removeGroupsSoon()
        } else {
            waitingRemovals.append(slot)
            startRemovals()
            // It may have been the last that was neither nobody's nor somebody's.
            answerInventory()
        }
    }

    /// Empty groups go once nothing has ended for a moment. The kernel looks at each file system there is for each
    /// group that goes, and holds up those that are unmounted meanwhile: where many sandboxes end at once, theirs
    /// are gone by then.
    private func removeGroupsSoon() {
        guard !removesGroups else { return }
        let now = cordon_boottime_ns()
        if emptied.count == 1 { emptiedSince = now }
        guard now - emptiedSince < Self.longestRest else { return }
        loop.cancel(emptiedTimer)
        emptiedTimer = loop.schedule(after: Self.groupRest) { [unowned self] in self.removeGroups() }
    }

    /// Removes some, and the others when those who wait have had a turn.
    private func removeGroups() {
        removesGroups = true
        for slot in emptied.suffix(Self.groupsPerTurn) {
            emptied.removeLast()
            if !slot.group.holdsPageCache(), slot.group.aside.remove(), slot.group.remove() {
                removed(slot)
            } else {
                waitingRemovals.append(slot)
            }
        }
        startRemovals()
        if emptied.isEmpty {
            removesGroups = false
        } else {
            loop.schedule(after: .milliseconds(5)) { [unowned self] in self.removeGroups() }
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
            guard let pid = Self.forkRemoval(of: slot) else {
                waitingRemovals.insert(slot, at: 0)
                loop.schedule(after: .seconds(1)) { [unowned self] in self.startRemovals() }
                return
            }
            removals[pid] = slot
        }
    }

    /// The last that holds a disk unmounts it: the child, which therefore waits until the launcher has let go.
    private static func forkRemoval(of slot: Slot) -> pid_t? {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return nil }
        let launcher = getpid()
        let pid = fork()
        if pid == 0 {
            close(ends[1])
            slot.disk?.abandon()
            var byte: UInt8 = 0
            _ = read(ends[0], &byte, 1)
            becomeRemoval(of: launcher)
            remove(slot)
        }
        if pid > 0 { slot.disk = nil }
        for end in ends { close(end) }
        return pid > 0 ? pid : nil
    }

    /// In a child: it ends with its launcher, whose successor does the work again, holds none of its
    /// locks and connections, and has its time.
    static func becomeRemoval(of launcher: pid_t, keeping directory: Int32 = 2) {
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
            try? slot.group.aside.kill()
            try? slot.group.kill()
            slot.group.dropPageCache()
            slot.group.aside.dropPageCache()
            if slot.group.aside.remove(), slot.group.remove() { _exit(0) }
            usleep(delay)
            delay = min(delay * 2, 20_000)
        }
        _exit(1)
    }

    /// Whoever asked for the end is answered first, and what comes next isn't slowed by the disk.
    private func sweepSoon() {
        guard !isShuttingDown else { return sweepTrash() }
        guard sweepTimer == nil else { return }
        sweepTimer = loop.schedule(after: .milliseconds(50)) { [unowned self] in
            self.sweepTimer = nil
            self.sweepTrash()
        }
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
            if information.ssi_signo != UInt32(SIGCHLD) {
                syncAtOnce()
                exit(0)
            }
        }
        var status: Int32 = 0
        while true {
            let pid = waitpid(-1, &status, WNOHANG)
            guard pid > 0 else { break }
            if pid == trashSweeper {
                trashSwept(status)
                continue
            }
            if spawner.noteReaped(pid) || layerWorkEnded(pid, status) || mountWorkEnded(pid, status)
                || layerSyncEnded(pid, status) || diskWorkEnded(pid, status)
            {
                continue
            }
            if listings.remove(pid) != nil { continue }
            if network?.childEnded(pid, status) ?? false { continue }
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
        tellEnded(slot)
        answerInventory()
        if isShuttingDown { finishShutDown() } else { refill() }
    }

    /// Tells those who wait that nothing of a sandbox lives any more, and what it ended with.
    private func tellEnded(_ slot: Slot) {
        guard !slot.isTold else { return }
        slot.isTold = true
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
    }

    /// Takes record and output of a sandbox that has ended away; they are removed in the background.
    func forget(_ id: SandboxID) throws {
        guard sandboxes[id] == nil else { throw Failure(.failedPrecondition, "sandbox \(id) has not ended") }
        do {
            try files.discardRecord(of: id)
        } catch { throw Failure(.internal, "the record could not be removed: \(error)") }
        sweepSoon()
    }

    // MARK: Shutting down

    /// Ends every sandbox and removes everything but records and images; then this process exits.
    func shutDown() {
        isShuttingDown = true
        sweepTrash()
        syncFreshLayers()
        for slot in slots.values where !slot.isReclaiming {
            if slot.sandbox != nil { end(slot, "the service was shut down") } else { drop(slot) }
        }
        finishShutDown()
    }

    func finishShutDown() {
        guard slots.isEmpty, trashSweeper == nil, layerWorks.isEmpty, layerSync == nil else { return }
        network?.remove()
        network = nil
        _ = parent.remove()
        spawner.stop()
        loop.schedule(after: .milliseconds(50)) { [unowned self] in
            if !self.supervisors.dissolve() { self.log("a shim is still there: its group is left") }
            self.loop.stop()
        }
    }
}
