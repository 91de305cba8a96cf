import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// Makes an archive's entries, one after the other, beneath a directory that others may change meanwhile.
///
/// An entry replaces what is at its path, but for a directory, which stays for one. Nothing is written through
/// a link, or into what was there. Attributes of directories are given at the end, since what comes into them
/// changes their times and may need their write permission.
package final class EntryWriter {
    /// Whose files come out.
    package enum Owners {
        /// Those that the archive names, as far as they may be set.
        case archives
        /// Whoever unpacks: no set-id bit and no capability comes with them.
        case unpackers
    }

    /// Permissions that this process gives nobody (umask(2)).
    package static let umask: mode_t = {
        let mask = Glibc.umask(0o077)
        _ = Glibc.umask(mask)
        return mask
    }()

    let target: UnpackingTarget
    let isLayer: Bool
    let owners: Owners
    let progress: () -> Void
    private let owner: FileOwner?
    private let mode: UInt32?
    var budget: UnpackingBudget
    var leftOut = LeftOut()
    /// What this archive has made, which its whiteouts leave alone.
    var written = WrittenPaths()
    var directories = DirectoryAttributes()
    /// The file whose content comes.
    private var file: OpenFile?

    private struct OpenFile {
        let descriptor: SharedDescriptor
        let entry: TarEntry
    }

    init(
        _ unpacking: Unpacking, owners: Owners, progress: @escaping () -> Void, make: (String) throws(Fault) -> Void
    ) throws(Fault) {
        isLayer = unpacking.kind == .layer
        self.owners = owners
        self.progress = progress
        (owner, mode) = (unpacking.owner, unpacking.mode)
        budget = UnpackingBudget(unpacking)
        target = try UnpackingTarget(unpacking, make: make)
    }

    // MARK: One entry

    func begin(_ entry: TarEntry) throws(Fault) {
        progress()
        try budget.takeEntry(stored: entry.storedBytes, size: entry.size)
        do { try make(asWanted(entry)) } catch { throw error.about(entry.name) }
    }

    /// An entry as whoever asked wants it to be.
    private func asWanted(_ entry: TarEntry) -> TarEntry {
        var entry = entry
        if let owner { (entry.user, entry.group) = (owner.user, owner.group) }
        if let mode { entry.mode = mode }
        return entry
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(Fault) {
        guard let file else { return }
        var done = 0
        while done < bytes.count {
            // The reader has checked that no offset is beyond a file's end, nor that beyond what is signed.
            let count = pwrite(
                file.descriptor.raw, bytes.baseAddress.map { $0 + done }, bytes.count - done,
                off_t(offset) + off_t(done))
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw Fault(errno: errno).about(file.entry.name) }
            done += count
        }
    }

    func end() throws(Fault) {
        guard let file else { return }
        self.file = nil
        let raw = file.descriptor.raw
        if file.entry.segments != nil, ftruncate(raw, off_t(file.entry.size)) != 0 {
            throw Fault(errno: errno).about(file.entry.name)
        }
        do { try setAttributes(of: raw, to: file.entry) } catch { throw error.about(file.entry.name) }
    }

    /// Gives directories their attributes.
    func finish() throws(Fault) {
        file = nil
        try applyDirectories()
    }

    private func make(_ entry: TarEntry) throws(Fault) {
        let path = try EntryPath(entry.name)
        if isLayer, try takeWhiteout(path) { return }
        guard !path.isTarget else {
            guard entry.kind == .directory else {
                throw Fault.invalidArchive("a file in place of the directory itself")
            }
            // A directory that was there keeps what it has, unless a layer says what the root is.
            if target.isNew || isLayer { directories.set([], to: entry) }
            return
        }
        guard entry.kind != .device else { return leftOut.take(path.bytes) }
        let parent = try target.parent(of: path) { () throws(Fault) in try budget.takeDirectory() }
        guard let parent else { return leftOut.take(path.bytes) }
        if isLayer {
            try Self.protectMountPoints(entry, path, parent)
            written.insert(parent.path, path.name)
        }
        switch entry.kind {
        case .directory: try makeDirectory(entry, path, parent)
        case .file: try makeFile(entry, path, parent)
        case .symbolicLink: try makeSymbolicLink(entry, path, parent)
        case .hardLink: try makeHardLink(entry, path, parent)
        case .fifo: try makeFIFO(entry, path, parent)
        case .device: break
        }
    }

    /// What the kernel's own file systems are mounted on stays a directory.
    private static func protectMountPoints(
        _ entry: TarEntry, _ path: EntryPath, _ parent: UnpackingTarget.Parent
    ) throws(Fault) {
        guard parent.path.isEmpty, entry.kind != .directory,
            ["proc", "sys", "dev"].contains(where: { path.name.elementsEqual($0.utf8) })
        else { return }
        throw .invalidArchive("something else than a directory at /" + String(decoding: path.name, as: UTF8.self))
    }

    // MARK: Kinds

    private func makeDirectory(
        _ entry: TarEntry, _ path: EntryPath, _ parent: UnpackingTarget.Parent
    ) throws(Fault) {
        while mkdirat(parent.descriptor, path.nameText, 0o700) != 0 {
            guard errno == EEXIST else { throw Fault(errno: errno) }
            var status = stat()
            guard fstatat(parent.descriptor, path.nameText, &status, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
            if FileAttributes(status).kind == .directory {
                guard try !isMountPoint(path, parent) else { return leftOut.take(path.bytes) }
                break
            }
            guard try clear(path, parent) else { return leftOut.take(path.bytes) }
        }
        directories.set(path.bytes, to: entry)
        if directories.isFull { try applyDirectories() }
        guard !entry.attributes.isEmpty else { return }
        let opened = cordon_open(
            parent.descriptor, path.nameText, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0)
        guard opened >= 0 else { throw Fault(errno: errno) }
        let directory = Descriptor(owning: opened)
        try setExtended(entry.attributes, of: directory.raw)
    }

    private func makeFile(_ entry: TarEntry, _ path: EntryPath, _ parent: UnpackingTarget.Parent) throws(Fault) {
        var raw: Int32 = -1
        let isMade = try making(path, parent) {
            raw = cordon_open(
                parent.descriptor, path.nameText, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
            return raw
        }
        if isMade { file = OpenFile(descriptor: SharedDescriptor(Descriptor(owning: raw)), entry: entry) }
    }

    private func makeSymbolicLink(
        _ entry: TarEntry, _ path: EntryPath, _ parent: UnpackingTarget.Parent
    ) throws(Fault) {
        guard !entry.target.isEmpty else { throw Fault.invalidArchive("a link to nothing") }
        // What was a directory may be a link now.
        target.forget()
        let made = try making(path, parent) {
            symlinkat(entry.target.terminated, parent.descriptor, path.nameText)
        }
        if made { try setAttributes(at: path, parent, to: entry) }
    }

    /// Another name of a file beneath the same directory; of a link itself, never of what it leads to.
    private func makeHardLink(
        _ entry: TarEntry, _ path: EntryPath, _ parent: UnpackingTarget.Parent
    ) throws(Fault) {
        let old = try EntryPath(entry.target)
        guard !old.isTarget else { throw Fault.invalidArchive("a link to the directory itself") }
        if old == path { return }
        guard let from = try target.parent(of: old) else { return leftOut.take(path.bytes) }
        // What stands in the way may be the very file.
        if try isSame(old, from, path, parent) { return }
        try making(path, parent) {
            linkat(from.descriptor, old.nameText, parent.descriptor, path.nameText, 0)
        }
    }

    private func isSame(
        _ one: EntryPath, _ from: UnpackingTarget.Parent, _ other: EntryPath, _ parent: UnpackingTarget.Parent
    ) throws(Fault) -> Bool {
        var (first, second) = (stat(), stat())
        guard fstatat(from.descriptor, one.nameText, &first, AT_SYMLINK_NOFOLLOW) == 0 else {
            throw Fault(errno: errno)
        }
        guard FileAttributes(first).kind != .directory else { throw Fault.invalidArchive("a link to a directory") }
        guard fstatat(parent.descriptor, other.nameText, &second, AT_SYMLINK_NOFOLLOW) == 0 else { return false }
        return first.st_dev == second.st_dev && first.st_ino == second.st_ino
    }

    private func makeFIFO(_ entry: TarEntry, _ path: EntryPath, _ parent: UnpackingTarget.Parent) throws(Fault) {
        let made = try making(path, parent) { mkfifoat(parent.descriptor, path.nameText, 0o600) }
        if made { try setAttributes(at: path, parent, to: entry) }
    }

    // MARK: What is in the way

    /// Makes what must not be there yet, and removes what is there first; false when that is a mount.
    @discardableResult
    private func making(
        _ path: EntryPath, _ parent: UnpackingTarget.Parent, _ attempt: () -> Int32
    ) throws(Fault) -> Bool {
        // Whoever puts something back each time gets the last word at some point.
        for _ in 0..<100 {
            if attempt() >= 0 { return true }
            guard errno == EEXIST else { throw Fault(errno: errno) }
            guard try clear(path, parent) else {
                leftOut.take(path.bytes)
                return false
            }
        }
        throw Fault(.busy)
    }

    /// Removes what is at a path, a directory with all that it holds; false when it is a mount, or holds one.
    func clear(_ path: EntryPath, _ parent: UnpackingTarget.Parent) throws(Fault) -> Bool {
        try clear(path.nameText, in: parent.descriptor)
    }

    func clear(_ name: [CChar], in directory: Int32) throws(Fault) -> Bool {
        if unlinkat(directory, name, 0) == 0 || errno == ENOENT { return true }
        if errno == EBUSY { return false }
        guard errno == EISDIR || errno == EPERM else { throw Fault(errno: errno) }
        target.forget()
        let copy = cordon_duplicate(directory)
        guard copy >= 0 else { throw Fault(errno: errno) }
        var removal = TreeRemoval(in: Directory(owning: Descriptor(owning: copy), name: ""), progress: progress)
        do { try removal.remove(name) } catch {
            guard error.errno != EXDEV, error.errno != EBUSY else { return false }
            throw Fault(errno: error.errno)
        }
        return true
    }

    private func isMountPoint(_ path: EntryPath, _ parent: UnpackingTarget.Parent) throws(Fault) -> Bool {
        let resolve = CORDON_RESOLVE_BENEATH | CORDON_RESOLVE_NO_SYMLINKS | CORDON_RESOLVE_NO_XDEV
        let flags = UInt64(UInt32(bitPattern: cordon_o_path | O_DIRECTORY | O_NOFOLLOW))
        let raw = cordon_openat2(parent.descriptor, path.nameText, flags, 0, UInt64(resolve))
        if raw >= 0 { close(raw) } else if errno != EXDEV { throw Fault(errno: errno) }
        return raw < 0
    }
}
