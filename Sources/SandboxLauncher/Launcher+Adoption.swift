import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

extension Launcher {
    /// Compares what is in the run directory with what lives: sandboxes go on, everything half
    /// made or dead is removed. Nothing is removed because its record could not be read.
    func adoptSlots() throws {
        var leftAlone: Set<String> = []
        try adoptLeftWrites()
        for name in try files.runSlots.entries() {
            do {
                try adopt(name)
            } catch {
                log("slot \(name) is left alone: \(error)")
                slots[name] = nil
                leftAlone.insert(name)
            }
        }
        try removeStrays(except: leftAlone)
        try discardUnfinishedLayers()
        try sortOutLayers()
        sweepTrash()
    }

    private func adopt(_ name: String) throws {
        let directory = try files.runSlots.directory(name)
        guard let bytes = try directory.read(SlotNames.record) else {
            // Killed between making the directory and writing its record: nothing else was made.
            try files.removeSlotRecord(name)
            return
        }
        let record = try SlotRecord(record: bytes)
        let slot = Slot(
            name: name, idBase: record.idBase, group: ControlGroup(layout: layout, path: record.group),
            kind: SlotKind(root: record.root, diskMiB: record.diskMiB, sidecarOf: SandboxID(record.sidecarOf)),
            hostPrint: record.hostPrint, pool: pool)
        let owner = try directory.read(SlotNames.owner).map(SlotOwner.init(record:))
        slot.sandbox = owner.flatMap { SandboxID($0.sandbox) }
        slot.state = .dropped
        slots[name] = slot
        // Also of another start of the machine: whoever gives it back must have had it.
        try ranges.adopt(record.idBase)
        guard record.bootID == bootID else {
            if let id = slot.sandbox { recordRestart(id) }
            reclaim(slot)
            return
        }
        if let bytes = try directory.read(SlotNames.mounts) { slot.mounts = try MountRecord(record: bytes).mounts }
        if let id = slot.sandbox { sandboxes[id] = slot }
        guard try isAlive(directory), let bytes = try directory.read(SlotNames.process),
            case let shim = try ProcessIdentity(record: bytes), let pidfd = try shim.open()
        else {
            reclaim(slot)
            return
        }
        let raw = pidfd.raw
        slot.pid = shim.pid
        slot.initProcess = owner?.initProcess ?? 0
        if let number = owner?.network, number > 0 { slot.network = SlotNetwork(number: number) }
        slot.pidfd = consume pidfd
        try loop.watch(raw, for: .readable) { [unowned self, unowned slot] _ in self.shimDied(slot) }
        guard slot.sandbox != nil, try connect(slot, directory) else {
            // Nobody's: it exits by itself, having lost its launcher; make sure of it.
            slot.failure = Failure(.unavailable, "left over")
            _ = cordon_pidfd_kill(raw, SIGKILL)
            return
        }
        slot.state = .running
        if record.diskMiB > 0 { adoptDisk(of: slot, directory) }
        for path in slot.mounts.keys { settleNext(of: slot, at: path) }
        slot.mounts = mounts(of: slot, recorded: slot.mounts)
        // A launcher that was killed while it copied what the sandbox wrote left it standing still.
        try slot.group.freeze(false)
    }

    /// The shim holds its slot's lock for as long as it lives.
    private func isAlive(_ directory: Directory) throws -> Bool {
        guard directory.exists(SlotNames.lock) else { return false }
        let lock = try directory.open(SlotNames.lock, O_RDWR)
        return cordon_lock_exclusive(lock.raw, false) < 0
    }

    /// Connects to an adopted shim as the service does. False when it was never told whose it is.
    private func connect(_ slot: Slot, _ directory: Directory) throws -> Bool {
        guard let id = slot.sandbox, files.sandboxes.exists(id.text),
            files.sandboxes.exists("\(id.text)/\(RecordNames.status)")
        else { return false }
        let raw = try check(cordon_connect_unix("\(directory.procPath)/\(SlotNames.socket)"), "connect", "shim")
        let channel = FrameChannel(socket: Descriptor(owning: raw), loop: loop)
        slot.channel = channel
        channel.open()
        return true
    }

    private func recordRestart(_ id: SandboxID) {
        guard files.sandboxes.exists(id.text), let record = try? files.sandboxes.directory(id.text),
            record.exists(RecordNames.status), !record.exists(RecordNames.ending)
        else { return }
        let ending = Ending(.hostRestarted, detail: "the machine was restarted", at: .now())
        try? record.replace(RecordNames.ending, with: ending.record, mode: 0o640)
    }

    /// Writable layers and groups that no slot owns: left by a launcher that was killed in between.
    private func removeStrays(except leftAlone: Set<String>) throws {
        for name in try files.slots.entries() where slots[name] == nil && !leftAlone.contains(name) {
            let stray = Slot(name: name, idBase: 0, group: parent.child(name), pool: pool)
            slots[name] = stray
            reclaim(stray)
        }
        for directory in parent.directories {
            guard let children = try? Directory(path: directory) else { continue }
            var names: [String] = []
            try children.forEachEntry { (name, isDirectory) in
                if isDirectory { names.append(ControlGroup.nameAside(of: name)) }
            }
            for name in names where slots[name] == nil && !leftAlone.contains(name) {
                let stray = Slot(name: name, idBase: 0, group: parent.child(name), pool: pool)
                slots[name] = stray
                reclaim(stray)
            }
        }
        // Sandboxes without an ending that no slot has any more: the machine was restarted, and
        // the run directory went with it.
        for name in try files.sandboxes.entries() {
            guard let id = SandboxID(name), sandboxes[id] == nil else { continue }
            recordRestart(id)
        }
    }
}
