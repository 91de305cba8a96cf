import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

extension Launcher {
    private static let mostBuilding = 3

    /// Builds one sandbox before anybody is served: whatever keeps this host from running any is
    /// found now, and said. Where layers can't be passed by descriptor, the older way is taken.
    func proveThatSandboxesWork() throws {
        var methods = [overlayMethod]
        if configuration.overlayMethod == 0 { methods.append(.attachedClones) }
        var last = Failure(.internal, "no sandbox could be built")
        for method in methods {
            overlayMethod = method
            let slot = try build()
            while slot.isBuilding, slot.failure == nil { try loop.turn() }
            guard let failure = slot.failure else { return }
            log("overlay method \(method) does not work here: \(failure.message)")
            last = failure
        }
        throw last
    }

    /// How long the pool rests after a launch while at least half of it is there.
    private static let quiet = Duration.milliseconds(50)

    /// Fills the pool up in the background, a few at a time, preferably when nobody is busy: moving
    /// a process into v1 groups holds a lock of all control groups for up to 15 ms, and whoever
    /// was just given a sandbox will run something in it now.
    func refill() {
        guard !isShuttingDown else { return }
        loop.cancel(refillTimer)
        refillTimer = nil
        if queue.isEmpty, pool.building == 0, pool.prepared.count * 2 >= configuration.poolSize,
            !layout.limitsAreUnified
        {
            refillTimer = loop.schedule(after: Self.quiet) { [unowned self] in self.fillNow() }
            return
        }
        guard !refillScheduled else { return }
        refillScheduled = true
        loop.afterTurn { [unowned self] in
            self.refillScheduled = false
            self.fillNow()
        }
    }

    private func fillNow() {
        guard !isShuttingDown, cordon_boottime_ns() >= noBuildBefore else { return }
        dropOutdated()
        let prepared = pool.prepared.count
        var building = pool.building
        let wanted = poolSizeNow() + queue.count
        while prepared + building < wanted, building < Self.mostBuilding {
            do {
                _ = try build()
                building += 1
            } catch {
                buildFailed(Failure(.internal, "\(error)"))
                return
            }
        }
    }

    /// A prepared sandbox shows `/usr` as it was: when packages change, all of them are dropped.
    private func dropOutdated() {
        let now = HostImage.fingerprint(hideUsrLocal: configuration.hideUsrLocal)
        guard now != fingerprint else { return }
        do {
            imageName = try HostImage.prepare(in: files.images, hideUsrLocal: configuration.hideUsrLocal)
            fingerprint = now
            log("the host's /usr has changed: prepared sandboxes are dropped")
            for slot in Array(pool.prepared.values) { drop(slot) }
        } catch { log("the host image could not be made anew: \(error)") }
    }

    /// Takes apart a sandbox that is nobody's.
    func drop(_ slot: Slot, _ reason: Failure = Failure(.unavailable, "dropped")) {
        slot.state = .dropped
        slot.failure = reason
        slot.channel?.close()
        if let pidfd = slot.pidfd?.raw { _ = cordon_pidfd_kill(pidfd, SIGKILL) }
    }

    /// How many sandboxes should be prepared at this moment: none where memory is short, few where
    /// nobody has wanted one for long.
    private func poolSizeNow() -> Int {
        if memoryIsShort() { return 0 }
        let idle = (cordon_boottime_ns() - lastLaunch) / 1_000_000_000
        guard idle >= configuration.poolIdleSeconds else { return configuration.poolSize }
        return min(configuration.poolSize, configuration.poolIdleSize)
    }

    /// Looks every now and then whether fewer will do, and drops the others.
    func tendPool() {
        loop.schedule(after: .seconds(5)) { [unowned self] in
            guard !self.isShuttingDown else { return }
            let surplus = self.pool.prepared.count - self.poolSizeNow() - self.queue.count
            if surplus > 0 { for slot in self.pool.prepared.values.prefix(surplus) { self.drop(slot) } }
            self.tendPool()
        }
    }

    private func memoryIsShort() -> Bool {
        guard let text = try? KernelFile.read("/proc/meminfo") else { return false }
        func value(_ key: String) -> UInt64 {
            for line in text.split(separator: "\n") where line.hasPrefix(key) {
                let parts = line.split(separator: " ")
                return parts.count > 1 ? UInt64(parts[1]) ?? 0 : 0
            }
            return 0
        }
        return value("MemAvailable:") < value("MemTotal:") / 20
    }

    /// Starts to build a sandbox in a new slot. What is intended is on disk before anything is made.
    func build() throws -> Slot {
        let name = "m" + SandboxID.mint().text.dropFirst(3).prefix(12)
        let base = try ranges.take()
        let group = parent.child(name)
        let slot = Slot(name: name, idBase: base, group: group, pool: pool)
        do {
            let record = SlotRecord(bootID: bootID, idBase: base, group: group.path, sandbox: "")
            try files.makeSlot(name, record: record, group: configuration.serviceGroup)
            try group.create()
            try group.apply(defaultLimits.groupLimits)
            slots[name] = slot
            try spawnShim(slot)
        } catch {
            slot.failure = Failure(.internal, "\(error)")
            reclaim(slot)
            throw error
        }
        return slot
    }

