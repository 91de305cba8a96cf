import Foundation

extension HostCensus {
    private static let namespaces = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"]

    mutating func countProcesses(_ own: OwnProcesses) {
        for member in own.members { add("process \(member.role)") }
    }

    /// Namespaces that own processes live in or hold open, by inode, and the interfaces inside.
    mutating func countNamespaces(_ own: OwnProcesses) {
        var found: [String: Set<String>] = [:]
        for member in own.members {
            var links = Self.namespaces.compactMap { link("/proc/\(member.pid)/ns/\($0)") }
            links += names(in: "/proc/\(member.pid)/fd").compactMap { link("/proc/\(member.pid)/fd/\($0)") }
                .filter { target in Self.namespaces.contains { target.hasPrefix("\($0):[") } }
            for namespace in links where !Self.isHosts(namespace) {
                let kind = String(namespace.prefix { $0 != ":" })
                if found[kind, default: []].insert(namespace).inserted, kind == "net" { countInterfaces(member.pid) }
            }
        }
        for (kind, all) in found { add("namespace \(kind)", all.count) }
    }

    private static func isHosts(_ namespace: String) -> Bool {
        link("/proc/self/ns/\(namespace.prefix { $0 != ":" })") == namespace
    }

    private mutating func countInterfaces(_ pid: pid_t) {
        for line in text(of: "/proc/\(pid)/net/dev").split(separator: "\n") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            add("interface inside \(line[..<colon].trimmingCharacters(in: .whitespaces))")
        }
    }

    /// What the host's mount namespace and each own one show; sandboxes' own are counted whole.
    mutating func countMounts(_ own: OwnProcesses, _ instance: Instance) {
        for line in text(of: "/proc/self/mountinfo").split(separator: "\n") where line.contains(instance.directory) {
            add("mount on the host \(Self.mountPoint(line, instance))")
        }
        let host = link("/proc/self/ns/mnt")
        var seen: Set<String> = []
        for member in own.members {
            guard let namespace = link("/proc/\(member.pid)/ns/mnt"), namespace != host, seen.insert(namespace).inserted
            else { continue }
            let lines = text(of: "/proc/\(member.pid)/mountinfo").split(separator: "\n")
            let isLauncher = member.role == "launcher" || lines.contains { $0.contains(instance.directory) }
            if isLauncher {
                for line in lines where line.contains(instance.directory) || line.contains("nsfs") {
                    add("mount of launcher or shim \(Self.mountPoint(line, instance))")
                }
            } else {
                add("mount inside", lines.count)
            }
        }
        for interface in names(in: "/sys/class/net") where interface.contains(instance.id) {
            add("interface \(interface)")
        }
    }

    private static func mountPoint(_ line: Substring, _ instance: Instance) -> String {
        let fields = line.split(separator: " ")
        return fields.count > 4 ? instance.plain(String(fields[4])) : String(line)
    }

    /// The instance's groups in every hierarchy.
    mutating func countGroups(_ instance: Instance) {
        for line in text(of: "/proc/self/mountinfo").split(separator: "\n") where line.contains(" - cgroup") {
            let fields = line.split(separator: " ")
            guard fields.count > 4 else { continue }
            for group in [instance.group, "\(instance.group)-shims"] { countGroup("\(fields[4])/\(group)", instance) }
        }
    }

    private mutating func countGroup(_ path: String, _ instance: Instance) {
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue else {
            return
        }
        add("cgroup \(instance.plain(path))")
        for child in names(in: path) where !child.contains(".") && child != "tasks" {
            countGroup("\(path)/\(child)", instance)
        }
    }

    mutating func countDescriptors(_ own: OwnProcesses, _ instance: Instance) {
        let clients = TestConnections()
        for member in own.members
        where ["cordond", "launcher", "keeper", "cordon-zygote", "cordon-shim"].contains(member.role) {
            for number in names(in: "/proc/\(member.pid)/fd") {
                guard let target = link("/proc/\(member.pid)/fd/\(number)"), !clients.isPeer(target) else { continue }
                // SQLite's readers: up to five, as many as were ever needed at a time.
                if target.contains("/data/service/live.db") { continue }
                // socket:[123], pipe:[123], net:[123], anon_inode:[eventpoll], a path
                let isNamed = target.hasPrefix("/") || target.hasPrefix("anon")
                add(
                    "descriptor of \(member.role) \(isNamed ? instance.plain(target) : String(target.prefix { $0 != "[" }))"
                )
            }
        }
    }

    /// Keys of the sandboxes' own ids, by owner: their number is the kernel's (proc(5), /proc/key-users).
    mutating func countKeys(_ instance: Instance) {
        let blocks = instance.blocks
        for (user, keys) in Self.keys where instance.owns(user: user, blocks: blocks) {
            let more = keys - (Self.keysBefore[user] ?? 0)
            if more > 0 { add("key of a sandbox's user", more) }
        }
    }

    /// How many keys each user had before an instance was started: a user's default keyrings stay for ever, and the
    /// next instance may have the same ids. To be asked for before one is started, which takes the number.
    static let keysBefore = keys

    private static var keys: [UInt32: Int] {
        var result: [UInt32: Int] = [:]
        for line in text(of: "/proc/key-users").split(separator: "\n") {
            let fields = line.split(separator: " ")
            if fields.count > 1, let user = UInt32(fields[0].dropLast()) { result[user] = Int(fields[1]) }
        }
        return result
    }

    /// All session keyrings of root's on the host: each shim has one. Those of other instances too.
    static var rootKeys: Int {
        for line in text(of: "/proc/key-users").split(separator: "\n") {
            let fields = line.split(separator: " ")
            if fields.count > 1, fields[0] == "0:" { return Int(fields[1]) ?? 0 }
        }
        return 0
    }
}

/// The other ends of the connections that the test itself keeps open.
private struct TestConnections {
    private var peers: Set<String> = []

    init() {
        let own = Set(names(in: "/proc/self/fd").compactMap { link("/proc/self/fd/\($0)") })
        var ends: [(socket: String, local: Substring, remote: Substring)] = []
        for line in text(of: "/proc/self/net/tcp").split(separator: "\n").dropFirst() {
            let fields = line.split(separator: " ")
            if fields.count > 9 { ends.append(("socket:[\(fields[9])]", fields[1], fields[2])) }
        }
        let mine = Set(ends.filter { own.contains($0.socket) }.map { "\($0.remote) \($0.local)" })
        peers = Set(ends.filter { mine.contains("\($0.local) \($0.remote)") }.map(\.socket))
    }

    func isPeer(_ target: String) -> Bool { peers.contains(target) }
}
