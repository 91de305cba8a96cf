import CLinux
import Glibc

/// Where a host keeps its control groups (cgroups(7)).
public struct ControlGroupLayout: Sendable, Hashable {
    /// The mount point of the v2 tree; every host must have one, for `cgroup.kill`.
    public let unified: String
    /// The mount points of the v1 controllers that limits live in; empty where v2 has them.
    public let legacy: [String: String]

    /// The controllers that limits need.
    public static let controllers = ["memory", "cpu", "pids"]

    public init(unified: String, legacy: [String: String]) {
        self.unified = unified
        self.legacy = legacy
    }

    /// Reads the layout from `/proc/self/mountinfo` text; nil when there is no v2 tree.
    public init?(mountInfo: String) {
        var unified: String?
        var legacy: [String: String] = [:]
        for line in mountInfo.split(separator: "\n") {
            // 36 35 98:0 /root /mount/point options fields… - type source superoptions
            guard let dash = line.range(of: " - ") else { continue }
            let head = line[..<dash.lowerBound].split(separator: " ")
            let tail = line[dash.upperBound...].split(separator: " ")
            guard head.count >= 6, tail.count >= 3 else { continue }
            let point = String(head[4])
            if tail[0] == "cgroup2", unified == nil { unified = point }
            if tail[0] == "cgroup" {
                for option in tail[2].split(separator: ",") where Self.controllers.contains(String(option)) {
                    legacy[String(option)] = point
                }
            }
        }
        guard let unified else { return nil }
        self.init(unified: unified, legacy: legacy)
    }

    /// The layout of this host.
    public static func detect() throws(SystemCallError) -> ControlGroupLayout {
        let text = try KernelFile.read("/proc/self/mountinfo") ?? ""
        guard let layout = ControlGroupLayout(mountInfo: text) else {
            throw SystemCallError("detect", "no cgroup v2 tree is mounted", errno: ENOENT)
        }
        return layout
    }

    /// Whether limits are written to the v2 tree.
    public var limitsAreUnified: Bool { legacy.isEmpty }
}

/// The most that the processes of a group may take.
public struct GroupLimits: Sendable, Hashable {
    public var memoryBytes: UInt64
    /// Thousandths of a core; nil for no cap.
    public var cpuMillicores: Int?
    /// The share when cores are contended, in thousandths of a core.
    public var cpuWeightMillicores: Int
    public var pids: Int

    public init(memoryBytes: UInt64, cpuMillicores: Int?, cpuWeightMillicores: Int, pids: Int) {
        self.memoryBytes = memoryBytes
        self.cpuMillicores = cpuMillicores
        self.cpuWeightMillicores = cpuWeightMillicores
        self.pids = pids
    }
}

/// One group: the same relative path in the v2 tree and in each v1 hierarchy that limits live in.
///
/// Only the directories that it made itself are ever written or removed.
public struct ControlGroup: Sendable, Hashable {
    public let layout: ControlGroupLayout
    /// Below the mount points: `cordon-x7k2/m0123`.
    public let path: String

    public init(layout: ControlGroupLayout, path: String) {
        self.layout = layout
        self.path = path
    }

    /// Its directory in the v2 tree.
    public var unified: String { "\(layout.unified)/\(path)" }

    private func directory(_ controller: String) -> String {
        "\(layout.legacy[controller] ?? layout.unified)/\(path)"
    }

    /// Every directory of the group, each once.
    public var directories: [String] {
        var all = [unified]
        for controller in ControlGroupLayout.controllers {
            let directory = directory(controller)
            if !all.contains(directory) { all.append(directory) }
        }
        return all
    }

    public func child(_ name: String) -> ControlGroup { ControlGroup(layout: layout, path: "\(path)/\(name)") }

    public func create() throws(SystemCallError) {
        for directory in directories where mkdir(directory, 0o755) < 0 && errno != EEXIST {
            throw SystemCallError("mkdir", directory)
        }
    }