    var defaultLimits: LaunchLimits {
        LaunchLimits(
            memoryBytes: configuration.defaultMemoryMiB << 20, cpuMillicores: 0,
            cpuWeightMillicores: UInt32(configuration.defaultCPUWeightMillicores),
            pids: UInt32(configuration.defaultPids))
    }

    private func spawnShim(_ slot: Slot) throws {
        var pair: [Int32] = [-1, -1]
        try check(cordon_socketpair(Int32(SOCK_STREAM.rawValue), &pair), "socketpair")
        let ours = Descriptor(owning: pair[0])
        let theirs = Descriptor(owning: pair[1])
        let run = try files.runSlots.directory(slot.name)
        let descriptors = [theirs.raw, run.raw, files.sandboxes.raw, fileAgent.raw]
        let arguments = CStringArray(["cordon-shim"])
        // A static Swift program needs no /proc to start when it is told its root.
        let environment = CStringArray(["SWIFT_ROOT=/"])
        let pid = cordon_spawn(
            configuration.shim, arguments.pointers, environment.pointers, descriptors, Int32(descriptors.count))
        try check(pid, "fork", "shim")
        slot.pid = pid
        let pidfd = Descriptor(owning: try check(cordon_pidfd_open(pid), "pidfd_open"))
        let raw = pidfd.raw
        slot.pidfd = consume pidfd
        try loop.watch(raw, for: .readable) { [unowned self, unowned slot] _ in self.shimDied(slot) }

        let channel = FrameChannel(socket: ours, loop: loop)
        slot.channel = channel
        channel.onFrame = { [unowned self, unowned slot] frame in try self.hearShim(slot, frame) }
        channel.open()
        channel.send(
            Prepare(
                idBase: slot.idBase, group: slot.group.path,
                storage: "\(configuration.dataDirectory)/storage/slots/\(slot.name)",
                image: "\(configuration.dataDirectory)/storage/images/\(imageName)",
                overlayMethod: overlayMethod.rawValue, serviceGroup: configuration.serviceGroup,
                execSpoolBudget: configuration.execSpoolMiB << 20,
                sandboxSpoolBudget: configuration.sandboxSpoolMiB << 20,
                diskReserve: configuration.diskReserveMiB << 20,
                pids: UInt32(configuration.defaultPids)), request: 1)
    }

    private func hearShim(_ slot: Slot, _ frame: Frame) throws {
        switch (MessageType(rawValue: frame.type), slot.state) {
        case (.prepared, .building) where slot.failure == nil:
            slot.state = .prepared
            buildFailures = 0
            serveQueue()
            // Only a few are built at a time: the next ones of those that are wanted begin now.
            refill()
        case (.failure, .building):
            let failure: Failure = try frame.decode()
            drop(slot, failure)
            buildFailed(failure)
        case (.assigned, .assigning(let answer)):
            slot.state = .running
            answer(.success(Launched(slot: slot.name, assigned: try frame.decode())))
            answerInventory()
        case (.failure, .assigning(let answer)):
            // Its ending follows: the shim ends itself when its main command can't be started.
            slot.state = .running
            slot.launchFailed = true
            let failure: Failure = try frame.decode()
            slot.waiters.append { _ in answer(.failure(failure)) }
            end(slot, failure.message)
            answerInventory()
        case (.ended, _): slot.ending = (try? frame.decode(Ended.self))?.ending
        default: break
        }
    }

    func buildFailed(_ failure: Failure) {
        buildFailures += 1
        log("a sandbox could not be built: \(failure.message)")
        // Those who wait are told; the pool tries again after a while.
        let waiting = queue
        queue.removeAll()
        for launch in waiting { launch.answer(.failure(failure)) }
        let pause = Duration.seconds(min(30, buildFailures))
        noBuildBefore = cordon_boottime_ns() + UInt64(pause.components.seconds) * 1_000_000_000
        loop.schedule(after: pause + .milliseconds(1)) { [unowned self] in self.refill() }
    }
}

extension LaunchLimits {
    /// As the control groups take them.
    var groupLimits: GroupLimits {
        GroupLimits(
            memoryBytes: memoryBytes, cpuMillicores: cpuMillicores == 0 ? nil : Int(cpuMillicores),
            cpuWeightMillicores: Int(cpuWeightMillicores), pids: Int(pids))
    }
}

/// C strings with a null behind the last, for exec.
final class CStringArray {
    private let strings: [UnsafeMutablePointer<CChar>?]
    let pointers: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>

    init(_ texts: [String]) {
        strings = texts.map { strdup($0) } + [nil]
        pointers = .allocate(capacity: strings.count)
        pointers.initialize(from: strings, count: strings.count)
    }

    deinit {
        for string in strings { free(string) }
        pointers.deallocate()
    }
}
