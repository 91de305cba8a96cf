import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// The reserve of the disk (`--disk-reserve-mib`): below it, sandboxes that go on writing are stopped, as a snapshot stops
/// them, until there is room again; below half of it all are. Their deadlines run on.
extension Launcher {
    /// How often is looked: often enough that what is written in between is little of the usual reserve.
    private static let often = Duration.milliseconds(200)
    private static let seldom = Duration.seconds(1)
    /// What one that is no writer may write from one look to the next: logs, small files.
    private static let littleGrowth: UInt64 = 64 << 10
    /// Of more processes than these is not told what they write: their sandboxes count as writers.
    private static let mostProcesses = 4096
    /// Hundredths of the reserve: below the first all are stopped, from the second on all go on.
    private static let halfTaken: UInt64 = 50
    private static let roomAgain: UInt64 = 112

    /// Why nothing is made of one that is stopped.
    static let held = Failure(.resourceExhausted, "the sandbox is stopped: the disk is full")

    func watchReserve() {
        let reserve = configuration.diskReserveMiB << 20
        guard reserve > 0 else { return }
        var share = UInt64.max
        do {
            share = try DiskRoom(of: files.slots.raw, pending: pendingBytes()).share(of: reserve)
        } catch { log("\(error)") }
        isAtReserve = share < 100
        if isAtReserve {
            holdWriters(all: share < Self.halfTaken)
        } else if share >= Self.roomAgain {
            releaseWriters()
        }
        loop.schedule(after: share < 400 ? Self.often : Self.seldom) { [unowned self] in
            if !self.isShuttingDown { self.watchReserve() }
        }
    }

    /// Bytes that were written to sandboxes' own disks, and are in memory still: the host's disk doesn't know of them.
    private func pendingBytes() -> UInt64 {
        var pending: UInt64 = 0
        for slot in slots.values {
            guard let disk = slot.disk, case .ofDisk(let used)? = try? DiskUse(of: disk) else { continue }
            var status = stat()
            guard fstatat(files.slots.raw, "\(slot.name)/\(SandboxDisk.imageName)", &status, AT_SYMLINK_NOFOLLOW) == 0
            else { continue }
            let taken = UInt64(status.st_blocks) * 512
            pending += used - min(used, taken)
        }
        return pending
    }

    private func holdWriters(all: Bool) {
        var left = Self.mostProcesses
        for slot in slots.values {
            // A copy of one that is being made has stopped it already.
            guard case .running = slot.state, slot.endTimer == nil, !slot.isHeld,
                !layerWorks.values.contains(where: { $0.frozen === slot }),
                // That one stands still as long as its work says so.
                !mountWorks.values.contains(where: { $0.slot === slot })
            else { continue }
            if all {
                hold(slot)
                continue
            }
            guard let use = use(by: slot, most: left) else {
                hold(slot)
                continue
            }
            if case .ofProcesses(let processes) = use { left -= processes.count }
            if let before = slot.written, use.growth(since: before) > Self.littleGrowth { hold(slot) }
            slot.written = use
        }
    }

    private func use(by slot: Slot, most: Int) -> DiskUse? {
        if let disk = slot.disk { return try? DiskUse(of: disk) }
        return DiskUse(of: slot.group, most: most)
    }

    private func hold(_ slot: Slot) {
        do {
            try slot.group.freeze(true)
            slot.isHeld = true
            log("the disk is at its reserve: sandbox \(slot.sandbox?.text ?? slot.name) is stopped until there is room")
        } catch { log("slot \(slot.name): \(error)") }
    }

    private func releaseWriters() {
        var count = 0
        for slot in slots.values {
            slot.written = nil
            guard slot.isHeld else { continue }
            slot.isHeld = false
            count += 1
            if !slot.isReclaiming { try? slot.group.freeze(false) }
        }
        if count > 0 { log("the disk has room again: \(count) sandboxes go on") }
    }

    /// Throws while a sandbox stands still for want of room, or would soon.
    func checkReserve() throws(Failure) {
        guard isAtReserve else { return }
        throw Failure(
            .resourceExhausted, "the disk of the data directory is at its reserve (the option disk_reserve_mib)")
    }
}
