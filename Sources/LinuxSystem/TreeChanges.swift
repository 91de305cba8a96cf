import CLinux
import Glibc

/// Makes a layer of what was written to an overlay's writable layer since it was last looked at, so that whoever lays it
/// over something newer gets these changes and nothing else.
///
/// Files that are new or have changed are copied whole. What was removed becomes a whiteout for each entry that the
/// writer knew: a directory that was removed, or removed and made again, hides nothing that others have added to
/// it meanwhile. The layer holds no opaque directories. Names, depth, numbers and sizes are hostile, as in `TreeCopy`.
public struct TreeChanges {
    /// The trees that are compared, each an open directory.
    public struct Trees {
        /// The writable layer.
        public var upper: Int32
        /// What it lies on, as it is seen; nil for nothing.
        public var base: Int32?
        /// What the layer will be laid over, as it is seen; nil for nothing.
        public var head: Int32?

        public init(upper: Int32, base: Int32?, head: Int32?) {
            self.upper = upper
            self.base = base
            self.head = head
        }
    }

    /// Something has changed: thrown where only that was asked.
    private static let changed = SystemCallError("compare", "changed", errno: EEXIST)

    private let known: TreeStamps?
    var copy: TreeCopy
    /// The top of what the writable layer lies on.
    var baseTop: Int32?
    private var isComparing = false
    /// Whether there were any changes: such as others have made too put nothing into the layer.
    public private(set) var isChanged = false

    /// - Parameter known: What the writable layer held when it was last looked at; nil for nothing.
    public init(since known: TreeStamps?, mostBytes: UInt64 = .max) {
        self.known = known
        copy = TreeCopy(mostBytes: mostBytes, keepsMarks: false)
    }

    /// What was put into the layer; its directories aren't counted where they only lead to something.
    public var summary: TreeCopy.Summary { copy.summary }

    /// Puts the changes into the empty directory `target`; answers what the writable layer holds now.
    public mutating func make(of trees: Trees, at target: Int32) throws(SystemCallError) -> TreeStamps {
        copy.begin(at: target)
        return try compare(trees, target: TargetDirectory(target))
    }

    /// Whether there are any; what is written meanwhile may be missed or not.
    public mutating func areThere(in trees: Trees) -> Bool {
        isComparing = true
        do {
            _ = try compare(trees, target: TargetDirectory(-1))
            return isChanged
        } catch { return true }
    }

    mutating func compare(_ trees: Trees, target: TargetDirectory) throws(SystemCallError) -> TreeStamps {
        baseTop = trees.base
        let place = Place(trees, known: known, isHidden: false, target: target, path: [], depth: 0)
        var status = stat()
        try check(fstat(trees.upper, &status), "stat", "/")
        if try hasNewAttributes(status, place) { try note() }
        return try directory(place, status)
    }

    // MARK: Directories

    /// One directory in all trees.
    struct Place {
        var upper: Int32
        var base: Int32?
        var head: Int32?
        var known: TreeStamps?
        /// Whether the base can't be seen here.
        var isHidden: Bool
        /// What is seen here of another place of the base, and never was before: a directory that was renamed.
        var moved: Int32?
        var target: TargetDirectory
        var path: [UInt8]
        var depth: Int

        init(_ trees: Trees, known: TreeStamps?, isHidden: Bool, target: TargetDirectory, path: [UInt8], depth: Int) {
            (upper, base, head) = (trees.upper, trees.base, trees.head)
            self.known = known
            self.isHidden = isHidden
            self.target = target
            self.path = path
            self.depth = depth
        }

        /// What the base shows here, unless that it is gone was published already.
        var knownBase: Int32? { known?.isOpaque ?? false ? nil : base }

        func below(_ name: [UInt8]) -> [UInt8] { path.isEmpty ? name : path + [UInt8(ascii: "/")] + name }
    }

    mutating func directory(_ place: Place, _ status: stat) throws(SystemCallError) -> TreeStamps {
        guard place.depth < TreeCopy.deepest else {
            throw SystemCallError("compare", "directories lie more than \(TreeCopy.deepest) deep", errno: ELOOP)
        }
        let stamps = TreeStamps(.directory, status, isOpaque: place.isHidden && place.moved == nil)
        // Somebody may have read it through the same descriptor.
        _ = lseek(place.upper, 0, SEEK_SET)
        let buffer = DirectoryBuffer()
        while try buffer.fill(from: place.upper) {
            for entry in buffer {
                let name = bytes(of: entry.name)
                if let stamp = try compare(entry.name, name, place) { stamps.children[name] = stamp }
            }
        }
        try copyMoved(place, into: stamps)
        for (name, old) in place.known?.children ?? [:] where old.kind != .whiteout && stamps.children[name] == nil {
            // Of a directory that was renamed, what lies below was published too.
            let isSeen = name.withCString { !place.isHidden && exists($0, in: place.base) }
            if isSeen { stamps.children[name] = old } else { try remove(name, place, known: old) }
        }
        if place.isHidden, let base = place.knownBase {
            for name in try names(in: base)
            where stamps.children[name] == nil && place.known?.children[name] == nil {
                try remove(name, place, known: nil)
            }
        }
        if place.target.isMade { try dress(place, status) }
        return stamps
    }

