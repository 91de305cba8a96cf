import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// A sandbox from the outside: its init, its execs, its deadlines and its end. One for each shim.
///
/// Divided by phase: preparing and assigning here; execs, deadlines and the end in files of their own.
final class SandboxSupervisor {
    enum Phase {
        /// Built, and nobody's.
        case prepared
        case running
        /// Being ended: nothing new starts.
        case ending
    }

    /// The most execs that are kept, and that run at a time.
    static let mostExecs = 10_000
    static let mostConcurrentExecs = 1_000

    let loop: EventLoop
    let prepare: Prepare
    let group: ControlGroup
    let process: InitProcess
    let terminals: TerminalDevices
    /// The data directory's `sandboxes`, in which the record of this one is made.
    let records: Directory
    var phase = Phase.prepared

    // Set when the sandbox becomes somebody's.
    var assignment: Assignment?
    var record: Directory?
    /// Where spools and indexes are.
    var output: Directory?
    /// Open for appending.
    var journal: SharedDescriptor?
    var journalSize: off_t = 0
    var startedAt = Timestamp(microseconds: 0)
    var startedAtBoot: UInt64 = 0
    var deadline = Timestamp(microseconds: 0)
    var budget: SpoolBudget?

    var execs: [ExecID: Exec] = [:]
    var execOrder: [ExecID] = []
    var execsByNumber: [UInt32: Exec] = [:]
    var starts: [UInt32: PendingStart] = [:]
    var nextExec: UInt32 = 1
    /// The file agents that run, by the numbers that they share with execs.
    var fileAgents: [UInt32: FileAgentProcess] = [:]
    /// Their program.
    let fileAgent: SharedDescriptor
    var lingeringGroups: [ControlGroup] = []

    var lifetimeTimer: Int?
    var idleTimer: Int?
    /// The router that the sandbox's network depends on, held open; nil without a network.
    var router: Descriptor?
    /// PID 1 of the sandbox that this one is a sidecar of, as a pidfd; nil for one of its own.
    private let joined: SharedDescriptor?
    /// How many of the service's connections hold it awake, or did so just now.
    var holders = 0
    var verdict: Exec.Verdict?
    var mainEnding: Ending?

    /// Tells those who are connected of an exec's end.
    var onExecEnded: (ExecState) -> Void = { _ in }
    /// Called once, when nothing lives any more and the ending is on disk.
    var onEnd: (Ending) -> Void = { _ in }

    init(
        loop: EventLoop, prepare: Prepare, group: ControlGroup, process: InitProcess, terminals: TerminalDevices,
        joined: SharedDescriptor?, records: Directory, fileAgent: SharedDescriptor
    ) {
        self.joined = joined
        self.loop = loop
        self.prepare = prepare
        self.group = group
        self.process = process
        self.terminals = terminals
        self.records = records
        self.fileAgent = fileAgent
    }

    /// Builds a sandbox that belongs to nobody yet, on a mount of its own disk if it has one, and in the network of
    /// the sandbox whose PID 1 `joined` is (a pidfd), if it is to join one.
    static func prepare(
        _ prepare: Prepare, disk: consuming Descriptor?, joining joined: SharedDescriptor?, loop: EventLoop,
        ground: Shim.Ground
    ) throws -> SandboxSupervisor {
        let group = ControlGroup(layout: ground.layout, path: prepare.group)
        // Init lives in it and starts processes in leaf groups below: it must own the way there.
        try check(chown("\(group.unified)/cgroup.procs", prepare.idBase, prepare.idBase), "chown", "cgroup.procs")
        let process = try InitProcess.start(prepare, disk: disk, joining: joined, group: group)
        switch process.hear() {
        case .report(.ready): break
        case .report(.setupFailed(let message)): throw Failure(.internal, message)
        default: throw Failure(.internal, "init died while the sandbox was built")
        }
        let supervisor = SandboxSupervisor(
            loop: loop, prepare: prepare, group: group, process: process,
            terminals: try TerminalDevices(of: process.pid), joined: joined, records: ground.records,
            fileAgent: ground.fileAgent)
        process.stopBlocking()
        let socket = process.socket.raw
        try loop.watch(socket, for: .readable) { [unowned supervisor] readiness in
            if readiness.contains(.writable) { supervisor.process.flush() }
            supervisor.hearInit()
        }
        process.onBacklog = { [unowned loop] isWaiting in
            loop.change(socket, to: isWaiting ? [.readable, .writable] : .readable)
        }
        try loop.watch(process.pidfd.raw, for: .readable) { [unowned supervisor] _ in supervisor.initDied() }
        if let joined {
            try loop.watch(joined.raw, for: .readable) { [unowned supervisor] _ in supervisor.joinedDied() }
        }
        return supervisor
    }

