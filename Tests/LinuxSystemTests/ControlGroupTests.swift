import CLinux
import Glibc
import LinuxSystem
import Testing

@Suite("Where a host keeps its control groups")
struct ControlGroupLayoutTests {
    @Test("a host with v2 alone: Debian 12 as it is installed")
    func unified() throws {
        let layout = try #require(
            ControlGroupLayout(
                mountInfo: """
                    24 29 0:22 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw
                    33 24 0:28 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
                    """))
        #expect(layout == ControlGroupLayout(unified: "/sys/fs/cgroup", legacy: [:]))
        #expect(layout.limitsAreUnified)
    }

    @Test("a hybrid host: limits in v1, the tree for killing in v2; optional fields or none")
    func hybrid() throws {
        let layout = try #require(
            ControlGroupLayout(
                mountInfo: """
                    31 30 0:27 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
                    32 31 0:28 / /sys/fs/cgroup/cpu rw,relatime shared:1 master:2 - cgroup cgroup rw,cpu
                    33 31 0:29 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct
                    34 31 0:30 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
                    35 31 0:31 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
                    36 31 0:32 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
                    """))
        #expect(layout.unified == "/sys/fs/cgroup/unified")
        #expect(
            layout.legacy == [
                "cpu": "/sys/fs/cgroup/cpu", "memory": "/sys/fs/cgroup/memory", "pids": "/sys/fs/cgroup/pids",
            ])
        let group = ControlGroup(layout: layout, path: "a/b")
        #expect(group.directories.first == "/sys/fs/cgroup/unified/a/b")
        #expect(Set(group.directories).count == 4)
    }

    @Test("cpu and cpuacct mounted as one are one")
    func joined() throws {
        let layout = try #require(
            ControlGroupLayout(
                mountInfo: """
                    32 31 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
                    36 31 0:32 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
                    """))
        #expect(layout.legacy == ["cpu": "/sys/fs/cgroup/cpu,cpuacct"])
    }

    @Test(
        "without a v2 tree there is no layout",
        arguments: ["", "garbage", "1 2 - cgroup2", "32 31 0:28 / /c rw - cgroup cgroup rw,pids"])
    func none(_ text: String) { #expect(ControlGroupLayout(mountInfo: text) == nil) }
}

@Suite("A control group")
struct ControlGroupTests {
    private static let limits = GroupLimits(
        memoryBytes: 64 << 20, cpuMillicores: 1500, cpuWeightMillicores: 250, pids: 42)

    /// v2 controllers can't be had on hybrid machines: their files are plain ones here, as a Debian 12
    /// host shows them. What the kernel makes of the values is not tested by this.
    @Test("limits in a recorded v2 tree")
    func recorded() throws {
        try withDirectory { directory in
            let layout = ControlGroupLayout(unified: directory.name, legacy: [:])
            let group = ControlGroup(layout: layout, path: "g")
            try group.create()
            let tree = try directory.directory("g")
            for name in [
                "memory.max", "memory.swap.max", "cpu.max", "cpu.weight", "pids.max", "cgroup.subtree_control",
                "cgroup.kill",
            ] {
                try tree.replace(name, with: [])
            }
            try tree.replace("memory.events", with: Array("low 0\nhigh 0\nmax 7\noom 3\noom_kill 2\n".utf8))
            try tree.replace("cgroup.events", with: Array("populated 1\nfrozen 0\n".utf8))
            try group.apply(Self.limits)
            func text(_ name: String) throws -> String {
                String(decoding: try #require(try tree.read(name)), as: UTF8.self)
            }
            #expect(try text("memory.max") == "67108864")
            #expect(try text("memory.swap.max") == "0")
            #expect(try text("cpu.max") == "150000 100000")
            #expect(try text("cpu.weight") == "25")
            #expect(try text("pids.max") == "42")
            #expect(group.outOfMemoryKills() == 2)
            #expect(group.isPopulated())
            try group.kill()
            #expect(try text("cgroup.kill") == "1")
            try ControlGroup(layout: layout, path: "g").apply(
                GroupLimits(memoryBytes: 1 << 20, cpuMillicores: nil, cpuWeightMillicores: 0, pids: 5))
            #expect(try text("cpu.max").hasPrefix("max 100000"))
        }
    }

    private func withGroup(_ body: (ControlGroup) throws -> Void) throws {
        guard getuid() == 0 else { return }
        let group = ControlGroup(
            layout: try .detect(), path: "cordon-unit-\(getpid())-\(UInt32.random(in: 0...UInt32.max))")
        try group.create()
        defer {
            try? group.kill()
            for _ in 0..<2000 where !group.remove() { usleep(5000) }
        }
        try body(group)
    }

    @Test("limits for real, raised and lowered in any order")
    func real() throws {
        try withGroup { group in
            for megabytes in [64, 512, 32] as [UInt64] {
                var limits = Self.limits
                limits.memoryBytes = megabytes << 20
                try group.apply(limits)
                guard !group.layout.limitsAreUnified, let memory = group.layout.legacy["memory"] else { continue }
                #expect(try KernelFile.read("\(memory)/\(group.path)/memory.limit_in_bytes") == "\(megabytes << 20)")
            }
            guard let pids = group.layout.legacy["pids"], let cpu = group.layout.legacy["cpu"] else { return }
            #expect(try KernelFile.read("\(pids)/\(group.path)/pids.max") == "42")
            #expect(try KernelFile.read("\(cpu)/\(group.path)/cpu.cfs_quota_us") == "150000")
            #expect(try KernelFile.read("\(cpu)/\(group.path)/cpu.shares") == "256")
        }
    }

    @Test("groups below it go with it, however deep; a living process keeps it")
    func removal() throws {
        try withGroup { group in
            var deepest = group
            for _ in 0..<8 {
                deepest = deepest.child("c")
                try deepest.create()
            }
            let home = try Directory(path: deepest.unified)
            let child = cordon_clone(0, home.raw)
            if child == 0 {
                while true { pause() }
            }
            #expect(group.isPopulated())
            #expect(!group.remove())
            try group.kill()
            var status: Int32 = 0
            #expect(waitpid(child, &status, 0) == child && status & 0x7f == SIGKILL)
            for _ in 0..<2000 where !group.remove() { usleep(5000) }
            #expect(group.directories.allSatisfy { access($0, F_OK) != 0 })
            #expect(group.remove(), "what is gone already is removed")
        }
    }
}
