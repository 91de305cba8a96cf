import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// Makes a tar archive of a directory, which may change meanwhile, with paths from it.
///
/// Sockets and devices are left out; what the kernel's own file systems hold is, too. What goes away before it
/// is reached isn't in the archive; a file that becomes shorter while it is read ends the whole. One directory
/// is open at a time, and no more is held than the names of directories that are still to come.
package final class TreePacking {
    private let root: Descriptor
    private let omitsTimes: Bool
    private let give: (UnsafeRawBufferPointer) throws -> Void
    private let progress: () -> Void
    private var links = HardLinks()
    private var buffer = [UInt8](repeating: 0, count: 256 * 1024)
    /// Sockets and devices.
    package private(set) var leftOut = LeftOut()

    /// Directories on the way to the current one whose own directories are still to come.
    private struct Level {
        let pathLength: Int
        var names: [[UInt8]]
    }

    /// Opens the directory. `give` gets the archive in pieces of any size; `progress` is called now and then.
    /// Without times the same files give the same archive, at the price of holding all names of a directory.
    package init(
        _ path: FilePath, omitsTimes: Bool = false, progress: @escaping () -> Void,
        give: @escaping (UnsafeRawBufferPointer) throws -> Void
    ) throws(Fault) {
        root = try Descriptor.open(AT_FDCWD, path.text, O_RDONLY | O_DIRECTORY)
        self.omitsTimes = omitsTimes
        self.give = give
        self.progress = progress
    }

    /// The directory's own attributes.
    package func attributes() throws(Fault) -> FileAttributes { try FileAttributes(of: root.raw) }

    /// Gives the whole archive.
    package func run() throws {
        var path: [UInt8] = []
        var levels = [Level(pathLength: 0, names: try pack(directory: root.raw, path))]
        while var level = levels.popLast() {
            path.removeSubrange(level.pathLength...)
            guard let name = level.names.popLast() else { continue }
            levels.append(level)
            if !path.isEmpty { path.append(UInt8(ascii: "/")) }
            path += name
            guard path.count < TarFormat.longestName else { throw Fault(.nameTooLong).about(path) }
            guard let directory = try open(path) else { continue }
            levels.append(Level(pathLength: path.count, names: try pack(directory: directory.raw, path)))
        }
        try give(TarWriter.end)
    }

    /// nil when it has gone, or is none any more.
    private func open(_ path: [UInt8]) throws(Fault) -> Descriptor? {
        let resolve = CORDON_RESOLVE_BENEATH | CORDON_RESOLVE_NO_SYMLINKS | CORDON_RESOLVE_NO_MAGICLINKS
        let flags = UInt64(UInt32(bitPattern: O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC))
        let raw = cordon_openat2(root.raw, path.terminated, flags, 0, UInt64(resolve))
        if raw >= 0 { return Descriptor(owning: raw) }
        guard errno == ENOENT || errno == ENOTDIR || errno == ELOOP else { throw Fault(errno: errno).about(path) }
        return nil
    }

    private func give(_ bytes: [UInt8]) throws {
        if !bytes.isEmpty { try bytes.withUnsafeBytes { try give($0) } }
    }

    private func give(_ entry: TarEntry) throws {
        var entry = entry
        if omitsTimes { entry.modified = TarEntry.Time(seconds: 0) }
        try give(TarWriter.header(of: entry))
    }

    // MARK: A directory

    /// Gives a directory and what it holds but for directories, whose names come back.
    private func pack(directory: Int32, _ path: [UInt8]) throws -> [[UInt8]] {
        var status = stat()
        guard fstat(directory, &status) == 0 else { throw Fault(errno: errno).about(path) }
        var entry = TarEntry(kind: .directory, name: (path.isEmpty ? [UInt8(ascii: ".")] : path) + [UInt8(ascii: "/")])
        entry.take(status)
        entry.attributes = try ExtendedAttributes.of(directory, path)
        try give(entry)
        guard !Self.isKernels(directory) else { return [] }
        var (directories, names): ([[UInt8]], [[UInt8]]) = ([], [])
        let listing = DirectoryBuffer()
        while try listing.read(from: directory) {
            for found in listing {
                let name = UnsafeBufferPointer(start: found.name, count: strlen(found.name))
                    .map { UInt8(bitPattern: $0) }
                if omitsTimes {
                    names.append(name)
                } else if try pack(name, in: directory, path) {
                    directories.append(name)
                }
            }
        }
        names.sort { $0.lexicographicallyPrecedes($1) }
        for name in names where try pack(name, in: directory, path) { directories.append(name) }
        return directories
    }

    /// Gives what a directory holds under a name, but for a directory: then it is true.
    private func pack(_ name: [UInt8], in directory: Int32, _ path: [UInt8]) throws -> Bool {
        progress()
        var status = stat()
        // Gone since it was listed.
        guard fstatat(directory, name.terminated, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return false }
        if FileAttributes(status).kind == .directory { return true }
        try pack(name, in: directory, WrittenPaths.path(path, name), status)
        return false
    }

    /// Whether a directory's content is made up by the kernel as it is read: there is no end to some of it.
    private static func isKernels(_ directory: Int32) -> Bool {
        var status = statfs()
        guard fstatfs(directory, &status) == 0 else { return false }
        // PROC, SYSFS, DEVPTS, CGROUP, CGROUP2, MQUEUE, DEBUGFS, TRACEFS, SECURITYFS, BPF_FS (magic.h).
        let types: [UInt32] = [
            0x9fa0, 0x6265_6572, 0x1cd1, 0x27_e0eb, 0x6367_7270, 0x1980_0202, 0x6462_6720, 0x7472_6163,
            0x7363_6673, 0xcafe_4a11,
        ]
        return types.contains(UInt32(truncatingIfNeeded: status.f_type))
    }

    // MARK: What isn't one

    private func pack(_ name: [UInt8], in directory: Int32, _ path: [UInt8], _ status: stat) throws {
        guard path.count < TarFormat.longestName else { throw Fault(.nameTooLong).about(path) }
        if let first = links.path(of: status) {
            var entry = TarEntry(kind: .hardLink, name: path)
            entry.take(status)
            entry.target = first
            return try give(entry)
        }
        switch FileAttributes(status).kind {
        case .file: guard try pack(file: name, in: directory, path) else { return }
        case .link:
            var target = [CChar](repeating: 0, count: TarFormat.longestName)
            let count = readlinkat(directory, name.terminated, &target, target.count)
            guard count > 0 else { return }
            var entry = TarEntry(kind: .symbolicLink, name: path)
            entry.take(status)
            entry.target = target[..<count].map { UInt8(bitPattern: $0) }
            try give(entry)
        case .fifo:
            var entry = TarEntry(kind: .fifo, name: path)
            entry.take(status)
            try give(entry)
        default: return leftOut.take(path)
        }
        links.remember(status, path)
    }

    /// False when there is no such file any more.
    private func pack(file name: [UInt8], in directory: Int32, _ path: [UInt8]) throws -> Bool {
        let flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC
        let raw = cordon_open(directory, name.terminated, flags, 0)
        guard raw >= 0 else {
            if errno == ENOENT || errno == ELOOP { return false }
            throw Fault(errno: errno).about(path)
        }
        let file = Descriptor(owning: raw)
        // What it is now counts, and its size now.
        var status = stat()
        guard fstat(file.raw, &status) == 0, FileAttributes(status).kind == .file else { return false }
        var entry = TarEntry(kind: .file, name: path)
        entry.take(status)
        entry.size = UInt64(max(0, status.st_size))
        entry.attributes = try ExtendedAttributes.of(file.raw, path)
        entry.segments = HoleMap.segments(of: file.raw, status)
        try give(entry)
        let segments = entry.segments ?? [TarEntry.Segment(offset: 0, length: entry.size)]
        for segment in segments { try give(segment, of: file.raw, path) }
        try give([UInt8](repeating: 0, count: TarFormat.padding(entry.storedBytes)))
        return true
    }

    private func give(_ segment: TarEntry.Segment, of file: Int32, _ path: [UInt8]) throws {
        var done: UInt64 = 0
        while done < segment.length {
            progress()
            let wanted = Int(min(UInt64(buffer.count), segment.length - done))
            let count = pread(file, &buffer, wanted, off_t(segment.offset + done))
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw Fault(errno: errno).about(path) }
            guard count > 0 else {
                throw Fault(.failed, note: "a file became shorter: " + String(decoding: path, as: UTF8.self))
            }
            try buffer.withUnsafeBytes { try give(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
            done += UInt64(count)
        }
    }
}
