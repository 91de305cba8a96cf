import Glibc
import LinuxSystem

/// The group that the launcher and its shims work in, beside the one that holds the sandboxes. What
/// shims do for sandboxes that write without end is charged to no sandbox: this weighs it, as a
/// whole, against everything else on the host.
struct SupervisorGroup {
    /// Twice what one ordinary process gets on v1, or a group on v2: deadlines must hold while
    /// sandboxes, which count as one group too, take every core.
    private static let weight = (legacy: "2048", unified: "200")

    /// The launcher's group before it joined, for when this one is removed.
    private let origin: String
    private let directory: String
    private let isUnified: Bool

    init(layout: ControlGroupLayout, name: String) throws(SystemCallError) {
        let legacy = layout.legacy["cpu"]
        isUnified = legacy == nil
        let mount = legacy ?? layout.unified
        let own = try KernelFile.read("/proc/self/cgroup") ?? ""
        origin = mount + (Self.path(in: own, ofLegacy: legacy != nil) ?? "/")
        directory = "\(mount)/\(name)"
    }

    /// The path of a process's group for the cpu controller, from its `/proc/…/cgroup` (cgroups(7)).
    static func path(in text: String, ofLegacy isLegacy: Bool) -> String? {
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { continue }
            let controllers = fields[1].split(separator: ",")
            if isLegacy ? controllers.contains("cpu") : fields[0] == "0" { return String(fields[2]) }
        }
        return nil
    }

    /// On v1, one thread moves itself without the lock of all groups (`LegacyGroupEntry`); this process has one.
    private var members: String { isUnified ? "cgroup.procs" : "tasks" }

    /// Moves the calling process into the group; its children start there.
    func join() throws(SystemCallError) {
        if mkdir(directory, 0o755) < 0, errno != EEXIST { throw SystemCallError("mkdir", directory) }
        try KernelFile.write(
            isUnified ? Self.weight.unified : Self.weight.legacy,
            to: directory + (isUnified ? "/cpu.weight" : "/cpu.shares"))
        try KernelFile.write("0", to: "\(directory)/\(members)")
    }

    /// Moves the calling process back to where it came from and removes the group; false when
    /// another process still lives in it.
    func dissolve() -> Bool {
        try? KernelFile.write("0", to: "\(origin)/\(members)")
        return rmdir(directory) == 0 || errno == ENOENT
    }
}