    /// Lets the v2 controllers work in children of this group; nothing to do on v1.
    public func delegateControllers() throws(SystemCallError) {
        guard layout.limitsAreUnified else { return }
        for controller in ControlGroupLayout.controllers {
            try KernelFile.write("+\(controller)", to: "\(unified)/cgroup.subtree_control")
        }
    }

    public func apply(_ limits: GroupLimits) throws(SystemCallError) {
        let period = 100_000
        let quota = limits.cpuMillicores.map { max(1000, $0 * period / 1000) }
        if layout.limitsAreUnified {
            try KernelFile.write("\(limits.memoryBytes)", to: "\(unified)/memory.max")
            if access("\(unified)/memory.swap.max", F_OK) == 0 {
                try KernelFile.write("0", to: "\(unified)/memory.swap.max")
            }
            try KernelFile.write("\(quota.map(String.init) ?? "max") \(period)", to: "\(unified)/cpu.max")
            // cpu.weight 100 stands for one core (1–10,000).
            try KernelFile.write("\(min(10_000, max(1, limits.cpuWeightMillicores / 10)))", to: "\(unified)/cpu.weight")
            try KernelFile.write("\(limits.pids)", to: "\(unified)/pids.max")
        } else {
            try setLegacyMemory(limits.memoryBytes)
            try KernelFile.write("\(quota ?? -1)", to: "\(directory("cpu"))/cpu.cfs_quota_us")
            try KernelFile.write(
                "\(max(2, limits.cpuWeightMillicores * 1024 / 1000))", to: "\(directory("cpu"))/cpu.shares")
            try KernelFile.write("\(limits.pids)", to: "\(directory("pids"))/pids.max")
        }
    }

    /// memory+swap may never be below memory: raise it first, lower it last.
    private func setLegacyMemory(_ bytes: UInt64) throws(SystemCallError) {
        let memory = "\(directory("memory"))/memory.limit_in_bytes"
        let both = "\(directory("memory"))/memory.memsw.limit_in_bytes"
        let hasSwap = access(both, F_OK) == 0
        do {
            try KernelFile.write("\(bytes)", to: memory)
            if hasSwap { try KernelFile.write("\(bytes)", to: both) }
        } catch {
            guard hasSwap, error.errno == EINVAL else { throw error }
            try KernelFile.write("\(bytes)", to: both)
            try KernelFile.write("\(bytes)", to: memory)
        }
    }

    /// The limit of processes now, and a way to change it alone.
    public func setPids(_ limit: Int) throws(SystemCallError) {
        try KernelFile.write("\(limit)", to: "\(directory("pids"))/pids.max")
    }

    /// The ways into the v1 groups, for a process that enters them by itself; none where limits are in the v2 tree,
    /// in which a process starts in its group.
    public func legacyEntries() throws(SystemCallError) -> [LegacyGroupEntry] {
        guard !layout.limitsAreUnified else { return [] }
        var entries: [LegacyGroupEntry] = []
        for directory in directories.dropFirst() { entries.append(try LegacyGroupEntry(directory)) }
        return entries
    }

    /// How many processes the kernel has killed here because memory ran out.
    public func outOfMemoryKills() -> UInt64 {
        let path =
            layout.limitsAreUnified ? "\(unified)/memory.events" : "\(directory("memory"))/memory.oom_control"
        return ((try? KernelFile.value(of: "oom_kill", in: path)) ?? nil) ?? 0
    }

    /// Kills every process in the group and below, however it was forked (cgroup.kill, Linux 5.14).
    public func kill() throws(SystemCallError) {
        do {
            try KernelFile.write("1", to: "\(unified)/cgroup.kill")
        } catch { if error.errno != ENOENT { throw error } }
    }

    /// Stops every process in it and below, or lets them go on. It takes a moment until all stand still (`isFrozen`).
    public func freeze(_ frozen: Bool) throws(SystemCallError) {
        try KernelFile.write(frozen ? "1" : "0", to: "\(unified)/cgroup.freeze")
    }

    /// Whether every process in it and below stands still.
    public func isFrozen() -> Bool {
        ((try? KernelFile.value(of: "frozen", in: "\(unified)/cgroup.events")) ?? nil) == 1
    }

