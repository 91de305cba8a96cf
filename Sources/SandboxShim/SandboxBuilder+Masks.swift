import CLinux
import Glibc
import LinuxSystem

extension SandboxBuilder {
    /// Files that tell of the host or act on it; each reads as empty.
    private static let maskedFiles = [
        "/proc/cmdline", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/key-users", "/proc/kmsg",
        "/proc/kallsyms", "/proc/kpagecount", "/proc/kpageflags", "/proc/kpagecgroup", "/proc/latency_stats",
        "/proc/modules", "/proc/sched_debug", "/proc/sysrq-trigger", "/proc/timer_list", "/proc/vmallocinfo",
    ]
    /// `pressure` takes triggers that nobody accounts.
    private static let maskedDirectories = ["/proc/acpi", "/proc/asound", "/proc/pressure", "/proc/scsi"]
    private static let readOnly = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"]

    /// Programs look here for the limits of containers, find nothing, and go on without.
    private static let emptyDirectory = "/sys/fs/cgroup"

    /// Follows `narrowSystemView`: directories are masked with its empty one, since each file system of a
    /// sandbox's own makes all others end more slowly.
    func mask() throws(SystemCallError) {
        for path in Self.maskedFiles where access(path, F_OK) == 0 {
            let null = try Mount.clone("/dev/null")
            try Mount.set([.readOnly, .noSetuid, .noExecution], of: null, subject: path)
            try Mount.attach(null, at: AT_FDCWD, path)
        }
        for path in Self.maskedDirectories where access(path, F_OK) == 0 {
            try Mount.attach(try Mount.clone(Self.emptyDirectory), at: AT_FDCWD, path)
        }
        for path in Self.readOnly where access(path, F_OK) == 0 {
            let tree = try Mount.clone(path, recursive: true)
            try Mount.set(
                [.readOnly, .noSetuid, .noDevices, .noExecution], of: tree, recursive: true, subject: path)
            try Mount.attach(tree, at: AT_FDCWD, path)
        }
    }

    /// What programs read of `/sys`: processors, memory nodes, huge pages and the sandbox's own interfaces.
    private static let shownOfSystem = [
        "class/net", "devices/system/cpu", "devices/system/node", "devices/virtual/net", "kernel/mm/hugepages",
        "kernel/mm/transparent_hugepage",
    ]

    /// Leaves of sysfs only what is on a list: the rest tells of disks, drivers, modules and the kernel's
    /// own layout, everywhere in the tree and more with each release.
    func narrowSystemView() throws(SystemCallError) {
        var shown: [(path: String, tree: SharedDescriptor)] = []
        for path in Self.shownOfSystem where access("/sys/\(path)", F_OK) == 0 {
            // A clone keeps the read-only attribute that all of sysfs was mounted with.
            shown.append((path, SharedDescriptor(try Mount.clone("/sys/\(path)"))))
        }
        try check(cordon_detach("/sys"), "umount", "/sys")
        let view = try Mount.make(
            "tmpfs", ["mode": "0755", "size": "64k", "nr_inodes": "32"],
            attributes: [.noSetuid, .noDevices, .noExecution])
        try Mount.attach(view, at: AT_FDCWD, "/sys")
        let system = try Directory(path: "/sys")
        for path in shown.map(\.path) + [Self.emptyDirectory.replacing("/sys/", with: "")] {
            var parent = ""
            for part in path.split(separator: "/") {
                parent += parent.isEmpty ? String(part) : "/\(part)"
                try system.make(parent, mode: 0o755)
            }
        }
        for (path, tree) in shown {
            let point = try system.directory(path)
            try check(cordon_move_mount(tree.raw, point.raw, ""), "move_mount", path)
            withExtendedLifetime(point) {}
        }
        try Mount.set([.readOnly, .noSetuid, .noDevices, .noExecution], of: view, subject: "/sys")
    }
}
