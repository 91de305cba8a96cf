import CLinux
import Glibc

/// Copies trees that a sandbox made: names, depth, links, numbers and sizes are hostile.
///
/// Owner, mode, times, extended attributes and ACLs, hard links, holes and FIFOs survive; sockets and devices are
/// left out and counted; of another file system that is mounted in the tree, its empty directory is left, unless it is an
/// overlay too. The marks of overlayfs (whiteouts, opaque and renamed directories) are copied as they are,
/// so that a copy of a writable layer means what the layer means. No link is followed, and no name but an entry's
/// own is ever resolved.
public struct TreeCopy {
    /// What was copied.
    public struct Summary {
        public var bytes: UInt64 = 0
        public var entries: UInt64 = 0
        /// Paths of the first hundred sockets and devices.
        public var leftOut: [String] = []
        public var leftOutCount: UInt64 = 0

        public init() {}
    }

    /// How deep directories may lie: each level holds two of them open.
    public static let deepest = 2000
    private static let mostLeftOut = 100
    private static let mostLinks = 1_000_000
    private static let piece = 64 << 20
    private static let overlayMarks: Set<String> = ["trusted.overlay.opaque", "trusted.overlay.redirect"]

    /// What is taken from every owner's id: 0 for a tree that is stored with a sandbox's own ids.
    private let idOffset: UInt32
    private let mostBytes: UInt64
    /// Whether overlayfs' marks of directories are copied.
    private let keepsMarks: Bool
    public internal(set) var summary = Summary()
    private var links: [Inode: [UInt8]] = [:]
    private var target: Int32 = -1

    private struct Inode: Hashable {
        let device: UInt64
        let number: UInt64
    }

    /// A copy fails with ENOSPC beyond `mostBytes`.
    public init(idOffset: UInt32 = 0, mostBytes: UInt64 = .max, keepsMarks: Bool = true) {
        self.idOffset = idOffset
        self.mostBytes = mostBytes
        self.keepsMarks = keepsMarks
    }

    /// Begins a copy that is made entry by entry, below `target`.
    mutating func begin(at target: Int32) {
        self.target = target
        links = [:]
    }

    /// Copies everything below `source`, and that directory's own attributes, into the empty directory `target`.
    public mutating func copy(_ source: Int32, to target: Int32) throws(SystemCallError) {
        begin(at: target)
        try copyDirectory(source, target, path: [], depth: 0)
    }

    mutating func countEntry() { summary.entries += 1 }

    private mutating func copyDirectory(
        _ source: Int32, _ target: Int32, path: [UInt8], depth: Int
    ) throws(SystemCallError) {
        guard depth < Self.deepest else {
            throw SystemCallError("copy", "directories lie more than \(Self.deepest) deep", errno: ELOOP)
        }
        var status = stat()
        let shown = String(decoding: path, as: UTF8.self)
        try check(fstat(source, &status), "stat", shown)
        let buffer = DirectoryBuffer()
        while try buffer.fill(from: source) {
            for entry in buffer { try copyEntry(entry.name, source, target, path: path, depth: depth) }
        }
        // Last: what was made inside has changed its times, and the mode may forbid making anything.
        try finish(source, target, status, shown)
    }

    mutating func copyEntry(
        _ name: UnsafePointer<CChar>, _ source: Int32, _ target: Int32, path parent: [UInt8], depth: Int
    ) throws(SystemCallError) {
        let path =
            parent + (parent.isEmpty ? [] : [UInt8(ascii: "/")])
            + UnsafeBufferPointer(start: name, count: strlen(name)).map { UInt8(bitPattern: $0) }
        let shown = String(decoding: path, as: UTF8.self)
        var status = stat()
        try check(fstatat(source, name, &status, AT_SYMLINK_NOFOLLOW), "stat", shown)
        let kind = status.st_mode & S_IFMT
        if kind == S_IFDIR {
            summary.entries += 1
            let from = try open(source, name, O_RDONLY | O_DIRECTORY, shown)
            try check(mkdirat(target, name, 0o700), "mkdir", shown)
            let to = try open(target, name, O_RDONLY | O_DIRECTORY, shown)
            // What the kernel shows there isn't the sandbox's.
            if cordon_mount_id(from.raw, "") != 0, !cordon_is_overlay(from.raw) {
                try finish(from.raw, to.raw, status, shown)
                return
            }
            try copyDirectory(from.raw, to.raw, path: path, depth: depth + 1)
        } else {
            try copyLeaf(name, source, target, status, path)
        }
    }