    /// Microseconds of processor time that its processes have taken so far; nil where the kernel doesn't tell.
    public func processorTime() -> UInt64? {
        (try? KernelFile.value(of: "usage_usec", in: "\(unified)/cpu.stat")) ?? nil
    }

    /// The processes in it and in the groups right below, at most `most`.
    public func processes(most: Int) -> [pid_t] {
        var result: [pid_t] = []
        var groups = [unified]
        if let directory = try? Directory(path: unified) {
            try? directory.forEachEntry { (name, isDirectory) in if isDirectory { groups.append("\(unified)/\(name)") }
            }
        }
        for group in groups where result.count < most {
            let text = ((try? KernelFile.read("\(group)/cgroup.procs")) ?? nil) ?? ""
            for line in text.split(separator: "\n").prefix(most - result.count) {
                if let pid = pid_t(line) { result.append(pid) }
            }
        }
        return result
    }

    /// Whether a process lives in it or below, as far as can be told: yes where the kernel's word can't be read.
    public func isPopulated() -> Bool {
        do {
            // A group that isn't there holds nobody.
            return try KernelFile.value(of: "populated", in: "\(unified)/cgroup.events") ?? 0 != 0
        } catch { return true }
    }

    /// Whether so much page cache is charged to the group that it would live on as a dead one (v1).
    public func holdsPageCache() -> Bool {
        guard !layout.limitsAreUnified else { return false }
        let cache = (try? KernelFile.value(of: "cache", in: "\(directory("memory"))/memory.stat")) ?? nil
        return (cache ?? 0) > 256 * 1024
    }

    /// Uncharges page cache from a v1 group without processes: it would keep a dead group for as
    /// long as the files stay cached. Can take long where memory is busy.
    public func dropPageCache() {
        guard holdsPageCache() else { return }
        try? KernelFile.write("0", to: "\(directory("memory"))/memory.force_empty")
    }

    /// Removes the group's directories with all groups below them. False when a process still holds
    /// one of them.
    public func remove() -> Bool {
        directories.allSatisfy { Self.removeTree($0, depth: 0) }
    }

    private static func removeTree(_ path: String, depth: Int) -> Bool {
        if rmdir(path) == 0 || errno == ENOENT { return true }
        guard depth < 16, let directory = try? Directory(path: path) else { return errno == ENOENT }
        var children: [String] = []
        try? directory.forEachEntry { (name, isDirectory) in if isDirectory { children.append(name) } }
        guard !children.isEmpty else { return false }
        for child in children where !removeTree("\(path)/\(child)", depth: depth + 1) { return false }
        return rmdir(path) == 0 || errno == ENOENT
    }

    /// Removes the v2 directory alone: for groups that exist in that tree only.
    public func removeUnified() -> Bool { rmdir(unified) == 0 || errno == ENOENT }
}

/// A way into one v1 group, held open by whoever may open it.
public struct LegacyGroupEntry: Sendable {
    private let tasks: SharedDescriptor
    private let path: String

    fileprivate init(_ directory: String) throws(SystemCallError) {
        path = "\(directory)/tasks"
        tasks = SharedDescriptor(
            Descriptor(owning: try check(cordon_open(AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0), "open", path)))
    }

    /// Moves the calling thread into the group.
    ///
    /// A thread that moves itself, and no other, takes no lock of all groups; with `cgroup.procs`, or a number, the
    /// kernel waits for a grace period of 5–15 ms, in which no process of the host can fork
    /// (`cgroup_procs_write_start` in kernel/cgroup/cgroup.c).
    public func enter() throws(SystemCallError) { try check(write(tasks.raw, "0", 1), "write", path) }
}

extension Substring {
    /// Where `text` first occurs.
    fileprivate func range(of text: String) -> Range<Index>? {
        let wanted = Array(text.utf8)
        var index = startIndex
        while index != endIndex {
            if self[index...].utf8.starts(with: wanted) {
                return index..<self.utf8.index(index, offsetBy: wanted.count)
            }
            index = self.utf8.index(after: index)
        }
        return nil
    }
}
