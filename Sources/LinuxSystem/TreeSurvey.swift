import CLinux
import Glibc

/// Looks through a tree that a sandbox made and nobody writes to any more: counts what is there, and removes sockets
/// and devices, which mean nothing to whoever gets the tree next. Overlayfs' whiteouts stay.
public struct TreeSurvey {
    private static let mostLeftOut = 100
    public private(set) var summary = TreeCopy.Summary()
    private var links: Set<UInt64> = []

    public init() {}

    public mutating func survey(_ directory: Int32) throws(SystemCallError) {
        try survey(directory, path: "", depth: 0)
    }

    private mutating func survey(_ directory: Int32, path: String, depth: Int) throws(SystemCallError) {
        guard depth < 2 * TreeCopy.deepest else {
            throw SystemCallError("survey", "directories lie more than \(2 * TreeCopy.deepest) deep", errno: ELOOP)
        }
        let buffer = DirectoryBuffer()
        while try buffer.fill(from: directory) {
            for entry in buffer {
                var status = stat()
                let shown = path.isEmpty ? String(cString: entry.name) : "\(path)/\(String(cString: entry.name))"
                try check(fstatat(directory, entry.name, &status, AT_SYMLINK_NOFOLLOW), "stat", shown)
                switch status.st_mode & S_IFMT {
                case S_IFDIR:
                    let raw = openat(directory, entry.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                    let child = Descriptor(owning: try check(raw, "open", shown))
                    summary.entries += 1
                    try survey(child.raw, path: shown, depth: depth + 1)
                case S_IFSOCK, S_IFBLK: try leaveOut(entry.name, directory, shown)
                case S_IFCHR where status.st_rdev != 0: try leaveOut(entry.name, directory, shown)
                default:
                    summary.entries += 1
                    if status.st_mode & S_IFMT == S_IFREG, isNew(status) {
                        summary.bytes += UInt64(status.st_blocks) * 512
                    }
                }
            }
        }
    }

    /// Whether a file is met for the first time, by whichever of its names.
    private mutating func isNew(_ status: stat) -> Bool {
        guard status.st_nlink > 1, links.count < 1_000_000 else { return true }
        return links.insert(UInt64(status.st_ino)).inserted
    }

    private mutating func leaveOut(
        _ name: UnsafePointer<CChar>, _ directory: Int32, _ shown: String
    ) throws(SystemCallError) {
        try check(unlinkat(directory, name, 0), "unlink", shown)
        summary.leftOutCount += 1
        if summary.leftOut.count < Self.mostLeftOut { summary.leftOut.append(shown) }
    }
}