    /// Copies what isn't a directory.
    mutating func copyLeaf(
        _ name: UnsafePointer<CChar>, _ source: Int32, _ target: Int32, _ status: stat, _ path: [UInt8]
    ) throws(SystemCallError) {
        let shown = String(decoding: path, as: UTF8.self)
        let kind = status.st_mode & S_IFMT
        let isWhiteout = status.isWhiteout
        guard status.isKept else {
            summary.leftOutCount += 1
            if summary.leftOut.count < Self.mostLeftOut { summary.leftOut.append(shown) }
            return
        }
        summary.entries += 1
        switch kind {
        case S_IFREG:
            if status.st_nlink > 1, try link(status, target, name, path) { return }
            try copyFile(source, target, name, status, shown)
            return
        case S_IFLNK:
            var text = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
            try check(readlinkat(source, name, &text, Int(PATH_MAX)), "readlink", shown)
            try check(symlinkat(text, target, name), "symlink", shown)
        default:
            // A FIFO, or a whiteout.
            try check(cordon_make_node(target, name, isWhiteout ? S_IFCHR : S_IFIFO | 0o600), "mknod", shown)
        }
        try check(
            fchownat(target, name, owner(status.st_uid), owner(status.st_gid), AT_SYMLINK_NOFOLLOW), "chown", shown)
        if kind == S_IFIFO { try check(fchmodat(target, name, status.st_mode & 0o7777, 0), "chmod", shown) }
        var times = (status.st_atim, status.st_mtim)
        let set = withUnsafePointer(to: &times) {
            $0.withMemoryRebound(to: timespec.self, capacity: 2) { utimensat(target, name, $0, AT_SYMLINK_NOFOLLOW) }
        }
        try check(set, "utimens", shown)
    }

    func open(
        _ directory: Int32, _ name: UnsafePointer<CChar>, _ flags: Int32, _ shown: String
    ) throws(SystemCallError) -> Descriptor {
        let raw = openat(directory, name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0o600)
        return Descriptor(owning: try check(raw, "open", shown))
    }

    /// Makes another name of a file that was copied already. False for its first name.
    private mutating func link(
        _ status: stat, _ target: Int32, _ name: UnsafePointer<CChar>, _ path: [UInt8]
    ) throws(SystemCallError) -> Bool {
        let inode = Inode(device: UInt64(status.st_dev), number: UInt64(status.st_ino))
        if let first = links[inode] {
            let first = first.map { CChar(bitPattern: $0) } + [0]
            if linkat(self.target, first, target, name, 0) == 0 { return true }
        }
        // A path of more than 4,095 bytes can't be found again: the file is copied once more.
        if links.count < Self.mostLinks { links[inode] = path }
        return false
    }

    // MARK: Files

    private mutating func copyFile(
        _ source: Int32, _ target: Int32, _ name: UnsafePointer<CChar>, _ status: stat, _ shown: String
    ) throws(SystemCallError) {
        summary.bytes += UInt64(status.st_blocks) * 512
        guard summary.bytes <= mostBytes else { throw SystemCallError("copy", shown, errno: ENOSPC) }
        let from = try open(source, name, O_RDONLY, shown)
        let to = try open(target, name, O_WRONLY | O_CREAT | O_EXCL, shown)
        let size = off_t(status.st_size)
        if size > 0 {
            if cordon_clone_file(from.raw, to.raw) < 0 { try copyContent(from.raw, to.raw, size, shown) }
        }
        try finish(from.raw, to.raw, status, shown)
    }

    private func copyContent(_ from: Int32, _ to: Int32, _ size: off_t, _ shown: String) throws(SystemCallError) {
        if try copyData(from, to, size, shown) < size { try check(ftruncate(to, size), "truncate", shown) }
    }

    /// Copies data where there is some: a hole stays one. Answers where the last ended.
    private func copyData(
        _ from: Int32, _ to: Int32, _ size: off_t, _ shown: String
    ) throws(SystemCallError) -> off_t {
        var (offset, written): (off_t, off_t) = (0, 0)
        while offset < size {
            let data = cordon_next_data(from, offset)
            if data < 0 && errno == ENXIO { break }
            offset = try check(data, "lseek", shown)
            let end = min(size, try check(cordon_next_hole(from, offset), "lseek", shown))
            while offset < end {
                var count = cordon_copy_range(from, offset, to, min(Self.piece, Int(end - offset)))
                if count < 0 && errno == EINTR { continue }
                if count < 0 && (errno == EXDEV || errno == EOPNOTSUPP || errno == EINVAL) {
                    count = try copyPiece(from, to, offset, end, shown)
                }
                try check(count, "copy_file_range", shown)
                // It became shorter meanwhile: what is left is a hole.
                if count == 0 { return written }
                offset += off_t(count)
                written = offset
            }
        }
        return written
    }

