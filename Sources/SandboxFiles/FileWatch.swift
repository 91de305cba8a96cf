import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol
import TarArchives

/// Watches a file, or the directories of a tree, by inotify(7), and tells changes by their paths in it.
///
/// A directory that appears is watched from then on, and what is in it already is told as created: some of it
/// may be told twice. Holds a bounded number of watches; what is beyond is told as an overflow.
final class FileWatch {
    private let inotify: Descriptor
    private let recursive: Bool
    private let progress: () -> Void
    /// Paths of watched directories from the top, by the kernel's numbers for them.
    private var paths: [Int32: [UInt8]] = [:]
    private let top: Int32
    /// What is watched, by name and as it was then. It isn't held open: its removal would not be told.
    private let path: String
    private let identity: (device: dev_t, inode: ino_t)
    private let isDirectory: Bool
    private var buffer = [UInt8](repeating: 0, count: 64 * 1024)
    /// A name that something was moved away from, until it is known where to.
    private var moved: (cookie: UInt32, path: [UInt8], isDirectory: Bool)?
    /// What is still to be told.
    private(set) var changes: [FileChange] = []
    /// The most that is taken at once in bytes of paths, of which each is far shorter: a message holds them.
    private static let takenBytes = 512 << 10
    /// Whether what was watched is no more.
    private(set) var isOver = false

    private static let events = UInt32(
        IN_CREATE | IN_DELETE | IN_MODIFY | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF)
    /// Throws `over_budget` when there are too many directories.
    init(_ request: WatchFiles, progress: @escaping () -> Void) throws(Fault) {
        let raw = inotify_init1(Int32(O_NONBLOCK | O_CLOEXEC))
        guard raw >= 0 else { throw errno == EMFILE ? Fault(.overBudget, note: "watches") : Fault(errno: errno) }
        inotify = Descriptor(owning: raw)
        recursive = request.recursive
        path = request.path
        self.progress = progress
        let handle = try Descriptor.open(AT_FDCWD, path, cordon_o_path)
        var status = stat()
        guard fstat(handle.raw, &status) == 0 else { throw Fault(errno: errno) }
        identity = (status.st_dev, status.st_ino)
        isDirectory = FileAttributes(status).kind == .directory
        top = inotify_add_watch(raw, "/proc/self/fd/\(handle.raw)", Self.events)
        guard top >= 0 else { throw Self.fault() }
        paths[top] = []
        if recursive, isDirectory { try watch(beneath: [], telling: false) }
    }

    var descriptor: Int32 { inotify.raw }

    private static func fault() -> Fault {
        errno == ENOSPC ? Fault(.overBudget, note: "the sandbox's watches") : Fault(errno: errno)
    }

    /// Gives what is to be told, at most `count` of it.
    func take(_ count: Int) -> [FileChange] {
        var bytes = 0
        let taken = changes.prefix(count).prefix { change in
            bytes += change.path.count + (change.newPath?.count ?? 0)
            return bytes <= Self.takenBytes
        }
        defer { changes.removeFirst(taken.count) }
        return Array(taken)
    }

    // MARK: Watches

    /// Watches the directories beneath a directory, and tells what is there when it is new.
    private func watch(beneath path: [UInt8], telling: Bool) throws(Fault) {
        let root = try Descriptor.open(AT_FDCWD, self.path, cordon_o_path)
        var status = stat()
        guard fstat(root.raw, &status) == 0, (status.st_dev, status.st_ino) == identity else { return }
        var left = [path]
        while let path = left.popLast() {
            progress()
            let resolve = CORDON_RESOLVE_BENEATH | CORDON_RESOLVE_NO_SYMLINKS | CORDON_RESOLVE_NO_MAGICLINKS
            let flags = UInt64(UInt32(bitPattern: O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC))
            let raw = cordon_openat2(root.raw, path.terminated, flags, 0, UInt64(resolve))
            // Gone, or another thing, or not for this user to see.
            guard raw >= 0 else { continue }
            let directory = Descriptor(owning: raw)
            if !path.isEmpty {
                guard paths.count < WatchFiles.mostDirectories else {
                    throw Fault(.overBudget, note: "more than \(WatchFiles.mostDirectories) directories")
                }
                // The descriptor is a link of the kernel's: this very directory.
                let number = inotify_add_watch(inotify.raw, "/proc/self/fd/\(raw)", Self.events)
                guard number >= 0 else { throw Self.fault() }
                paths[number] = path
            }
            let listing = DirectoryBuffer()
            while try listing.read(from: directory.raw) {
                for entry in listing {
                    let name = UnsafeBufferPointer(start: entry.name, count: strlen(entry.name))
                        .map { UInt8(bitPattern: $0) }
                    let child = join(path, name)
                    let isDirectory = entry.type == 4
                    if telling { tell(FileChange(.created, path: child, isDirectory: isDirectory)) }
                    if isDirectory { left.append(child) }
                }
            }
        }
    }

