import CLinux
import Glibc

/// Directories that were renamed, which overlayfs marks with where they were (`redirect`).
extension TreeChanges {
    /// Publishes what is seen of another place of the base, but for what the writable layer has of its own, and stamps it
    /// as known.
    mutating func copyMoved(_ place: Place, into stamps: TreeStamps) throws(SystemCallError) {
        guard let moved = place.moved else { return }
        for name in try names(in: moved) where stamps.children[name] == nil {
            try note()
            let target = try place.target.make()
            stamps.children[name] = try name.withCString { (cName) throws(SystemCallError) -> TreeStamps in
                try copy.copyEntry(cName, moved, target, path: place.path, depth: place.depth)
                return try stamp(cName, in: moved)
            }
        }
    }

    /// What is seen under a name, all that is below included.
    private func stamp(_ cName: UnsafePointer<CChar>, in directory: Int32) throws(SystemCallError) -> TreeStamps {
        var status = stat()
        try check(fstatat(directory, cName, &status, AT_SYMLINK_NOFOLLOW), "stat", "base")
        guard status.isDirectory, let inside = child(cName, of: directory) else { return TreeStamps(.leaf, status) }
        defer { withExtendedLifetime(inside) {} }
        let stamps = TreeStamps(.directory, status)
        for name in try names(in: inside.raw) {
            stamps.children[name] = try name.withCString { (cChild) throws(SystemCallError) in
                try stamp(cChild, in: inside.raw)
            }
        }
        return stamps
    }

    /// What a directory of the writable layer lies on: what its `redirect` names, from the top or beside it, or what has
    /// its own name.
    func below(_ cName: UnsafePointer<CChar>, _ redirect: [UInt8]?, of place: Place) -> SharedDescriptor? {
        let parent = place.moved ?? (place.isHidden ? nil : place.base)
        guard let redirect else { return child(cName, of: parent) }
        guard redirect.first == UInt8(ascii: "/") else { return redirect.withCString { child($0, of: parent) } }
        var found: SharedDescriptor?
        for name in redirect.split(separator: UInt8(ascii: "/")) {
            let next = withExtendedLifetime(found) { found in
                Array(name).withCString { child($0, of: found?.raw ?? baseTop) }
            }
            guard let next else { return nil }
            found = next
        }
        return found
    }

    static func redirect(of directory: Int32) -> [UInt8]? {
        var value = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let size = cordon_get_attribute(directory, "trusted.overlay.redirect", &value, value.count)
        return size > 0 ? Array(value[..<size]) : nil
    }
}
