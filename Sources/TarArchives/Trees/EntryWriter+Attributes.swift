import CLinux
import Glibc
import LinuxSystem
import ShimProtocol

/// What directories get when all that comes into them has come. Holds a bounded number of them.
struct DirectoryAttributes {
    private static let most = 1 << 16
    private var entries: [[UInt8]: TarEntry] = [:]

    var isFull: Bool { entries.count >= Self.most }

    /// The last word about a path counts.
    mutating func set(_ path: [UInt8], to entry: TarEntry) { entries[path] = entry }

    /// All of them, those beneath before those above: what is given may close the way to them.
    mutating func takeAll() -> [(path: [UInt8], entry: TarEntry)] {
        defer { entries.removeAll() }
        return entries.map { (path: $0.key, entry: $0.value) }.sorted { $1.path.lexicographicallyPrecedes($0.path) }
    }
}

extension EntryWriter {
    /// Gives an open file, or directory, an entry's owner, mode, extended attributes and time, in the order in
    /// which one doesn't undo another: a change of owner takes set-id bits and capabilities away.
    func setAttributes(of file: Int32, to entry: TarEntry) throws(Fault) {
        let isOwned = try setOwner(entry) { fchown(file, entry.user, entry.group) }
        try setExtended(entry.attributes, of: file)
        // Nobody's program becomes one that runs as whoever unpacked it.
        let mode = permissions(entry, isOwned: isOwned)
        guard fchmod(file, mode_t(mode)) == 0 || !isOwned else { throw Fault(errno: errno) }
        let times = Self.times(entry)
        guard futimens(file, times) == 0 || !isOwned else { throw Fault(errno: errno) }
    }

    /// Gives a link or a FIFO its attributes, without opening it.
    func setAttributes(at path: EntryPath, _ parent: UnpackingTarget.Parent, to entry: TarEntry) throws(Fault) {
        let name = path.nameText
        let isOwned = try setOwner(entry) {
            fchownat(parent.descriptor, name, entry.user, entry.group, AT_SYMLINK_NOFOLLOW)
        }
        if entry.kind == .fifo {
            // Through the very thing: chmod(2) by name would follow a link that has taken its place.
            let raw = cordon_open(parent.descriptor, name, cordon_o_path | O_NOFOLLOW | O_CLOEXEC, 0)
            guard raw >= 0 else { throw Fault(errno: errno) }
            let handle = Descriptor(owning: raw)
            var status = stat()
            guard fstat(handle.raw, &status) == 0, status.st_mode & 0o170000 == 0o010000 else { throw Fault(.busy) }
            guard chmod("/proc/self/fd/\(handle.raw)", mode_t(permissions(entry, isOwned: isOwned))) == 0 else {
                throw Fault(errno: errno)
            }
        }
        guard utimensat(parent.descriptor, name, Self.times(entry), AT_SYMLINK_NOFOLLOW) == 0 else {
            throw Fault(errno: errno)
        }
    }

    /// Whether the owner could be set. Where a user's archive names others than the user may name, what is
    /// unpacked is the user's own; a layer is as it says or not at all.
    private func setOwner(_ entry: TarEntry, _ change: () -> Int32) throws(Fault) -> Bool {
        if owners == .unpackers { return false }
        if change() == 0 { return true }
        guard !isLayer, errno == EPERM || errno == EINVAL else { throw Fault(errno: errno) }
        return false
    }

    private func permissions(_ entry: TarEntry, isOwned: Bool) -> UInt32 {
        if owners == .unpackers { return entry.mode & 0o777 & ~UInt32(Self.umask) }
        return entry.mode & (isOwned ? 0o7777 : 0o1777)
    }

    /// Users' attributes and capabilities; no other kind means anything to a sandbox, or may be set there.
    func setExtended(_ attributes: [TarEntry.Attribute], of file: Int32) throws(Fault) {
        for attribute in attributes where ExtendedAttributes.areKept(attribute.name) {
            if owners == .unpackers, attribute.name.elementsEqual(ExtendedAttributes.capability.utf8) { continue }
            let result = attribute.value.withUnsafeBytes {
                fsetxattr(file, attribute.name.terminated, $0.baseAddress, $0.count, 0)
            }
            // A file system may know none, and a user may have no right to give capabilities.
            guard result == 0 || errno == ENOTSUP || (!isLayer && errno == EPERM) else { throw Fault(errno: errno) }
        }
    }

    /// Access counts from now on.
    private static func times(_ entry: TarEntry) -> [timespec] {
        let now = timespec(tv_sec: 0, tv_nsec: Int((1 << 30) - 1))
        let modified = entry.modified
        return [now, timespec(tv_sec: time_t(modified.seconds), tv_nsec: Int(modified.nanoseconds))]
    }

    /// Gives directories what they were promised. What isn't there any more, or is something else, is passed over.
    func applyDirectories() throws(Fault) {
        for (path, entry) in directories.takeAll() {
            progress()
            guard let directory = try? target.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) else {
                continue
            }
            do { try setAttributes(of: directory.raw, to: entry) } catch { throw error.about(entry.name) }
        }
    }
}

/// Which extended attributes go into archives and come out of them.
enum ExtendedAttributes {
    static let capability = "security.capability"

    static func areKept(_ name: [UInt8]) -> Bool {
        // Overlays keep their own notes in some of the users' names.
        if name.starts(with: "user.overlay.".utf8) || name.contains(0) || name.count > 255 { return false }
        return name.starts(with: "user.".utf8) || name.elementsEqual(capability.utf8)
    }
}
