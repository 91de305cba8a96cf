import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

extension Launcher {
    private static let mostBuilding = 3
    /// How many are kept prepared of a kind that isn't the usual, and for how long after it was last asked for.
    private static let mostOfKind = 4
    private static let kindRest: UInt64 = 60_000_000_000

    /// Builds one sandbox before anybody is served: whatever keeps this host from running any is
    /// found now, and said. Where layers can't be passed by descriptor, the older way is taken.
    func proveThatSandboxesWork() throws {
        var methods = [overlayMethod]
        if configuration.overlayMethod == 0 { methods.append(.attachedClones) }
        var last = Failure(.internal, "no sandbox could be built")
        for method in methods {
            overlayMethod = method
            let slot = try build(usual)
            while slot.isBuilding, slot.failure == nil { try loop.turn() }
            // One that was built works, though it may have been dropped since: the host's packages may change now.
            guard slot.initProcess == 0, let failure = slot.failure else { return }
            log("overlay method \(method) does not work here: \(failure.message)")
            last = failure
        }
        try leaveNothing()
        throw last
    }

    /// Takes away what was built in vain, and the network: the keeper takes a slot that is left for a sandbox that
    /// needs a launcher, and tries again for ever.
    private func leaveNothing() throws {
        var isLate = false
        let limit = loop.schedule(after: .seconds(10)) { isLate = true }
        while !slots.isEmpty, !isLate { try loop.turn() }
        loop.cancel(limit)
        network?.remove()
    }

    /// How long the pool rests after a launch, and after each build, while at least half of it is there.
    private static let rest = Duration.milliseconds(15)

    /// Whether nobody waits, and enough is there for a while.
    private var hasTime: Bool { queue.isEmpty && pool.prepared(usual).count * 2 >= configuration.poolSize }

