import CLinux
import Glibc

/// Tells what overlayfs' writable layer, or a copy of one, holds: every name that was written or taken away, as what it
/// means to whoever looks at the merged tree. The tree is hostile, and may change meanwhile.
public struct LayerWalk {
    /// What a name stands for.
    public enum Kind: UInt8 {
        /// Anything but a directory; a whiteout too.
        case entry = 1
        case directory = 2
        /// A directory that hides what lies below it, or that was brought here from elsewhere.
        case replaced = 3
    }

    private static let hidingMarks = ["trusted.overlay.opaque", "trusted.overlay.redirect"]
    private static let longestPath = 65_536

    private let tell: (_ path: [UInt8], Kind) throws -> Void

    /// - Parameter tell: Hears of each path, from the tree's top and without a slash before it; a directory comes before
    ///   what is in it.
    public init(_ tell: @escaping (_ path: [UInt8], Kind) throws -> Void) { self.tell = tell }

    /// Walks everything below an open directory, with `prefix` before each path.
    public func walk(_ directory: Int32, below prefix: [UInt8] = []) throws {
        try walk(directory, path: prefix, depth: 0)
    }

    private func walk(_ directory: Int32, path parent: [UInt8], depth: Int) throws {
        guard depth < 2 * TreeCopy.deepest, parent.count < Self.longestPath else {
            throw SystemCallError("walk", "directories lie more than \(2 * TreeCopy.deepest) deep", errno: ELOOP)
        }
        let buffer = DirectoryBuffer()
        while try buffer.fill(from: directory) {
            for entry in buffer { try visit(entry.name, in: directory, path: parent, depth: depth) }
        }
    }

    private func visit(_ name: UnsafePointer<CChar>, in directory: Int32, path parent: [UInt8], depth: Int) throws {
        let path =
            parent + (parent.isEmpty ? [] : [UInt8(ascii: "/")])
            + UnsafeBufferPointer(start: name, count: strlen(name)).map { UInt8(bitPattern: $0) }
        let raw = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard raw >= 0 else {
            // Gone since it was listed, or no directory: its name was touched all the same.
            guard errno == ENOTDIR || errno == ELOOP || errno == ENOENT else {
                throw SystemCallError("open", String(decoding: path.prefix(256), as: UTF8.self))
            }
            return try tell(path, .entry)
        }
        let child = Descriptor(owning: raw)
        try tell(path, Self.hides(child.raw) ? .replaced : .directory)
        try walk(child.raw, path: path, depth: depth + 1)
    }

    static func hides(_ directory: Int32) -> Bool {
        hidingMarks.contains { cordon_get_attribute(directory, $0, nil, 0) > 0 }
    }
}
