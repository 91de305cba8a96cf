import Foundation
import ServiceSupport

/// What one instance of the service has on this host, counted from the outside by kind.
///
/// Other instances run beside it: only what is its own is counted, known by the instance's id, its
/// directories, its ids and its processes. Names that differ from sandbox to sandbox are made equal.
struct HostCensus: Sendable, Equatable {
    private(set) var counts: [String: Int] = [:]

    /// What is more or less here than there, one line each.
    func difference(from before: HostCensus) -> [String] {
        Set(counts.keys).union(before.counts.keys).sorted().compactMap { item in
            let change = (counts[item] ?? 0) - (before.counts[item] ?? 0)
            return change == 0 ? nil : "\(change > 0 ? "+" : "")\(change) \(item)"
        }
    }

    /// The same without items that begin like this.
    func without(_ prefix: String) -> HostCensus {
        var census = self
        census.counts = counts.filter { !$0.key.hasPrefix(prefix) }
        return census
    }

    func count(_ prefix: String) -> Int { counts.reduce(0) { $1.key.hasPrefix(prefix) ? $0 + $1.value : $0 } }

    mutating func add(_ item: String, _ count: Int = 1) { counts[item, default: 0] += count }

    static func take(of instance: Instance) -> HostCensus {
        var census = HostCensus()
        let processes = OwnProcesses(of: instance)
        census.countProcesses(processes)
        census.countNamespaces(processes)
        census.countMounts(processes, instance)
        census.countGroups(instance)
        census.countDescriptors(processes, instance)
        census.countKeys(instance)
        census.countFiles(instance)
        return census
    }
}

/// The instance that is looked at, and how its own things are known.
struct Instance: Sendable {
    let directory: String
    let id: String
    var service: pid_t

    init(_ service: ServiceInstance) throws {
        directory = service.directory
        id = try String(contentsOfFile: service.runDirectory + "/instance", encoding: .utf8)
        self.service = service.servicePID
    }

    var runDirectory: String { directory + "/run" }
    var storage: String { directory + "/data/storage" }
    var group: String { "cordon-\(id)" }

    /// The blocks of host ids that this instance has claimed.
    var blocks: [UInt32] {
        names(in: "/run/cordon/ids").filter { text(of: "/run/cordon/ids/\($0)") == runDirectory }
            .compactMap { UInt32($0.dropFirst("block-".count)) }
    }

    /// Whether a host user id belongs to one of its sandboxes.
    func owns(user: UInt32, blocks: [UInt32]) -> Bool {
        user >= 0x7000_0000 && blocks.contains((user - 0x7000_0000) / (64 * 65_536))
    }

    /// A name without what differs from one sandbox to the next.
    func plain(_ path: String) -> String {
        path.replacingOccurrences(of: directory, with: "…").split(separator: "/", omittingEmptySubsequences: false)
            .map { part in
                if part.hasPrefix("sb-"), part.count == 29 { return "sb-*" }
                if part.hasPrefix("m"), part.count == 13 { return "m*" }
                if part.hasPrefix("e-"), part.dropFirst(2).allSatisfy(\.isNumber) { return "e-*" }
                if part.hasPrefix("block-") { return "block-*" }
                return String(part)
            }.joined(separator: "/")
    }
}

/// The names in a directory; none when it isn't there.
func names(in directory: String) -> [String] { (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? [] }

/// A small file's text; empty when it isn't there.
func text(of path: String) -> String { (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" }

/// Where a link points, or nil.
func link(_ path: String) -> String? { try? FileManager.default.destinationOfSymbolicLink(atPath: path) }
