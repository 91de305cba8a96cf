import CLinux
import Glibc

/// Removes trees that a sandbox made: names, depth and number of entries are hostile.
///
/// No link is followed, no other mount entered, and no more than a fixed number of directories is
/// open at a time: what lies deeper is moved up first. Names are bytes: a guest's need not be UTF-8.
/// Whoever is killed in between has made progress, and left nothing outside the tree.
public struct TreeRemoval {
    private static let deepest = 64
    private static let isDirectory: UInt8 = 4

    private let parent: Directory
    private let progress: () -> Void
    /// The tree's own top, where what lies too deep is moved to; -1 outside of `remove`.
    private var top: Int32 = -1
    private var moved = 0

    /// Removal of children of `parent`. Whoever else can write to it can keep this busy, and no more.
    /// `progress` is called now and then while it goes on.
    public init(in parent: Directory, progress: @escaping () -> Void = {}) {
        self.parent = parent
        self.progress = progress
    }

    /// Removes the child and everything below it; fine when it isn't there.
    public mutating func remove(_ child: String) throws(SystemCallError) { try remove(Array(child.utf8CString)) }

    /// Removes a child whose name is no text of ours: bytes and a NUL.
    public mutating func remove(_ name: [CChar]) throws(SystemCallError) {
        defer { top = -1 }
        if unlinkat(parent.raw, name, 0) == 0 || errno == ENOENT { return }
        guard errno == EISDIR || errno == EPERM else { throw SystemCallError("unlink", "a tree") }
        try removeDirectory(name, in: parent.raw, depth: 0)
    }

    private mutating func removeDirectory(
        _ name: UnsafePointer<CChar>, in directory: Int32, depth: Int
    ) throws(SystemCallError) {
        let flags = UInt64(O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        let resolve = UInt64(CORDON_RESOLVE_BENEATH | CORDON_RESOLVE_NO_SYMLINKS | CORDON_RESOLVE_NO_XDEV)
        let raw = cordon_openat2(directory, name, flags, 0, resolve)
        if raw < 0 && errno == ENOENT { return }
        let opened = Descriptor(owning: try check(raw, "openat2", "a directory \(depth) deep"))
        if depth == 0 { top = opened.raw }
        while true {
            let removed = try empty(opened.raw, depth: depth)
            if unlinkat(directory, name, AT_REMOVEDIR) == 0 || errno == ENOENT { return }
            // What was moved up meanwhile takes another round.
            guard removed > 0, errno == ENOTEMPTY || errno == EEXIST else {
                throw SystemCallError("rmdir", "a directory \(depth) deep")
            }
        }
    }

    /// Removes what one reading of the directory shows, piece by piece: there may be millions of
    /// entries. The number that it saw.
    private mutating func empty(_ directory: Int32, depth: Int) throws(SystemCallError) -> Int {
        var seen = 0
        let buffer = DirectoryBuffer()
        try check(lseek(directory, 0, SEEK_SET), "lseek")
        while try buffer.fill(from: directory) {
            progress()
            for entry in buffer {
                seen += 1
                try remove(entry, from: directory, depth: depth)
            }
        }
        return seen
    }

    private mutating func remove(
        _ entry: DirectoryBuffer.Entry, from directory: Int32, depth: Int
    ) throws(SystemCallError) {
        if entry.type != Self.isDirectory {
            if unlinkat(directory, entry.name, 0) == 0 || errno == ENOENT { return }
            // Some file systems don't tell the type.
            guard errno == EISDIR || errno == EPERM else { throw SystemCallError("unlink", "an entry \(depth) deep") }
        }
        if depth + 1 < Self.deepest {
            try removeDirectory(entry.name, in: directory, depth: depth + 1)
            return
        }
        repeat {
            moved += 1
            if cordon_rename_noreplace(directory, entry.name, top, ".deep-\(moved)") == 0 { return }
        } while errno == EEXIST
        throw SystemCallError("rename", "a directory \(depth) deep")
    }
}
