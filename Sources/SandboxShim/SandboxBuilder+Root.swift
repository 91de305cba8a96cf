import CLinux
import Glibc
import LinuxSystem
import SandboxModel

extension SandboxBuilder {
    /// Mounts `/`, and `/usr` where the host's is seen, and returns a handle of the new root, which is attached in
    /// our own mount namespace alone.
    func mountRoot() throws(SystemCallError) -> Directory {
        guard let method = OverlayMethod(rawValue: prepare.overlayMethod) else {
            throw SystemCallError("overlay", "unknown method", errno: EINVAL)
        }
        let builder = try OverlayBuilder(
            method: method, scratch: try storage.directory("scratch"), mostLowers: prepare.root.layers.count + 2)
        let layers = try Directory(path: prepare.layers)
        switch prepare.root.base {
        case .host: return try mountOverHost(builder, layers)
        case .nothing: return try mountLayers(builder, layers)
        }
    }

    /// The layers alone, over directories that every sandbox needs to mount on.
    private func mountLayers(_ builder: OverlayBuilder, _ layers: Directory) throws(SystemCallError) -> Directory {
        let lowers = try trees("root", of: layers) + [try idMapped("root", below: image.raw)]
        let upper = try idMapped("r1", below: storage.raw)
        var hostFiles: [(name: String, file: SharedDescriptor)] = []
        for name in try storage.directory("files").entries() {
            hostFiles.append((name, try idMapped("files/\(name)", below: storage.raw)))
        }
        try check(cordon_keep_capabilities_across_setuid(), "prctl", "securebits")
        cordon_set_fs_ids(base, base)
        defer { cordon_set_fs_ids(0, 0) }
        let mount = try builder.overlay(lowers: lowers, upper: upper)
        cordon_set_fs_ids(0, 0)
        let root = try attachRoot(mount)
        try mountHostFiles(hostFiles, in: root)
        return root
    }

    private func mountOverHost(_ builder: OverlayBuilder, _ layers: Directory) throws(SystemCallError) -> Directory {
        // Opened before the ids change: these directories are host root's.
        let roots = try trees("root", of: layers) + [try idMapped("root", below: image.raw)]
        let usrTrees = try trees("usr", of: layers)
        let mask = try idMapped("mask", below: image.raw)
        let usr = try idMapped("/usr", below: AT_FDCWD)
        let upper = try idMapped("r1", below: storage.raw)
        let upperUsr = try idMapped("r2", below: storage.raw)

        try check(cordon_keep_capabilities_across_setuid(), "prctl", "securebits")
        let usrForAll = SharedDescriptor(try readableByAll([mask, usr], builder))
        // The overlay's own credentials: root as the sandbox knows it, or its upper is read-only.
        cordon_set_fs_ids(base, base)
        defer { cordon_set_fs_ids(0, 0) }
        let rootMount = try builder.overlay(lowers: roots, upper: upper)
        let usrMount = try builder.overlay(lowers: usrTrees + [usrForAll], upper: upperUsr)
        cordon_set_fs_ids(0, 0)

        let root = try attachRoot(rootMount)
        try Mount.attach(usrMount, at: try root.directory("usr"))
        return root
    }

    private func attachRoot(_ mount: borrowing Descriptor) throws(SystemCallError) -> Directory {
        let point = try storage.directory("mount")
        try Mount.attach(mount, at: point)
        return try storage.directory("mount")
    }

    /// What the image's layers hold of one tree, topmost first.
    private func trees(_ tree: String, of layers: Directory) throws(SystemCallError) -> [SharedDescriptor] {
        var result: [SharedDescriptor] = []
        for layer in prepare.root.layers.reversed() where layers.exists("\(layer)/\(tree)") {
            result.append(try idMapped("\(layer)/\(tree)", below: layers.raw))
        }
        return result
    }

    private func idMapped(_ path: String, below directory: Int32) throws(SystemCallError) -> SharedDescriptor {
        SharedDescriptor(try Mount.idMapped(path, below: directory, userNamespace: userNamespace))
    }

    /// A read-only view of the host's `/usr` in which only what everybody may read can be read:
    /// now, and also when something else appears there later.
    ///
    /// Id-mapped, host root's files belong to root inside, who could read the unreadable. An
    /// overlay opens files with the credentials it was made with: an id that owns nothing, without
    /// the rights to override modes.
    private func readableByAll(
        _ layers: [SharedDescriptor], _ builder: OverlayBuilder
    ) throws(SystemCallError) -> Descriptor {
        let nobody = base + 65_535
        try check(cordon_set_file_override(false), "capset", "drop file overrides")
        cordon_set_fs_ids(nobody, nobody)
        defer {
            cordon_set_fs_ids(0, 0)
            _ = cordon_set_file_override(true)
        }
        return try builder.overlay(lowers: layers, upper: nil)
    }

    /// Puts the sandbox's own host name, hosts and resolver over an image's: what an image was built with says
    /// nothing of where it runs. An image without `/etc` has none.
    private func mountHostFiles(
        _ files: [(name: String, file: SharedDescriptor)], in root: Directory
    ) throws(SystemCallError) {
        guard let etc = try? root.directory("etc") else { return }
        for (name, file) in files {
            cordon_set_fs_ids(base, base)
            let raw = Self.regularFile(name, in: etc)
            cordon_set_fs_ids(0, 0)
            // Something else is in its place that can't be removed: the image means it so.
            guard raw >= 0 else { continue }
            let target = Descriptor(owning: raw)
            try check(cordon_move_mount(file.raw, target.raw, ""), "move_mount", name)
        }
    }

    /// A handle of the regular file of that name, made where there is none; a link in its place is replaced.
    private static func regularFile(_ name: String, in directory: Directory) -> Int32 {
        let resolve = UInt64(CORDON_RESOLVE_BENEATH | CORDON_RESOLVE_NO_SYMLINKS)
        for attempt in 0..<2 {
            var status = stat()
            if fstatat(directory.raw, name, &status, AT_SYMLINK_NOFOLLOW) == 0 {
                if status.st_mode & S_IFMT == S_IFREG {
                    return cordon_openat2(directory.raw, name, UInt64(cordon_o_path), 0, resolve)
                }
                guard attempt == 0, unlinkat(directory.raw, name, 0) == 0 else { return -1 }
            }
            let made = cordon_openat2(
                directory.raw, name, UInt64(O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW), 0o644, resolve)
            if made >= 0 { close(made) }
        }
        return cordon_openat2(directory.raw, name, UInt64(cordon_o_path), 0, resolve)
    }
}
