import CLinux
import Glibc

/// Makes one layer of several that lie on each other: what they show together over what lies below all of them. Every
/// name in them is hostile.
///
/// Which names they have touched is seen in the layers themselves; what has become of those, in the merged tree. A name
/// that isn't there any more becomes a whiteout; a directory that came from elsewhere, or hides what lies below, is copied
/// whole and hides it, too.
public struct TreeFlattening {
    private var copy: TreeCopy

    public var summary: TreeCopy.Summary { copy.summary }

    /// - Parameter copy: How the merged tree's files are copied, and how much.
    public init(_ copy: TreeCopy) { self.copy = copy }

    /// Fills the empty directory `target` with what `layers` (directories, in any order) show in `merged`.
    public mutating func flatten(_ layers: [Int32], merged: Int32, to target: Int32) throws(SystemCallError) {
        copy.begin(at: target)
        try flatten(layers, merged, target, path: [], depth: 0)
    }

    private mutating func flatten(
        _ layers: [Int32], _ merged: Int32, _ target: Int32, path: [UInt8], depth: Int
    ) throws(SystemCallError) {
        guard depth < TreeCopy.deepest else {
            throw SystemCallError("copy", "directories lie more than \(TreeCopy.deepest) deep", errno: ELOOP)
        }
        for name in try Self.names(in: layers) {
            try visit(name + [0], layers, merged, target, path: path, depth: depth)
        }
        var status = stat()
        try check(fstat(merged, &status), "stat")
        try copy.finish(merged, target, status, String(decoding: path, as: UTF8.self))
    }

    /// Every name that one of them has, once.
    private static func names(in layers: [Int32]) throws(SystemCallError) -> Set<[CChar]> {
        var names: Set<[CChar]> = []
        for layer in layers {
            let buffer = DirectoryBuffer()
            while try buffer.fill(from: layer) {
                for entry in buffer {
                    names.insert(Array(UnsafeBufferPointer(start: entry.name, count: strlen(entry.name))))
                }
            }
        }
        return names
    }

    private mutating func visit(
        _ name: [CChar], _ layers: [Int32], _ merged: Int32, _ target: Int32, path parent: [UInt8], depth: Int
    ) throws(SystemCallError) {
        var status = stat()
        guard fstatat(merged, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
            guard errno == ENOENT else { throw SystemCallError("stat") }
            try check(cordon_make_node(target, name, S_IFCHR), "mknod", "a whiteout")
            return
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            return try copy.copyEntry(name, merged, target, path: parent, depth: depth)
        }
        let below = try Self.directories(name, in: layers)
        guard !below.hidesOthers else {
            try copy.copyEntry(name, merged, target, path: parent, depth: depth)
            let made = try Self.open(target, name)
            try check(cordon_set_attribute(made.raw, "trusted.overlay.opaque", "y", 1), "setxattr", "opaque")
            return
        }
        try check(mkdirat(target, name, 0o700), "mkdir")
        copy.countEntry()
        let from = try Self.open(merged, name)
        let to = try Self.open(target, name)
        let path =
            parent + (parent.isEmpty ? [] : [UInt8(ascii: "/")]) + name.dropLast().map { UInt8(bitPattern: $0) }
        // Open until all in them is done.
        defer { withExtendedLifetime(below.directories) {} }
        try flatten(below.directories.map(\.raw), from.raw, to.raw, path: path, depth: depth + 1)
    }

    private static func open(_ directory: Int32, _ name: [CChar]) throws(SystemCallError) -> Descriptor {
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC
        return Descriptor(owning: try check(openat(directory, name, flags), "open"))
    }

    /// The layers' directories of a name, and whether one of the layers hides, there, what lies below it.
    private static func directories(
        _ name: [CChar], in layers: [Int32]
    ) throws(SystemCallError) -> (directories: [SharedDescriptor], hidesOthers: Bool) {
        var found: [SharedDescriptor] = []
        for layer in layers {
            let raw = openat(layer, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
            guard raw >= 0 else {
                if errno == ENOENT { continue }
                guard errno == ENOTDIR || errno == ELOOP else { throw SystemCallError("open", "a layer's directory") }
                // A whiteout, or something that was no directory then.
                return ([], true)
            }
            let directory = SharedDescriptor(Descriptor(owning: raw))
            if LayerWalk.hides(directory.raw) { return ([], true) }
            found.append(directory)
        }
        return (found, false)
    }
}
