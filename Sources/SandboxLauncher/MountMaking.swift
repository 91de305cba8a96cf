import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// Makes one mount of layers in a sandbox; what it does runs in a process of its own.
struct MountMaking {
    let mount: LayerMount
    /// Where layers are, and a directory that holds two without anything in them, below all layers (`sys`, `dev`). By
    /// path: a mount can only be cloned in the namespace that it is seen in.
    let layers: String
    let empty: String
    /// The slot's directory, the disk that is attached over it, if it has one, and below them the writable layer.
    let slot: String
    let disk: LoopFileSystem?
    /// With the writable layer (`u`, `w`) and a `scratch`.
    let storage: String
    let idBase: UInt32
    let userNamespace: SharedDescriptor
    let method: OverlayMethod

    /// Makes mounts ready, and attaches them in the sandbox's mount namespace in this order. Throws `failedPrecondition`
    /// where the sandbox has no directory of that path, or one that isn't its own; with `makingPaths` it is made.
    /// `tell` hears of each mount's id (statx(2)) before it is attached.
    static func attach(
        _ makings: [MountMaking], in namespace: Int32, makingPaths: Bool, tell: (UInt64) throws -> Void
    ) throws {
        try preparePrivately()
        let made = try makings.map { try $0.overlay() }
        try check(cordon_setns(namespace, cordon_clone_newns), "setns", "mount")
        for (making, mount) in zip(makings, made) {
            let path = making.mount.path.text
            if makingPaths { try asRoot(of: making.idBase) { try makeDirectories(path) } }
            let target = try directory(path)
            try tell(cordon_mount_id(mount.raw, ""))
            try check(cordon_move_mount(mount.raw, target.raw, ""), "move_mount", path)
        }
    }

    /// What is attached for a moment on the way is nobody else's to see.
    static func preparePrivately() throws {
        try check(cordon_unshare(cordon_clone_newns), "unshare", "mount")
        try Mount.makePrivate()
    }

    /// With the ids of the sandbox's root, so that what is made is its own.
    @discardableResult
    static func asRoot<Value>(of idBase: UInt32, _ work: () throws -> Value) throws -> Value {
        try check(cordon_keep_capabilities_across_setuid(), "prctl", "securebits")
        cordon_set_fs_ids(idBase, idBase)
        defer { cordon_set_fs_ids(0, 0) }
        return try work()
    }

    /// Makes the directories of a path that aren't there, by the sandbox's own view.
    static func makeDirectories(_ path: String) throws {
        let old = umask(0o022)
        defer { umask(old) }
        var parent = "/"
        for name in path.pathNames {
            let above = try directory(parent)
            if mkdirat(above.raw, name, 0o755) < 0 && errno != EEXIST {
                throw Failure(.failedPrecondition, "\(path) can't be made: \(SystemCallError("mkdir").description)")
            }
            parent += (parent == "/" ? "" : "/") + name
        }
    }

    /// The mount, attached nowhere.
    func overlay() throws -> SharedDescriptor {
        if let disk { try Mount.attach(try disk.mountedAgain(), at: AT_FDCWD, slot) }
        let whole = try wholeOverlay()
        guard let subPath = mount.subPath else { return try restricted(whole) }
        let scratch = try Directory(path: "\(slot)/\(storage)").directory("scratch")
        let place = try scratch.make("whole", mode: 0o755)
        try check(cordon_move_mount(whole.raw, place.raw, ""), "move_mount", "whole")
        try withExtendedLifetime(scratch) { _ = try check(fchdir(scratch.raw), "fchdir", "scratch") }
        defer { _ = cordon_detach("whole") }
        return try restricted(try part(subPath))
    }

    /// A directory of the overlay that is attached at `whole`, alone.
    private func part(_ subPath: VolumePath) throws -> SharedDescriptor {
        let flags = UInt64(O_RDONLY | O_DIRECTORY)
        let beneath = UInt64(CORDON_RESOLVE_BENEATH | CORDON_RESOLVE_NO_SYMLINKS)
        var directory = Descriptor(owning: try check(cordon_open(AT_FDCWD, "whole", O_RDONLY | O_DIRECTORY, 0), "open"))
        let old = umask(0o022)
        defer { umask(old) }
        for name in subPath.text.pathNames {
            var raw = cordon_openat2(directory.raw, name, flags, 0, beneath)
            if raw < 0 && errno == ENOENT && !mount.isReadOnly {
                let above = directory.raw
                try Self.asRoot(of: idBase) { try check(mkdirat(above, name, 0o755), "mkdir", name) }
                raw = cordon_openat2(directory.raw, name, flags, 0, beneath)
            }
            guard raw >= 0 else {
                throw Failure(.failedPrecondition, "the volume has no directory \(subPath)")
            }
            directory = Descriptor(owning: raw)
        }
        return SharedDescriptor(try Mount.clone("", below: directory.raw))
    }

