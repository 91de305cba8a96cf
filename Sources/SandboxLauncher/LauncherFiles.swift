import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// The launcher's directories, in the layout that all programs know.
///
///     <data>/storage/slots/<slot>/{r1,r2,scratch,mount}   writable layers   root only
///     <data>/storage/slots/<slot>/disk                    a file system that holds them instead
///     <data>/storage/trash/<slot>, <id>                    writable layers and records on their way out
///     <data>/storage/images/{host-…,bare}/{root,mask}     below all layers  root only
///     <data>/storage/layers/<layer>/{root,usr}            never changed     root only
///     <data>/storage/lost/<layer>                         not whole, until the service knows  root only
///     <data>/storage/left/<id>-<n>/{u,stamps,about}         what ended sandboxes wrote to volumes  root only
///     <data>/storage/sandboxes/<id>/…                      records, output   root, read by the service
///     <run>/slots/<slot>/{record,process,lock,shim.sock}
///     <run>/{launcher.sock,instance,lock}
struct LauncherFiles {
    let slots: Directory
    let trash: Directory
    let images: Directory
    let layers: Directory
    /// Layers that a loss of power has torn.
    let lost: Directory
    let left: Directory
    let sandboxes: Directory
    let run: Directory
    let runSlots: Directory

    /// Makes and checks the directories. Everything that a sandbox writes is behind a directory
    /// that only root can enter, and a mount that honours neither setuid bits nor devices.
    init(_ configuration: LauncherConfiguration) throws {
        let group = configuration.serviceGroup
        let data = try Directory(path: configuration.dataDirectory)
        let old = umask(0)
        defer { umask(old) }
        try data.make("storage", mode: 0o710)
        try Self.own(data, "storage", group: group, mode: 0o710)
        try Self.restrictMount("\(configuration.dataDirectory)/storage")
        // Opened again: through the restricted mount.
        let storage = try Directory(path: "\(configuration.dataDirectory)/storage")
        for name in ["slots", "trash", "images", "layers", "lost", "left"] {
            try storage.make(name, mode: 0o700)
            try Self.own(storage, name, group: 0, mode: 0o700)
        }
        try storage.make("sandboxes", mode: 0o750)
        try Self.own(storage, "sandboxes", group: group, mode: 0o750)
        slots = try storage.directory("slots")
        trash = try storage.directory("trash")
        images = try storage.directory("images")
        layers = try storage.directory("layers")
        // ext4 without a journal looks through all that was removed nearby in the last minutes for each file that it
        // makes: where layers come and go, that is most of what making one costs.
        _ = cordon_spread_directories(layers.raw)
        lost = try storage.directory("lost")
        left = try storage.directory("left")
        sandboxes = try storage.directory("sandboxes")

        run = try Directory(path: configuration.runDirectory)
        try check(fchown(run.raw, 0, group), "chown", "run directory")
        try check(fchmod(run.raw, 0o750), "chmod", "run directory")
        try run.make("slots", mode: 0o750)
        try Self.own(run, "slots", group: group, mode: 0o750)
        runSlots = try run.directory("slots")
    }

    private static func own(_ parent: Directory, _ name: String, group: UInt32, mode: mode_t) throws {
        let directory = try parent.directory(name)
        var status = stat()
        try check(fstat(directory.raw, &status), "stat", name)
        guard status.st_uid == 0 else {
            throw SystemCallError("check", "\(name) belongs to user \(status.st_uid), not to root", errno: EPERM)
        }
        try check(fchown(directory.raw, 0, group), "chown", name)
        try check(fchmod(directory.raw, mode), "chmod", name)
    }

    /// In a mount namespace of the launcher's own.
    private static func restrictMount(_ path: String) throws {
        try check(cordon_unshare(cordon_clone_newns), "unshare", "mount")
        try Mount.receiveOnly()
        let clone = try Mount.clone(path)
        try Mount.set([.noSetuid, .noDevices, .noExecution], of: clone, subject: path)
        try Mount.attach(clone, at: AT_FDCWD, path)
    }

    /// The instance's own short name, in the names of its groups; kept with the run directory.
    func instance() throws -> String {
        if let bytes = try run.read("instance"), let name = NodeName(String(decoding: bytes, as: UTF8.self)) {
            return name.text
        }
        let name = NodeName.mint()
        try run.replace("instance", with: Array(name.text.utf8), mode: 0o644)
        return name.text
    }

    /// Makes a slot's directories; those of its storage where it has no disk of its own.
    func makeSlot(_ name: String, record: SlotRecord, group: UInt32) throws {
        try runSlots.makeNew(name, mode: 0o750)
        let directory = try runSlots.directory(name)
        try check(fchown(directory.raw, 0, group), "chown", name)
        try check(fchmod(directory.raw, 0o750), "chmod", name)
        try directory.replace(SlotNames.record, with: record.record)
        try slots.makeNew(name)
        if record.diskMiB == 0 { try furnish(try slots.directory(name), for: record.root) }
    }

    /// Makes the directories of a slot's storage.
    func furnish(_ storage: Directory, for root: RootImage) throws {
        for child in ["r1", "r2", "scratch", "mount"] { try storage.makeNew(child, mode: 0o755) }
        for child in ["r1/u", "r1/w", "r2/u", "r2/w"] { try storage.makeNew(child, mode: 0o755) }
        if let top = root.layers.last { try dress(try storage.directory("r1/u"), as: top) }
        guard root.base == .nothing else { return }
        try storage.makeNew("files", mode: 0o755)
        try HostFiles.write(to: try storage.directory("files"))
    }

    /// Gives the top of a writable layer the owner, mode and times of what it lies on: an overlay shows its own.
    func dress(_ upper: Directory, as layer: LayerName) throws {
        var status = stat()
        try check(fstatat(layers.raw, "\(layer)/root", &status, AT_SYMLINK_NOFOLLOW), "stat", layer.text)
        try check(fchown(upper.raw, status.st_uid, status.st_gid), "chown", upper.name)
        try check(fchmod(upper.raw, status.st_mode & 0o7777), "chmod", upper.name)
        var times = (status.st_atim, status.st_mtim)
        let set = withUnsafePointer(to: &times) {
            $0.withMemoryRebound(to: timespec.self, capacity: 2) { futimens(upper.raw, $0) }
        }
        try check(set, "utimens", upper.name)
    }

    /// Takes a slot's writable layers out of use at once; they are removed in the background.
    func discard(_ name: String) throws {
        guard slots.exists(name) else { return }
        try slots.move(name, to: trash, as: name)
    }

    /// Takes a sandbox's record and output out of sight at once; they are removed in the background.
    func discardRecord(of id: SandboxID) throws {
        guard sandboxes.exists(id.text) else { return }
        try sandboxes.move(id.text, to: trash, as: id.text)
    }

    /// Removes what a slot's run directory says of its shim and of whose it was.
    func forgetOwner(of name: String) throws {
        guard let directory = try? runSlots.directory(name) else { return }
        for file in try directory.entries() where file != SlotNames.record { try directory.unlink(file) }
    }

    /// Removes a slot's run directory: its record goes last of all that is its own.
    func removeSlotRecord(_ name: String) throws {
        try forgetOwner(of: name)
        guard let directory = try? runSlots.directory(name) else { return }
        try directory.unlink(SlotNames.record)
        try runSlots.removeEmpty(name)
    }
}