    /// The sandbox that this is a sidecar of is over. Nobody else need be there to see to it.
    private func joinedDied() {
        if let joined { loop.unwatch(joined.raw) }
        guard assignment != nil else { exit(0) }
        end(.terminated, "the sandbox that it was a sidecar of ended")
    }

    static func makeLeaf(_ group: ControlGroup) throws(SystemCallError) {
        if mkdir(group.unified, 0o755) < 0 && errno != EEXIST { throw SystemCallError("mkdir", group.unified) }
    }

    // MARK: Assignment

    /// Makes the sandbox somebody's: from here on it lives until it ends, whoever else dies.
    func assign(_ assignment: Assignment, answer: @escaping (Result<Assigned, Failure>) -> Void) {
        guard case .prepared = phase else {
            answer(.failure(Failure(.failedPrecondition, "the sandbox is assigned already")))
            return
        }
        do {
            try take(assignment)
        } catch {
            answer(.failure(Failure(.internal, "\(error)")))
            return
        }
        guard let main = assignment.main else {
            answer(.success(Assigned(startedAt: startedAt, deadline: deadline, main: nil)))
            return
        }
        startExec(main) { [unowned self] result in
            switch result {
            case .success(let state):
                answer(.success(Assigned(startedAt: self.startedAt, deadline: self.deadline, main: state)))
            case .failure(let failure):
                answer(.failure(failure))
                self.end(.failedToStart, failure.message)
            }
        }
    }

    private func take(_ assignment: Assignment) throws {
        try nameHost(assignment.hostname)
        try records.makeNew(assignment.id.text, mode: 0o750)
        let record = try records.directory(assignment.id.text)
        try share(record)
        self.record = record
        let output = try record.make(RecordNames.output, mode: 0o750)
        try share(output)
        self.output = output
        journal = SharedDescriptor(try record.open(RecordNames.execs, O_WRONLY | O_CREAT | O_APPEND, mode: 0o640))
        budget = SpoolBudget(
            sandboxBytes: prepare.sandboxSpoolBudget, reserve: prepare.diskReserve, directory: record)
        startedAt = .now()
        startedAtBoot = cordon_boottime_ns()
        self.assignment = assignment
        setLifetime(assignment.timeout)
        try record.replace(RecordNames.status, with: status.record, mode: 0o640)
        phase = .running
        activity()
        // Pipes are accounted to the real user: to the sandbox's own, not to one that all shims share.
        try check(cordon_account_to(prepare.idBase), "setresuid", "shim")
        // Nothing from here on needs more of root's rights than these.
        let kept: UInt64 = 1 << 0 | 1 << 1 | 1 << 5 | 1 << 6 | 1 << 7  // CHOWN DAC_OVERRIDE KILL SETGID SETUID
        try check(cordon_keep_only_capabilities(kept), "capset", "shim")
    }

    private func share(_ directory: Directory) throws(SystemCallError) {
        try check(fchown(directory.raw, 0, prepare.serviceGroup), "fchown", directory.name)
        // Files made below belong to the service's group.
        try check(fchmod(directory.raw, 0o2750), "fchmod", directory.name)
    }

    /// The host's name inside is set from here: inside nobody may.
    private func nameHost(_ name: String) throws(SystemCallError) {
        let raw = try check(cordon_open(AT_FDCWD, "/proc/\(process.pid)/ns/uts", O_RDONLY, 0), "open", "uts")
        let namespace = Descriptor(owning: raw)
        try check(cordon_setns(namespace.raw, cordon_clone_newuts), "setns", "uts")
        try check(cordon_set_hostname(name), "sethostname")
    }

    /// What a connection needs to know to go on. Execs that have ended stand in the journal.
    var status: ShimStatus {
        ShimStatus(
            id: assignment?.id ?? SandboxID(unchecked: ""), startedAt: startedAt, deadline: deadline,
            execs: execs.values.filter { !$0.isOver }.map(\.state))
    }
}