    private func restricted(_ made: SharedDescriptor) throws -> SharedDescriptor {
        if mount.isReadOnly {
            let attributes = MountAttributes.hostile.union(.readOnly)
            try check(
                cordon_mount_set(made.raw, "", attributes.rawValue, -1, false), "mount_setattr", mount.path.text)
        }
        return made
    }

    private func wholeOverlay() throws -> SharedDescriptor {
        let layers = try Directory(path: layers)
        let storage = try Directory(path: "\(slot)/\(storage)")
        let empty = try Directory(path: empty)
        let builder = try OverlayBuilder(
            method: method, scratch: try storage.directory("scratch"), mostLowers: mount.layers.count + 2)
        var lowers: [SharedDescriptor] = []
        for layer in mount.layers.reversed() {
            lowers.append(
                SharedDescriptor(
                    try Mount.idMapped("\(layer)/root", below: layers.raw, userNamespace: userNamespace.raw)))
        }
        // An overlay without a writable layer takes two at least.
        for name in mount.layers.isEmpty && mount.isReadOnly ? ["sys", "dev"] : ["sys"] {
            lowers.append(
                SharedDescriptor(try Mount.idMapped(name, below: empty.raw, userNamespace: userNamespace.raw)))
        }
        let upper = SharedDescriptor(try Mount.idMapped("", below: storage.raw, userNamespace: userNamespace.raw))
        return try Self.asRoot(of: idBase) {
            SharedDescriptor(
                try builder.overlay(
                    lowers: lowers, upper: mount.isReadOnly ? nil : upper))
        }
    }

    /// A directory by the sandbox's own view, in whose mount namespace this process is.
    static func directory(_ path: String) throws -> Descriptor {
        // The root, wherever this process works: an absolute path leads from the descriptor (openat2(2)).
        let root = Descriptor(owning: try check(cordon_open(AT_FDCWD, "/", O_RDONLY | O_DIRECTORY, 0), "open", "/"))
        let raw = cordon_openat2(
            root.raw, path, UInt64(O_RDONLY | O_DIRECTORY), 0,
            UInt64(CORDON_RESOLVE_IN_ROOT | CORDON_RESOLVE_NO_MAGICLINKS))
        guard raw >= 0 else {
            throw Failure(.failedPrecondition, "\(path) is no directory of the sandbox's")
        }
        let target = Descriptor(owning: raw)
        guard cordon_is_overlay(target.raw) else {
            throw Failure(.failedPrecondition, "\(path) lies on a file system of the kernel's")
        }
        return target
    }

    /// Takes away the mount of that id at a path, in the mount namespace of this process. Its parent is held open, and
    /// in that a name at which something is mounted can neither be renamed nor removed (rename(2), EBUSY): whatever
    /// the sandbox does to the path meanwhile, nothing else is unmounted.
    static func detach(_ path: FilePath, id: UInt64) throws {
        let (parent, name) = path.parentAndName
        let directory = try directory(parent)
        try check(fchdir(directory.raw), "fchdir", parent)
        guard cordon_mount_id(AT_FDCWD, name) == id else {
            throw Failure(.notFound, "what was mounted at \(path.text) is not there any more")
        }
        guard cordon_unmount_here(name) == 0 else {
            let reason =
                errno == EBUSY
                ? "a process has files open there or works there, or something is mounted in it"
                : SystemCallError("umount").description
            throw Failure(.failedPrecondition, "\(path.text) is in use: \(reason)")
        }
    }
}

extension FilePath {
    fileprivate var parentAndName: (parent: String, name: String) {
        let bytes = text.utf8
        let cut = bytes.lastIndex(of: UInt8(ascii: "/")) ?? bytes.startIndex
        let parent = cut == bytes.startIndex ? "/" : String(decoding: bytes[..<cut], as: UTF8.self)
        return (parent, String(decoding: bytes[bytes.index(after: cut)...], as: UTF8.self))
    }
}
