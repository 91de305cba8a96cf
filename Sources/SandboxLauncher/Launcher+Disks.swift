import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// Disks of sandboxes' own: made by a program in the background before the sandbox is built, mounted here, and attached in
/// the sandbox's mount namespace alone. The launcher holds each for as long as its slot is there.
extension Launcher {
    /// Begins to make the disk of a slot; its shim is spawned once it is there.
    func startDisk(of slot: Slot) throws {
        let path = "\(configuration.dataDirectory)/storage/slots/\(slot.name)/\(SandboxDisk.imageName)"
        let image = try files.slots.directory(slot.name).open(
            SandboxDisk.imageName, O_RDWR | O_CREAT | O_EXCL, mode: 0o600)
        try check(ftruncate(image.raw, off_t(slot.kind.diskMiB) << 20), "truncate", "disk")
        diskWorks[try SandboxDisk.format(path, mebibytes: slot.kind.diskMiB)] = slot
    }

    /// Whether it was such a program that ended.
    func diskWorkEnded(_ pid: pid_t, _ status: Int32) -> Bool {
        guard let slot = diskWorks.removeValue(forKey: pid) else { return false }
        // Nobody wants it any more.
        guard slot.isBuilding else {
            reclaim(slot)
            return true
        }
        do {
            guard status == 0 else {
                throw Failure(.internal, "mke2fs ended with wait status \(status): see the launcher's log")
            }
            let image = try files.slots.directory(slot.name).open(SandboxDisk.imageName, O_RDWR)
            let disk = try LoopFileSystem(in: image, label: "\(parent.path)/\(slot.name)")
            slot.disk = disk
            try files.runSlots.directory(slot.name).replace(SlotNames.disk, with: DiskRecord(disk.number).record)
            try files.furnish(disk.root, for: slot.root)
            try spawnShim(slot)
        } catch {
            let failure = error as? Failure ?? Failure(.internal, "\(error)")
            slot.failure = failure
            buildFailed(failure, slot.kind)
            reclaim(slot)
        }
        return true
    }

    /// Takes the disk of an adopted sandbox up again. Without it the sandbox goes on, and can't be copied.
    func adoptDisk(of slot: Slot, _ directory: Directory) {
        do {
            guard let record = try directory.read(SlotNames.disk) else {
                throw SystemCallError("read", SlotNames.disk, errno: ENOENT)
            }
            let image = try files.slots.directory(slot.name).open(SandboxDisk.imageName, O_RDWR)
            slot.disk = try LoopFileSystem(mountedFrom: try DiskRecord(record: record).number, image: image)
        } catch { log("slot \(slot.name): its disk can't be reached: \(error)") }
    }

    /// Where the writable layers of a slot lie.
    func storage(of slot: Slot) throws -> Directory {
        guard slot.kind.diskMiB > 0 else { return try files.slots.directory(slot.name) }
        return try theDisk(of: slot).root
    }

    /// The same, to be read alone.
    func readableStorage(of slot: Slot) throws -> Directory {
        guard slot.kind.diskMiB > 0 else { return try files.slots.directory(slot.name) }
        return try theDisk(of: slot).readOnlyRoot()
    }

    private func theDisk(of slot: Slot) throws -> LoopFileSystem {
        guard let disk = slot.disk else { throw Failure(.failedPrecondition, "the sandbox's disk can't be reached") }
        return disk
    }
}

/// Which loop device shows a slot's disk, for a launcher's successor.
struct DiskRecord: WireCodable {
    let number: Int32

    init(_ number: Int32) { self.number = number }
    func encode(into writer: inout WireWriter) { writer.put(number) }
    init(from reader: inout WireReader) throws(WireError) { number = try reader.integer() }
}
