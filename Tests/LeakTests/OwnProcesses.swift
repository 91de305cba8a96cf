import Foundation

/// The processes of one instance: by their groups, their user ids, their command lines and their parents.
struct OwnProcesses {
    struct Member {
        let pid: pid_t
        let role: String
    }

    let members: [Member]

    init(of instance: Instance) {
        struct Seen {
            let parent: pid_t
            let name: String
            let line: [String]
            var isOwn: Bool
        }
        let blocks = instance.blocks
        var seen: [pid_t: Seen] = [:]
        for pid in names(in: "/proc").compactMap({ pid_t($0) }) {
            let stat = text(of: "/proc/\(pid)/stat")
            guard let open = stat.firstIndex(of: "("), let close = stat.lastIndex(of: ")") else { continue }
            let fields = stat[stat.index(after: close)...].split(separator: " ")
            guard fields.count > 2, let parent = pid_t(fields[1]) else { continue }
            let name = String(stat[stat.index(after: open)..<close])
            let line = text(of: "/proc/\(pid)/cmdline")
            let user = text(of: "/proc/\(pid)/status").split(separator: "\n").first { $0.hasPrefix("Uid:") }?
                .split(separator: "\t").dropFirst().first.flatMap { UInt32($0) }
            let isOwn =
                pid == instance.service || line.contains(instance.directory)
                || text(of: "/proc/\(pid)/cgroup").contains("/\(instance.group)")
                || user.map { instance.owns(user: $0, blocks: blocks) } ?? false
            seen[pid] = Seen(
                parent: parent, name: fields[0] == "Z" ? "dead \(name)" : name,
                line: line.split(separator: "\0").map(String.init), isOwn: isOwn)
        }
        // Children of its own are its own, however deep.
        var grew = true
        while grew {
            grew = false
            for (pid, process) in seen where !process.isOwn && seen[process.parent]?.isOwn == true {
                seen[pid]?.isOwn = true
                grew = true
            }
        }
        members = seen.filter(\.value.isOwn).map { pid, process in
            if pid == instance.service { return Member(pid: pid, role: "cordond") }
            if process.line.first == "cordon-launcher" {
                return Member(pid: pid, role: process.line.contains("--keep") ? "keeper" : "launcher")
            }
            return Member(pid: pid, role: process.name)
        }
    }

    /// The one process of a role.
    subscript(role: String) -> pid_t? { members.first { $0.role == role }?.pid }
}

/// A process's memory of its own in KiB; 0 when it is gone. Pages of its program and libraries don't count: where
/// memory is short they leave and come back as they are used.
func ownMemory(of pid: pid_t) -> Int {
    let lines = text(of: "/proc/\(pid)/status").split(separator: "\n")
    let sizes = lines.filter { $0.hasPrefix("RssAnon:") || $0.hasPrefix("VmSwap:") }
    return sizes.reduce(0) { sum, line in sum + (line.split(separator: " ").compactMap { Int($0) }.first ?? 0) }
}