    /// Its attributes: the writer's where they are its own, else what others have made of them.
    func dress(_ place: Place, _ status: stat) throws(SystemCallError) {
        let shown = String(decoding: place.path, as: UTF8.self)
        if let head = place.head, !(try hasNewAttributes(status, place)) {
            var other = stat()
            try check(fstat(head, &other), "stat", shown)
            try copy.finish(head, try place.target.make(), other, shown)
        } else {
            try copy.finish(place.upper, try place.target.make(), status, shown)
        }
    }

    /// Whether a directory's owner or mode are not what they were, or what they lie on.
    func hasNewAttributes(_ status: stat, _ place: Place) throws(SystemCallError) -> Bool {
        if let known = place.known { return !known.hasAttributes(status) }
        guard let base = place.base, !place.isHidden else { return place.depth > 0 }
        var old = stat()
        try check(fstat(base, &old), "stat", "base")
        return old.st_mode != status.st_mode || old.st_uid != status.st_uid || old.st_gid != status.st_gid
    }

    // MARK: Entries

    mutating func compare(
        _ cName: UnsafePointer<CChar>, _ name: [UInt8], _ place: Place
    ) throws(SystemCallError) -> TreeStamps? {
        var status = stat()
        let path = place.below(name)
        let shown = String(decoding: path, as: UTF8.self)
        try check(fstatat(place.upper, cName, &status, AT_SYMLINK_NOFOLLOW), "stat", shown)
        let old = place.known?.children[name]
        if status.isWhiteout {
            if old?.kind != .whiteout { try remove(name, place, known: old) }
            return TreeStamps(.whiteout, status)
        }
        if status.isDirectory { return try compareDirectory(cName, name, place, status, old) }
        if let old, old.isSame(status) { return old }
        guard status.isKept else {
            // Whoever had something of that name has it no more.
            if let old, old.kind != .whiteout { try remove(name, place, known: old) }
            if !isComparing { try copy.copyLeaf(cName, place.upper, -1, status, path) }
            return nil
        }
        try note()
        try copy.copyLeaf(cName, place.upper, try place.target.make(), status, path)
        return TreeStamps(.leaf, status)
    }

    mutating func compareDirectory(
        _ cName: UnsafePointer<CChar>, _ name: [UInt8], _ place: Place, _ status: stat, _ old: TreeStamps?
    ) throws(SystemCallError) -> TreeStamps {
        let path = place.below(name)
        let upper = try copy.open(place.upper, cName, O_RDONLY | O_DIRECTORY, String(decoding: path, as: UTF8.self))
        // What was there before something else was published in its place is known no more.
        let wasReplaced = old.map { $0.kind != .directory || $0.isOpaque } ?? false
        var base = wasReplaced ? nil : child(cName, of: place.knownBase)
        let head = child(cName, of: place.head)
        let wasDirectory = old?.kind == .directory
        var isHidden = place.isHidden || base == nil || Self.isOpaque(upper.raw)
        var moved: SharedDescriptor?
        let redirect = Self.redirect(of: upper.raw)
        if redirect != nil || place.moved != nil {
            let lower = Self.isOpaque(upper.raw) ? nil : below(cName, redirect, of: place)
            let isKnown = redirect != nil && old?.kind == .directory && old?.inode == UInt64(status.st_ino)
            // Once it is published it is like any other that was there.
            if isKnown { (base, isHidden) = (lower, lower == nil) } else { (moved, isHidden) = (lower, true) }
        }
        var inside = Place(
            Trees(upper: upper.raw, base: base?.raw, head: head?.raw), known: wasDirectory ? old : nil,
            isHidden: isHidden, target: TargetDirectory(place.target, name), path: path, depth: place.depth + 1)
        inside.moved = moved?.raw
        // One that takes the place of a file, or is new, or has other attributes, is there for itself.
        let isRemade = isHidden && !(old?.isOpaque ?? false) && head == nil
        let isNew = !wasDirectory && (old != nil || base == nil)
        let hasNewAttributes = try hasNewAttributes(status, inside)
        if isNew || isRemade || hasNewAttributes {
            try note()
            _ = try inside.target.make()
            copy.summary.entries += 1
        }
        defer { withExtendedLifetime((base, head, moved)) {} }
        return try directory(inside, status)
    }

    /// Where only that is asked, ends with the answer.
    mutating func note() throws(SystemCallError) {
        isChanged = true
        if isComparing { throw Self.changed }
    }

    // MARK: Looking

    func exists(_ name: UnsafePointer<CChar>, in directory: Int32?) -> Bool {
        guard let directory else { return false }
        var status = stat()
        return fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0
    }

    /// A directory's directory of that name; nil where there is none.
    func child(_ name: UnsafePointer<CChar>, of directory: Int32?) -> SharedDescriptor? {
        guard let directory else { return nil }
        let raw = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        return raw < 0 ? nil : SharedDescriptor(Descriptor(owning: raw))
    }

    func names(in directory: Int32) throws(SystemCallError) -> [[UInt8]] {
        _ = lseek(directory, 0, SEEK_SET)
        var names: [[UInt8]] = []
        let buffer = DirectoryBuffer()
        while try buffer.fill(from: directory) { for entry in buffer { names.append(bytes(of: entry.name)) } }
        return names
    }

    func bytes(of name: UnsafePointer<CChar>) -> [UInt8] {
        UnsafeBufferPointer(start: name, count: strlen(name)).map { UInt8(bitPattern: $0) }
    }

    static func isOpaque(_ directory: Int32) -> Bool {
        var value: [UInt8] = [0, 0]
        return cordon_get_attribute(directory, "trusted.overlay.opaque", &value, 2) == 1
            && value[0] == UInt8(ascii: "y")
    }
}