    /// Fills the pool up in the background: one at a time while there is time, since whoever was just given a sandbox
    /// will run something in it now, and as fast as it goes when there is none.
    func refill() {
        guard !isShuttingDown else { return }
        loop.cancel(refillTimer)
        refillTimer = nil
        if hasTime {
            refillTimer = loop.schedule(after: Self.rest) { [unowned self] in self.fillNow() }
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
        let most = hasTime ? 1 : Self.mostBuilding
        // Those that somebody waits for come first.
        for kind in Array(Set(queue.map(\.kind))) + [usual] + Array(pool.kinds) {
            while pool.building < most, pool.prepared(kind).count + pool.building(kind) < wanted(of: kind) {
                do {
                    _ = try build(kind)
                } catch {
                    buildFailed(error as? Failure ?? Failure(.internal, "\(error)"), kind)
                    return
                }
            }
        }
    }

    /// What most sandboxes are: the host's image, with the disk that those get that don't say.
    var usual: SlotKind { SlotKind(root: .host, diskMiB: configuration.defaultDiskMiB) }

    /// How many of a kind should be there at this moment, those included that somebody waits for.
    private func wanted(of kind: SlotKind) -> Int {
        let queued = queue.isEmpty ? 0 : queue.count { $0.kind == kind }
        guard kind != usual else { return poolSizeNow() + queued }
        guard let last = pool.wanted[kind], cordon_boottime_ns() - last < Self.kindRest, !memoryIsShort() else {
            return queued
        }
        return min(Self.mostOfKind, configuration.poolSize) + queued
    }

    /// A prepared sandbox shows `/usr` as it was: when packages change, all of them are dropped.
    private func dropOutdated() {
        let now = HostImage.fingerprint(hideUsrLocal: configuration.hideUsrLocal)
        guard now != fingerprint else { return }
        do {
            imageName = try HostImage.prepare(in: files.images, hideUsrLocal: configuration.hideUsrLocal)
            fingerprint = now
            log("the host's /usr has changed: prepared sandboxes are dropped")
            for slot in pool.prepared where slot.root.base == .host { drop(slot) }
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
            for kind in self.pool.kinds {
                let surplus = self.pool.prepared(kind).count - self.wanted(of: kind)
                if surplus > 0 { for slot in self.pool.prepared(kind).values.prefix(surplus) { self.drop(slot) } }
            }
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
    func build(_ kind: SlotKind) throws -> Slot {
        let name = "m" + SandboxID.mint().text.dropFirst(3).prefix(12)
        let base = try ranges.take()
        let group = parent.child(name)
        let slot = Slot(name: name, idBase: base, group: group, kind: kind, hostPrint: fingerprint, pool: pool)
        do {
            let record = SlotRecord(
                bootID: bootID, idBase: base, group: group.path, root: kind.root, diskMiB: kind.diskMiB,
                hostPrint: fingerprint, sidecarOf: kind.sidecarOf?.text ?? "")
            try files.makeSlot(name, record: record, group: configuration.serviceGroup)
            try group.create()
            try group.apply(defaultLimits.groupLimits)
            slots[name] = slot
            if kind.diskMiB > 0 { try startDisk(of: slot) } else { try spawnShim(slot) }
        } catch {
            slot.failure = error as? Failure ?? Failure(.internal, "\(error)")
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

    /// Its storage is there.
    func spawnShim(_ slot: Slot) throws {
        let joined = try slot.kind.sidecarOf.map { try initProcess(of: try mainSlot($0)) }
        var pair: [Int32] = [-1, -1]
        try check(cordon_socketpair(Int32(SOCK_STREAM.rawValue), &pair), "socketpair")
        let ours = Descriptor(owning: pair[0])
        let theirs = Descriptor(owning: pair[1])
        let run = try files.runSlots.directory(slot.name)
        let pid = try withExtendedLifetime(run) { try spawner.spawn(socket: theirs.raw, slot: run.raw) }
        slot.pid = pid
        let pidfd = Descriptor(owning: try check(cordon_pidfd_open(pid), "pidfd_open"))
        let raw = pidfd.raw
        slot.pidfd = consume pidfd
        try loop.watch(raw, for: .readable) { [unowned self, unowned slot] _ in self.shimDied(slot) }

        let channel = FrameChannel(socket: ours, loop: loop)
        slot.channel = channel
        channel.onFrame = { [unowned self, unowned slot] frame in try self.hearShim(slot, frame) }
        channel.open()
        if let joined { channel.send(JoinSandbox(), request: 0, descriptor: joined) }
        let prepare =
            Prepare(
                idBase: slot.idBase, group: slot.group.path,
                storage: "\(configuration.dataDirectory)/storage/slots/\(slot.name)",
                image:
                    "\(configuration.dataDirectory)/storage/images/\(slot.root.base == .host ? imageName : bareName)",
                layers: "\(configuration.dataDirectory)/storage/layers", root: slot.root,
                overlayMethod: overlayMethod.rawValue, serviceGroup: configuration.serviceGroup,
                execSpoolBudget: configuration.execSpoolMiB << 20,
                sandboxSpoolBudget: configuration.sandboxSpoolMiB << 20,
                diskReserve: configuration.diskReserveMiB << 20,
                pids: UInt32(configuration.defaultPids), hasDisk: slot.disk != nil)
        if let disk = slot.disk {
            channel.send(prepare, request: 1, descriptor: disk.mount)
        } else {
            channel.send(prepare, request: 1)
        }
    }

    private func hearShim(_ slot: Slot, _ frame: Frame) throws {
        switch (MessageType(rawValue: frame.type), slot.state) {
        case (.prepared, .building) where slot.failure == nil:
            slot.initProcess = try frame.decode(Prepared.self).initProcess
            slot.state = .prepared
            buildFailures = 0
            serveQueue()
            // Only a few are built at a time: the next ones of those that are wanted begin now.
            refill()
        case (.failure, .building):
            let failure: Failure = try frame.decode()
            drop(slot, failure)
            buildFailed(failure, slot.kind)
        case (.assigned, .assigning(let answer)):
            slot.state = .running
            answer(
                .success(
                    Launched(
                        slot: slot.name, assigned: try frame.decode(), place: place(of: slot),
                        diskMiB: slot.kind.diskMiB, isSidecar: slot.kind.sidecarOf != nil,
                        buckets: UInt8(slot.mounts.values.count(where: \.isBucket)))))
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

    /// The same without where the instance's directories are: that is the host's business.
    func withoutPlaces(_ failure: Failure) -> Failure {
        var failure = failure
        for place in [configuration.dataDirectory, configuration.runDirectory] where place.utf8.count > 1 {
            var (text, rest) = ("", failure.message[...])
            while let slash = rest.firstIndex(of: "/") {
                text += rest[..<slash]
                rest = rest[slash...]
                let isPlace = rest.hasPrefix(place)
                text += isPlace ? "…" : "/"
                rest = rest.dropFirst(isPlace ? place.count : 1)
            }
            failure.message = text + rest
        }
        return failure
    }

    /// Those who wait for that kind are told. The usual is tried again after a while; what is wrong with another one is
    /// its own matter.
    func buildFailed(_ failure: Failure, _ kind: SlotKind) {
        log("a sandbox could not be built: \(failure.message)")
        let waiting = queue.filter { $0.kind == kind }
        queue.removeAll { $0.kind == kind }
        for launch in waiting { launch.answer(.failure(withoutPlaces(failure))) }
        pool.forget(kind)
        guard kind == usual else { return refill() }
        buildFailures += 1
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
