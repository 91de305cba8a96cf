import CLinux
import Glibc

/// Makes one layer of several that lie on nothing: what they show together. Files are given another name, not
/// copied, where the file system can: layers are never written again. Names, depth and numbers are hostile.
public struct TreeMerge {
    private var copy: TreeCopy

    /// A copy, where one is needed, fails with ENOSPC beyond `mostBytes`.
    public init(mostBytes: UInt64 = .max) { copy = TreeCopy(mostBytes: mostBytes, keepsMarks: false) }

    /// What the new layer holds.
    public var summary: TreeCopy.Summary { copy.summary }

    /// Merges open directories, the topmost first, into the empty directory `target`.
    public mutating func merge(_ layers: [Int32], to target: Int32) throws(SystemCallError) {
        copy.begin(at: target)
        try merge(layers, target, path: [], depth: 0)
    }

    private mutating func merge(
        _ layers: [Int32], _ target: Int32, path: [UInt8], depth: Int
    ) throws(SystemCallError) {
        guard depth < TreeCopy.deepest else {
            throw SystemCallError("merge", "directories lie more than \(TreeCopy.deepest) deep", errno: ELOOP)
        }
        var seen: Set<[UInt8]> = []
        for (index, layer) in layers.enumerated() {
            let buffer = DirectoryBuffer()
            while try buffer.fill(from: layer) {
                for entry in buffer {
                    let name = UnsafeBufferPointer(start: entry.name, count: strlen(entry.name)).map {
                        UInt8(bitPattern: $0)
                    }
                    guard seen.insert(name).inserted else { continue }
                    let below = path.isEmpty ? name : path + [UInt8(ascii: "/")] + name
                    try place(entry.name, layers[index...], target, path: below, depth: depth)
                }
            }
        }
        guard let top = layers.first else { return }
        var status = stat()
        let shown = String(decoding: path, as: UTF8.self)
        try check(fstat(top, &status), "stat", shown)
        try copy.finish(top, target, status, shown)
    }

    /// Puts an entry where it is topmost, with what lies below it where it is a directory.
    private mutating func place(
        _ name: UnsafePointer<CChar>, _ layers: ArraySlice<Int32>, _ target: Int32, path: [UInt8], depth: Int
    ) throws(SystemCallError) {
        let shown = String(decoding: path, as: UTF8.self)
        var status = stat()
        guard let top = layers.first else { return }
        try check(fstatat(top, name, &status, AT_SYMLINK_NOFOLLOW), "stat", shown)
        if status.isWhiteout { return }
        guard status.isDirectory else {
            if linkat(top, name, target, name, 0) < 0 {
                return try copy.copyLeaf(name, top, target, status, path)
            }
            copy.summary.entries += 1
            copy.summary.bytes += UInt64(status.st_blocks) * 512
            return
        }
        var directories: [SharedDescriptor] = []
        for layer in layers {
            var below = stat()
            if fstatat(layer, name, &below, AT_SYMLINK_NOFOLLOW) < 0 {
                guard errno == ENOENT else { throw SystemCallError("stat", shown) }
                continue
            }
            guard below.isDirectory else { break }
            directories.append(SharedDescriptor(try copy.open(layer, name, O_RDONLY | O_DIRECTORY, shown)))
        }
        copy.summary.entries += 1
        try check(mkdirat(target, name, 0o700), "mkdir", shown)
        let made = try copy.open(target, name, O_RDONLY | O_DIRECTORY, shown)
        defer { withExtendedLifetime(directories) {} }
        try merge(directories.map(\.raw), made.raw, path: path, depth: depth + 1)
    }
}
