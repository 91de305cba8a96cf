import CLinux
import Glibc
import LinuxSystem
import ShimProtocol

/// Builds the inside of a sandbox: runs in PID 1, which has namespaces of its own but still the
/// host's rights. The order of the steps, with reasons, is in docs/ISOLATION.md.
struct SandboxBuilder {
    /// The sandbox's directory on disk: `r1` and `r2` hold the writable layers' `u` and `w`.
    let storage: Directory
    /// What lies below all layers: `root` is the skeleton of `/`, `mask` a layer over the host's `/usr`.
    let image: Directory
    let prepare: Prepare
    /// Maps 0–65,535 inside to the sandbox's own host ids.
    let userNamespace: Int32
    /// PID 1 of the sandbox whose network this one shares, as a pidfd; -1 with a network of its own.
    let joined: Int32

    /// Opens the directories here, in PID 1: only what its own mount namespace shows can be cloned.
    init(prepare: Prepare, disk: Int32, userNamespace: Int32, joining joined: Int32) throws(SystemCallError) {
        // Before anything shows a network: sysfs shows the one of whoever mounts it.
        if joined >= 0 { try check(cordon_setns(joined, cordon_clone_newnet), "setns", "the sandbox's network") }
        self.joined = joined
        if prepare.hasDisk {
            // In this mount namespace alone, whose old root goes with the pivot: nobody else sees a sandbox's disk.
            try Mount.makePrivate()
            try check(cordon_move_mount(disk, AT_FDCWD, prepare.storage), "move_mount", "disk")
        }
        storage = try Directory(path: prepare.storage)
        image = try Directory(path: prepare.image)
        self.prepare = prepare
        self.userNamespace = userNamespace
    }

    var base: UInt32 { prepare.idBase }

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

    /// Returns a `/proc/sys` that can be written, which nothing inside can reach.
    func build() throws(SystemCallError) -> Directory {
        // Groups were entered from outside; a view of them that starts there hides the host's paths.
        try check(cordon_unshare(cordon_clone_newcgroup), "unshare", "cgroup")
        try Mount.makePrivate()
        let root = try mountRoot()
        try mountKernelFileSystems(in: root)
        try mountDevices(in: root)
        try pivot(to: root)
        try configureNetwork()
        let sysctls = try Directory(path: "/proc/sys")
        try narrowSystemView()
        try mask()
        try check(cordon_set_hostname("sandbox"), "sethostname")
        try check(cordon_lower_limits(), "setrlimit")
        return sysctls
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
        guard joined < 0 else {
            // All else is as the other sandbox has it. Nobody but those who share it is in this namespace: that the
            // range holds everybody's ids gives ping to nobody else.
            return try KernelFile.write("0 \(Int32.max)", to: "/proc/sys/net/ipv4/ping_group_range")
        }
        try KernelFile.write("0", to: "/proc/sys/net/ipv4/ip_unprivileged_port_start")
        try KernelFile.write("\(base) \(base + 65_535)", to: "/proc/sys/net/ipv4/ping_group_range")
        // Interfaces that come later take their addresses from nobody. A kernel may have no IPv6 at all.
        for (setting, value) in [("addr_gen_mode", "1"), ("accept_ra", "0"), ("accept_redirects", "0")] {
            try? KernelFile.write(value, to: "/proc/sys/net/ipv6/conf/default/\(setting)")
        }
        try check(cordon_loopback_up(), "ioctl", "lo up")
    }
}