    private func copyPiece(
        _ from: Int32, _ to: Int32, _ offset: off_t, _ end: off_t, _ shown: String
    ) throws(SystemCallError) -> Int {
        var bytes = [UInt8](repeating: 0, count: Int(min(1 << 20, end - offset)))
        let count = try check(pread(from, &bytes, bytes.count, offset), "read", shown)
        var written = 0
        while written < count {
            let more = bytes.withUnsafeBytes {
                pwrite(to, $0.baseAddress.map { $0 + written }, count - written, offset + off_t(written))
            }
            written += try check(more, "write", shown)
        }
        return count
    }

    // MARK: Attributes

    private func owner(_ id: UInt32) -> UInt32 {
        guard idOffset > 0 else { return id }
        return id >= idOffset && id - idOffset < 65_536 ? id - idOffset : 65_534
    }

    /// In this order: a change of owner clears bits of the mode, and file capabilities (chown(2)).
    func finish(_ source: Int32, _ target: Int32, _ status: stat, _ shown: String) throws(SystemCallError) {
        try check(fchown(target, owner(status.st_uid), owner(status.st_gid)), "chown", shown)
        try check(fchmod(target, status.st_mode & 0o7777), "chmod", shown)
        try copyAttributes(source, target, shown)
        var times = (status.st_atim, status.st_mtim)
        let set = withUnsafePointer(to: &times) {
            $0.withMemoryRebound(to: timespec.self, capacity: 2) { futimens(target, $0) }
        }
        try check(set, "utimens", shown)
    }

    private func copyAttributes(_ source: Int32, _ target: Int32, _ shown: String) throws(SystemCallError) {
        var names = [CChar](repeating: 0, count: 1024)
        var length = cordon_list_attributes(source, &names, names.count)
        if length < 0 && errno == ERANGE {
            names = [CChar](repeating: 0, count: 65_536)
            length = cordon_list_attributes(source, &names, names.count)
        }
        if length == 0 || (length < 0 && errno == EOPNOTSUPP) { return }
        try check(length, "listxattr", shown)
        for name in names[..<length].split(separator: 0) {
            let text = String(decoding: name.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            guard isCopied(text) else { continue }
            var value = [UInt8](repeating: 0, count: 65_536)
            let size = cordon_get_attribute(source, text, &value, value.count)
            if size < 0 && (errno == ENODATA || errno == EOPNOTSUPP) { continue }
            try check(size, "getxattr", shown)
            if idOffset > 0 { mapIDs(in: &value, size, of: text) }
            try check(cordon_set_attribute(target, text, value, size), "setxattr", "\(text) of \(shown)")
        }
    }

    /// Owners stand in some attributes' values too.
    private func mapIDs(in value: inout [UInt8], _ size: Int, of name: String) {
        func map(at offset: Int) {
            let id = (0..<4).reduce(UInt32(0)) { $0 | UInt32(value[offset + $1]) << UInt32(8 * $1) }
            for index in 0..<4 { value[offset + index] = UInt8(truncatingIfNeeded: owner(id) >> UInt32(8 * index)) }
        }
        if name == "security.capability" {
            // struct vfs_ns_cap_data (revision 3): the root of the namespace that it holds in comes last.
            if size == 24, value[3] == 3 { map(at: 20) }
        } else if name.hasPrefix("system.posix_acl_") {
            // struct posix_acl_xattr_header and entries: a tag, permissions, and an id for ACL_USER and ACL_GROUP.
            for entry in stride(from: 4, to: size - 7, by: 8) where value[entry] == 0x02 || value[entry] == 0x08 {
                map(at: entry + 4)
            }
        }
    }

    private func isCopied(_ name: String) -> Bool {
        name.hasPrefix("user.") || name == "security.capability" || name.hasPrefix("system.posix_acl_")
            || (keepsMarks && Self.overlayMarks.contains(name))
    }
}

extension stat {
    /// Whether it is overlayfs' mark of something that isn't there any more.
    var isWhiteout: Bool { st_mode & S_IFMT == S_IFCHR && st_rdev == 0 }

    var isDirectory: Bool { st_mode & S_IFMT == S_IFDIR }

    /// Whether it means anything to whoever gets the tree next: not so sockets and devices.
    var isKept: Bool {
        switch st_mode & S_IFMT {
        case S_IFSOCK, S_IFBLK: false
        case S_IFCHR: isWhiteout
        default: true
        }
    }
}
