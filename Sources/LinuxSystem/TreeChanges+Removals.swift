import CLinux
import Glibc

/// What the writer has no more.
extension TreeChanges {
    /// Hides an entry that the writer knew and has no more, where there is one now.
    mutating func remove(_ name: [UInt8], _ place: Place, known: TreeStamps?) throws(SystemCallError) {
        try note()
        try name.withCString { (cName) throws(SystemCallError) in
            try hide(
                cName, name, base: place.knownBase, head: place.head, known: known, target: place.target,
                depth: place.depth)
        }
    }

    mutating func hide(
        _ cName: UnsafePointer<CChar>, _ name: [UInt8], base: Int32?, head: Int32?, known: TreeStamps?,
        target: TargetDirectory, depth: Int
    ) throws(SystemCallError) {
        var status = stat()
        guard let head, fstatat(head, cName, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return }
        guard depth < TreeCopy.deepest else { throw SystemCallError("hide", "too deep", errno: ELOOP) }
        if status.isDirectory {
            let oldBase = known?.isOpaque ?? false ? nil : child(cName, of: base)
            defer { withExtendedLifetime(oldBase) {} }
            let oldKnown = known?.kind == .directory ? known : nil
            // What was removed was no directory: the one that is there now is somebody else's.
            if oldBase == nil && oldKnown == nil { return }
            let directory = try copy.open(head, cName, O_RDONLY | O_DIRECTORY, "head")
            if try !isAllKnown(directory.raw, base: oldBase?.raw, known: oldKnown, depth: depth + 1) {
                let inside = TargetDirectory(target, name)
                for child in try names(in: directory.raw) {
                    try child.withCString { (cChild) throws(SystemCallError) in
                        guard isKnown(cChild, child, base: oldBase?.raw, known: oldKnown) else { return }
                        try hide(
                            cChild, child, base: oldBase?.raw, head: directory.raw, known: oldKnown?.children[child],
                            target: inside, depth: depth + 1)
                    }
                }
                if inside.isMade { try copy.finish(directory.raw, try inside.make(), status, "head") }
                return
            }
        } else if known == nil, !exists(cName, in: base) {
            return
        }
        let made = try target.make()
        // Something new may have been put there under another kind: it hides what is below by itself.
        guard fstatat(made, cName, &status, AT_SYMLINK_NOFOLLOW) != 0 else { return }
        try check(cordon_make_node(made, cName, S_IFCHR), "mknod", "whiteout")
        copy.summary.entries += 1
    }

    /// Whether the writer knew all that is in a directory now.
    func isAllKnown(
        _ head: Int32, base: Int32?, known: TreeStamps?, depth: Int
    ) throws(SystemCallError) -> Bool {
        guard depth < TreeCopy.deepest else { throw SystemCallError("hide", "too deep", errno: ELOOP) }
        for name in try names(in: head) {
            let isFine = try name.withCString { (cName) throws(SystemCallError) -> Bool in
                guard isKnown(cName, name, base: base, known: known) else { return false }
                guard let directory = child(cName, of: head) else { return true }
                let old = known?.children[name]
                let oldBase = old?.isOpaque ?? false ? nil : child(cName, of: base)
                defer { withExtendedLifetime((directory, oldBase)) {} }
                guard oldBase != nil || old?.kind == .directory else { return false }
                return try isAllKnown(directory.raw, base: oldBase?.raw, known: old, depth: depth + 1)
            }
            if !isFine { return false }
        }
        return true
    }

    func isKnown(_ cName: UnsafePointer<CChar>, _ name: [UInt8], base: Int32?, known: TreeStamps?) -> Bool {
        if let old = known?.children[name] { return old.kind != .whiteout }
        return exists(cName, in: base)
    }
}
