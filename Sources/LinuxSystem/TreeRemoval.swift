import CLinux
import Glibc

/// Removes trees that a sandbox made: names, depth and number of entries are hostile.
///
/// No link is followed, no other mount entered, and no more than a fixed number of directories is
/// open at a time: what lies deeper is moved up first.
public struct TreeRemoval {
    private static let deepest = 64
    private let parent: Directory
    private var moved = 0

    /// Removal of children of `parent`, a directory that only root can reach.
    public init(in parent: Directory) { self.parent = parent }

    /// Removes the child and everything below it; fine when it isn't there.
    public mutating func remove(_ child: String) throws(SystemCallError) {
        var pending = [child]
        while let next = pending.popLast() {
            if unlinkat(parent.raw, next, 0) == 0 || errno == ENOENT { continue }
            guard errno == EISDIR || errno == EPERM else { throw SystemCallError("unlink", next) }
            try empty(try parent.directory(next), depth: 0, &pending)
            try parent.removeEmpty(next)
        }
    }

    private mutating func empty(_ directory: Directory, depth: Int, _ pending: inout [String]) throws(SystemCallError) {
        var children: [(String, Bool)] = []
        repeat {
            children.removeAll()
            // In portions: a directory may have millions of entries.
            try directory.forEachEntry { (name, isDirectory) in
                if children.count < 4096 { children.append((name, isDirectory)) }
            }
            for (name, isDirectory) in children {
                guard isDirectory else {
                    try directory.unlink(name)
                    continue
                }
                if depth + 1 < Self.deepest {
                    try empty(try directory.directory(name), depth: depth + 1, &pending)
                    try directory.removeEmpty(name)
                } else {
                    moved += 1
                    let place = ".deep-\(getpid())-\(moved)"
                    try check(renameat(directory.raw, name, parent.raw, place), "rename", place)
                    pending.append(place)
                }
            }
        } while children.count == 4096
    }
}
