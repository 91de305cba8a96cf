import CLinux
import Glibc
import LinuxSystem
import ShimProtocol

/// Builds the inside of a sandbox: runs in PID 1, which has namespaces of its own but still the
/// host's rights. The order of the steps, with reasons, is in docs/ISOLATION.md.
struct SandboxBuilder {
    /// The sandbox's directory on disk: `r1` and `r2` hold the writable layers' `u` and `w`.
    private let storage: Directory
    /// The image: `root` is the skeleton of `/`, `mask` a layer over the host's `/usr`.
    private let image: Directory
    private let prepare: Prepare
    /// Maps 0–65,535 inside to the sandbox's own host ids.
    private let userNamespace: Int32

    /// Opens the directories here, in PID 1: only what its own mount namespace shows can be cloned.
    init(prepare: Prepare, userNamespace: Int32) throws(SystemCallError) {
        storage = try Directory(path: prepare.storage)
        image = try Directory(path: prepare.image)
        self.prepare = prepare
        self.userNamespace = userNamespace
    }

    private var base: UInt32 { prepare.idBase }

    /// Capabilities that root inside keeps over its own files and processes; none works over a
    /// namespace, because the user namespace owns none.
    static let capabilities: UInt64 = [
        0,  // CHOWN
        1,  // DAC_OVERRIDE
        3,  // FOWNER
        4,  // FSETID
        5,  // KILL
        6,  // SETGID
        7,  // SETUID
        8,  // SETPCAP
        10,  // NET_BIND_SERVICE
        18,  // SYS_CHROOT
        29,  // AUDIT_WRITE
        31,  // SETFCAP
    ].reduce(0) { $0 | 1 << UInt64($1) }

    func build() throws(SystemCallError) {
        // Groups were entered from outside; a view of them that starts there hides the host's paths.
        try check(cordon_unshare(cordon_clone_newcgroup), "unshare", "cgroup")
        try Mount.makePrivate()
        let root = try mountRoot()
        try mountKernelFileSystems(in: root)
        try mountDevices(in: root)
        try pivot(to: root)
        try configureNetwork()
        try mask()
        try narrowSystemView()
        try check(cordon_set_hostname("sandbox"), "sethostname")
        try check(cordon_lower_limits(), "setrlimit")
    }

    // MARK: Root

    /// Mounts `/` and `/usr`, and returns a handle of the new root, which is attached in our own
    /// mount namespace alone.
    private func mountRoot() throws(SystemCallError) -> Directory {
        guard let method = OverlayMethod(rawValue: prepare.overlayMethod) else {
            throw SystemCallError("overlay", "unknown method", errno: EINVAL)
        }
        let builder = try OverlayBuilder(method: method, scratch: try storage.directory("scratch"))
        // Opened before the ids change: these directories are host root's.
        let skeleton = try idMapped("root", below: image.raw)
        let mask = try idMapped("mask", below: image.raw)
        let usr = try idMapped("/usr", below: AT_FDCWD)
        let upper = try idMapped("r1", below: storage.raw)
        let upperUsr = try idMapped("r2", below: storage.raw)

        try check(cordon_keep_capabilities_across_setuid(), "prctl", "securebits")
        let usrForAll = try readableByAll([mask, usr], builder)
        // The overlay's own credentials: root as the sandbox knows it, or its upper is read-only.
        cordon_set_fs_ids(base, base)
        defer { cordon_set_fs_ids(0, 0) }
        let rootMount = try builder.overlay(lowers: [skeleton], upper: upper)
        let usrMount = try builder.overlay(lowers: [SharedDescriptor(usrForAll)], upper: upperUsr)
        cordon_set_fs_ids(0, 0)

        let point = try storage.directory("mount")
        try Mount.attach(rootMount, at: point)
        let root = try storage.directory("mount")
        try Mount.attach(usrMount, at: try root.directory("usr"))
        return root
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

    // MARK: Kernel file systems

    private func mountKernelFileSystems(in root: Directory) throws(SystemCallError) {
        let restricted: MountAttributes = [.noSetuid, .noDevices, .noExecution]
        let proc = try Mount.make("proc", attributes: restricted)
        try Mount.attach(proc, at: try root.directory("proc"))
        let sys = try Mount.make("sysfs", attributes: restricted.union(.readOnly))
        try Mount.attach(sys, at: try root.directory("sys"))
    }

    private func mountDevices(in root: Directory) throws(SystemCallError) {
        let tmpfs = try Mount.make(
            "tmpfs", ["mode": "0755", "size": "64k", "nr_inodes": "64", "uid": "\(base)", "gid": "\(base)"],
            attributes: [.noSetuid, .noExecution])
        try Mount.attach(tmpfs, at: try root.directory("dev"))
        let dev = try root.directory("dev")
        for (name, major, minor) in [
            ("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0),
        ] as [(String, UInt32, UInt32)] {
            try check(cordon_make_device(dev.raw, name, major, minor), "mknod", name)
        }
        for (name, target) in [
            ("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"),
            ("stderr", "/proc/self/fd/2"), ("ptmx", "pts/ptmx"),
        ] {
            try check(symlinkat(target, dev.raw, name), "symlink", name)
        }
        let points = try dev.make("pts", mode: 0o755)
        // The pool of terminals is the host's: a sandbox gets a small part of it. Each belongs to who opens it.
        let pts = try Mount.make(
            "devpts",
            [
                "newinstance": "", "ptmxmode": "0666", "mode": "0620", "gid": "\(base + 5)",
                "max": "\(TerminalDevices.most)",
            ],
            attributes: [.noSetuid, .noExecution])
        try Mount.attach(pts, at: points)
        let shared = try dev.make("shm", mode: 0o755)
        let shm = try Mount.make(
            "tmpfs", ["mode": "1777", "size": "50%", "uid": "\(base)", "gid": "\(base)"],
            attributes: .hostile)
        try Mount.attach(shm, at: shared)
    }

    private func pivot(to root: Directory) throws(SystemCallError) {
        try check(fchdir(root.raw), "fchdir", "root")
        try check(cordon_pivot_root_here(), "pivot_root")
        umask(0o022)
    }

    // MARK: Namespaces' own settings

    /// Ports below 1,024 and ping are for everybody inside: the network is theirs alone.
    private func configureNetwork() throws(SystemCallError) {
        try KernelFile.write("0", to: "/proc/sys/net/ipv4/ip_unprivileged_port_start")
        try KernelFile.write("\(base) \(base + 65_535)", to: "/proc/sys/net/ipv4/ping_group_range")
        try check(cordon_loopback_up(), "ioctl", "lo up")
    }
}
