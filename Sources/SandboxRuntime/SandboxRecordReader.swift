import LinuxSystem
import SandboxModel
import ShimProtocol

/// Reads what shims and the launcher keep of sandboxes on disk: also of those that have ended.
struct SandboxRecordReader: Sendable {
    private let sandboxes: Directory

    init(dataDirectory: String) throws(SystemCallError) {
        sandboxes = try Directory(path: "\(dataDirectory)/storage/sandboxes")
    }

    /// The ids of all sandboxes of which something is kept.
    func ids() throws -> [SandboxID] { try sandboxes.entries().compactMap { SandboxID($0) } }

    /// The sandbox's ending, or nil while there is none.
    func ending(of id: SandboxID) -> Ending? {
        guard let directory = try? sandboxes.directory(id.text),
            let bytes = try? directory.read(RecordNames.ending)
        else { return nil }
        return try? Ending(record: bytes)
    }

    /// The sandbox as its record tells, or nil when it never ran.
    func sandbox(_ id: SandboxID) throws -> HostedSandbox? {
        let directory = try sandboxes.directory(id.text)
        guard let bytes = try directory.read(RecordNames.status) else { return nil }
        let status = try ShimStatus(record: bytes)
        return HostedSandbox(
            id: id, startedAt: status.startedAt, ending: ending(of: id), deadline: status.deadline,
            execs: try execs(of: id).map(\.hosted))
    }

    /// The execs that have ended.
    func execs(of id: SandboxID) throws -> [ExecState] {
        guard let bytes = try sandboxes.directory(id.text).read(RecordNames.execs, limit: 64 << 20) else { return [] }
        return ExecJournal.entries(bytes)
    }

    /// Where the spools and indexes of a sandbox's execs are.
    func output(of id: SandboxID) throws(CordonError) -> Directory {
        do {
            return try sandboxes.directory("\(id.text)/\(RecordNames.output)")
        } catch {
            throw CordonError(.notFound, "nothing is kept of the output of sandbox \(id)")
        }
    }
}