    private func join(_ path: [UInt8], _ name: [UInt8]) -> [UInt8] {
        path.isEmpty ? name : path + [UInt8(ascii: "/")] + name
    }

    private func begin(_ path: [UInt8], telling: Bool) {
        guard recursive else { return }
        do { try watch(beneath: path, telling: telling) } catch { tell(FileChange(.overflow, path: path)) }
    }

    private func isBeneath(_ path: [UInt8], _ top: [UInt8]) -> Bool {
        path == top || path.starts(with: top + [UInt8(ascii: "/")])
    }

    private func forget(_ path: [UInt8]) {
        for (number, watched) in paths where number != top && isBeneath(watched, path) {
            inotify_rm_watch(inotify.raw, number)
            paths[number] = nil
        }
    }

    private func rename(_ path: [UInt8], _ newPath: [UInt8]) {
        for (number, watched) in paths where isBeneath(watched, path) {
            paths[number] = newPath + watched.dropFirst(path.count)
        }
    }

    // MARK: Events

    /// Takes what has happened; without anything, what was moved away has gone elsewhere.
    func read() throws(Fault) {
        let count = Glibc.read(inotify.raw, &buffer, buffer.count)
        guard count > 0 else {
            guard count < 0, errno == EAGAIN || errno == EINTR else { throw Fault(errno: errno) }
            return settle()
        }
        var offset = 0
        while offset + 16 <= count {
            // struct inotify_event: wd i32, mask u32, cookie u32, len u32, name.
            let (number, mask, cookie, length) = buffer.withUnsafeBytes {
                (
                    $0.loadUnaligned(fromByteOffset: offset, as: Int32.self),
                    $0.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self),
                    $0.loadUnaligned(fromByteOffset: offset + 8, as: UInt32.self),
                    Int($0.loadUnaligned(fromByteOffset: offset + 12, as: UInt32.self))
                )
            }
            let name = Array(buffer[(offset + 16)..<(offset + 16 + length)].prefix { $0 != 0 })
            offset += 16 + length
            take(number, mask, cookie, name)
        }
    }

    /// Whether something waits for its other half.
    var isUnsettled: Bool { moved != nil }

    private func settle() {
        guard let away = moved else { return }
        moved = nil
        if away.isDirectory { forget(away.path) }
        tell(FileChange(.movedOut, path: away.path, isDirectory: away.isDirectory))
    }

    private func take(_ number: Int32, _ mask: UInt32, _ cookie: UInt32, _ name: [UInt8]) {
        func has(_ bit: Int32) -> Bool { mask & UInt32(bitPattern: bit) != 0 }
        if has(Int32(IN_Q_OVERFLOW)) { return recover() }
        if has(Int32(IN_IGNORED)) {
            if number == top { isOver = true }
            paths[number] = nil
            return
        }
        guard let directory = paths[number] else { return }
        let isDirectory = mask & 0x4000_0000 != 0
        if number == top, name.isEmpty, has(Int32(IN_DELETE_SELF)) || has(Int32(IN_MOVE_SELF)) { return end() }
        // Of a directory beneath, the one above tells.
        guard !name.isEmpty || number == top else { return }
        let path = join(directory, name)
        if has(Int32(IN_MOVED_TO)), let away = moved, away.cookie == cookie {
            moved = nil
            if isDirectory { rename(away.path, path) }
            return tell(FileChange(.renamed, path: away.path, newPath: path, isDirectory: isDirectory))
        }
        settle()
        if has(Int32(IN_MOVED_FROM)) {
            moved = (cookie, path, isDirectory)
        } else if has(Int32(IN_CREATE)) || has(Int32(IN_MOVED_TO)) {
            let kind: FileChange.Kind = has(Int32(IN_CREATE)) ? .created : .movedIn
            tell(FileChange(kind, path: path, isDirectory: isDirectory))
            if isDirectory { begin(path, telling: true) }
        } else if has(Int32(IN_DELETE)) {
            tell(FileChange(.removed, path: path, isDirectory: isDirectory))
        } else if has(Int32(IN_MODIFY)) || has(Int32(IN_ATTRIB)) {
            tell(FileChange(.modified, path: path, isDirectory: isDirectory))
        }
    }

    /// Events are lost: the end may be one of them, or directories that are to be watched.
    private func recover() {
        tell(FileChange(.overflow))
        var status = stat()
        guard stat(path, &status) == 0, (status.st_dev, status.st_ino) == identity else { return end() }
        guard isDirectory else { return }
        paths = [top: []]
        begin([], telling: false)
    }

    private func end() {
        settle()
        tell(FileChange(.removed, isDirectory: isDirectory))
        isOver = true
    }

    /// What is told again and again is told once.
    private func tell(_ change: FileChange) {
        guard change.path.count <= FilePath.maximumBytes, change.newPath?.count ?? 0 <= FilePath.maximumBytes,
            changes.last != change
        else { return }
        // A tree that appears at once may be larger than anybody wants to hear.
        if changes.count == 100_000 { changes = [FileChange(.overflow)] }
        changes.append(change)
    }
}
