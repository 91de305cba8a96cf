import CLinux
import Glibc
import LinuxSystem
import ShimProtocol

/// The paths that a layer has made, with all directories above them: as hashes, since there may be millions.
struct WrittenPaths {
    private var hashes: Set<Int> = []

    mutating func insert(_ parent: [UInt8], _ name: [UInt8]) {
        hashes.insert(Self.path(parent, name).hashValue)
        var above = parent[...]
        while !above.isEmpty, hashes.insert(Array(above).hashValue).inserted {
            above = above[..<(above.lastIndex(of: UInt8(ascii: "/")) ?? above.startIndex)]
        }
    }

    func contains(_ path: [UInt8]) -> Bool { hashes.contains(path.hashValue) }

    static func path(_ parent: [UInt8], _ name: [UInt8]) -> [UInt8] {
        parent.isEmpty ? name : parent + [UInt8(ascii: "/")] + name
    }
}

/// Whiteouts of OCI layers (image specification, "Layer Filesystem Changeset"): names that say what isn't there
/// any more of the layers below. What the layer itself has made stays, whichever came first.
extension EntryWriter {
    private static let prefix = Array(".wh.".utf8)
    private static let opaque = Array(".wh..wh..opq".utf8)

    /// Does what a whiteout says; false when the entry isn't one.
    func takeWhiteout(_ path: EntryPath) throws(Fault) -> Bool {
        // What AUFS kept for itself, and all within.
        if path.bytes.split(separator: UInt8(ascii: "/")).contains(where: {
            $0.starts(with: ".wh..wh.".utf8) && !$0.elementsEqual(Self.opaque)
        }) {
            return true
        }
        guard path.name.starts(with: Self.prefix) else { return false }
        guard let parent = try whiteoutParent(path) else { return true }
        if path.name == Self.opaque {
            try removeOthers(in: parent.path)
            return true
        }
        let hidden = Array(path.name.dropFirst(Self.prefix.count))
        guard !hidden.isEmpty, hidden != Array(".".utf8), hidden != Array("..".utf8) else {
            throw Fault.invalidArchive("a whiteout of nothing")
        }
        try remove(hidden, parent)
        return true
    }

    /// nil when there is nothing to hide.
    private func whiteoutParent(_ path: EntryPath) throws(Fault) -> UnpackingTarget.Parent? {
        do {
            guard let parent = try target.parent(of: path) else {
                leftOut.take(path.bytes)
                return nil
            }
            return parent
        } catch {
            guard error.fault == .notFound || error.fault == .notADirectory else { throw error }
            return nil
        }
    }

    private func remove(_ name: [UInt8], _ parent: UnpackingTarget.Parent) throws(Fault) {
        let path = WrittenPaths.path(parent.path, name)
        if written.contains(path) { return try removeOthers(in: path) }
        if try !clear(name.terminated, in: parent.descriptor) { leftOut.take(path) }
    }

    /// Removes all beneath a directory that this layer hasn't made.
    private func removeOthers(in path: [UInt8]) throws(Fault) {
        var left = [path]
        while let path = left.popLast() {
            let directory: Descriptor
            do { directory = try target.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) } catch {
                // Behind a mount, or no directory.
                if case .behindMount = error { leftOut.take(path) }
                continue
            }
            left += try removeOthers(in: directory, path)
        }
    }

    /// Those of its entries that the layer has made: what is in them may be from below.
    private func removeOthers(in directory: borrowing Descriptor, _ path: [UInt8]) throws(Fault) -> [[UInt8]] {
        var kept: [[UInt8]] = []
        let buffer = DirectoryBuffer()
        while try buffer.read(from: directory.raw) {
            progress()
            for entry in buffer {
                let name = UnsafeBufferPointer(start: entry.name, count: strlen(entry.name))
                    .map { UInt8(bitPattern: $0) }
                let child = WrittenPaths.path(path, name)
                if written.contains(child) {
                    kept.append(child)
                } else if try !clear(name.terminated, in: directory.raw) {
                    leftOut.take(child)
                }
            }
        }
        return kept
    }
}
