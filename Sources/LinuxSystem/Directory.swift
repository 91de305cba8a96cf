import CLinux
import Glibc

/// A directory held open; names below it are resolved against it, never against a path that
/// somebody could change.
public final class Directory: Sendable {
    private let descriptor: Descriptor
    /// How it was named, for messages.
    public let name: String

    /// Takes over an open directory descriptor.
    public init(owning descriptor: consuming Descriptor, name: String) {
        self.descriptor = descriptor
        self.name = name
    }

    /// Opens the directory at `path`.
    public convenience init(path: String) throws(SystemCallError) {
        let raw = try check(cordon_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0), "open", path)
        self.init(owning: Descriptor(owning: raw), name: path)
    }

    public var raw: Int32 { descriptor.raw }

    /// A second descriptor of it, which the caller owns.
    public func descriptorCopy() throws(SystemCallError) -> Descriptor { try descriptor.duplicated() }

    /// A path to this directory that works whatever its real path's length (proc(5)).
    public var procPath: String { "/proc/self/fd/\(raw)" }

    private func shown(_ child: String) -> String { "\(name)/\(child)" }

    /// Opens a directory below this one; no component may be a symbolic link.
    public func directory(_ child: String) throws(SystemCallError) -> Directory {
        let raw = try check(
            cordon_openat2(
                self.raw, child, UInt64(O_RDONLY | O_DIRECTORY), 0,
                UInt64(CORDON_RESOLVE_BENEATH | CORDON_RESOLVE_NO_SYMLINKS)),
            "openat2", shown(child))
        return Directory(owning: Descriptor(owning: raw), name: shown(child))
    }

    /// Opens a file below this one; no component may be a symbolic link.
    public func open(_ child: String, _ flags: Int32, mode: UInt64 = 0) throws(SystemCallError) -> Descriptor {
        let raw = try check(
            cordon_openat2(
                self.raw, child, UInt64(flags), mode,
                UInt64(CORDON_RESOLVE_BENEATH | CORDON_RESOLVE_NO_SYMLINKS)),
            "openat2", shown(child))
        return Descriptor(owning: raw)
    }

    /// Makes a directory; fine when it is there already.
    @discardableResult
    public func make(_ child: String, mode: mode_t = 0o700) throws(SystemCallError) -> Directory {
        if mkdirat(raw, child, mode) < 0 && errno != EEXIST { throw SystemCallError("mkdir", shown(child)) }
        return try directory(child)
    }

    /// Makes a directory that must not be there yet.
    public func makeNew(_ child: String, mode: mode_t = 0o700) throws(SystemCallError) {
        try check(mkdirat(raw, child, mode), "mkdir", shown(child))
    }

    public func exists(_ child: String) -> Bool {
        faccessat(raw, child, F_OK, AT_SYMLINK_NOFOLLOW) == 0
    }

    /// A small file's content, at most `limit` bytes; nil when there is no such file.
    public func read(_ child: String, limit: Int = 1 << 20) throws(SystemCallError) -> [UInt8]? {
        let file: Descriptor
        do {
            file = try open(child, O_RDONLY | O_NONBLOCK)
        } catch {
            if error.errno == ENOENT { return nil }
            throw error
        }
        return try readAll(file.raw, limit: limit, name: shown(child))
    }

    /// Replaces a small file: a reader sees the old content or the new, whenever we are killed.
    /// It survives the death of any process; with `durable`, loss of power too (fsync(2)).
    public func replace(
        _ child: String, with bytes: [UInt8], mode: mode_t = 0o600, durable: Bool = false
    ) throws(SystemCallError) {
        let temporary = ".\(child).new"
        _ = unlinkat(raw, temporary, 0)
        let file = try open(temporary, O_WRONLY | O_CREAT | O_EXCL, mode: UInt64(mode))
        try check(fchmod(file.raw, mode), "fchmod", shown(temporary))
        do {
            try bytes.withUnsafeBytes { buffer in try writeAll(buffer, to: file.raw) }
        } catch let error as SystemCallError {
            throw error
        } catch { throw SystemCallError("write", shown(temporary)) }
        if durable { try check(fsync(file.raw), "fsync", shown(temporary)) }
        try check(renameat(raw, temporary, raw, child), "rename", shown(child))
        if durable { try check(fsync(raw), "fsync", name) }
    }

    public func unlink(_ child: String) throws(SystemCallError) {
        if unlinkat(raw, child, 0) < 0 && errno != ENOENT { throw SystemCallError("unlink", shown(child)) }
    }

    public func removeEmpty(_ child: String) throws(SystemCallError) {
        if unlinkat(raw, child, AT_REMOVEDIR) < 0 && errno != ENOENT { throw SystemCallError("rmdir", shown(child)) }
    }

    /// Moves an entry into another directory under a name that must be free.
    public func move(_ child: String, to other: Directory, as name: String) throws(SystemCallError) {
        try check(cordon_rename_noreplace(raw, child, other.raw, name), "rename", shown(child))
    }

    /// The names in it, without `.` and `..`, in no order.
    public func entries() throws(SystemCallError) -> [String] {
        var names: [String] = []
        try forEachEntry { (name, _) throws(SystemCallError) in names.append(name) }
        return names
    }

    /// Calls `body` with each entry's name and whether it is a directory. For directories of our own:
    /// a name that isn't UTF-8 is none of ours and left out, never repaired into another one's.
    public func forEachEntry(
        _ body: (String, Bool) throws(SystemCallError) -> Void
    ) throws(SystemCallError) {
        let listing = try check(cordon_open(raw, ".", O_RDONLY | O_DIRECTORY, 0), "open", name)
        let descriptor = Descriptor(owning: listing)
        let buffer = DirectoryBuffer()
        while try buffer.fill(from: descriptor.raw) {
            for entry in buffer {
                if let name = String(validatingCString: entry.name) { try body(name, entry.type == 4) }
            }
        }
    }
}

/// Reads a descriptor to its end, at most `limit` bytes.
public func readAll(_ descriptor: Int32, limit: Int = 1 << 20, name: String = "") throws(SystemCallError) -> [UInt8] {
    var result: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 16 * 1024)
    while result.count < limit {
        let count = Glibc.read(descriptor, &buffer, min(buffer.count, limit - result.count))
        if count < 0 && errno == EINTR { continue }
        try check(count, "read", name)
        if count == 0 { break }
        result.append(contentsOf: buffer[..<count])
    }
    return result
}
