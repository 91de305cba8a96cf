import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// A file agent: our own program, run inside as an exec that nobody sees. It talks with the service
/// over the service's own connection; the shim only starts it, and ends it.
final class FileAgentProcess {
    let number: UInt32
    let group: ControlGroup
    let start: StartExec
    let report: Descriptor
    /// A second descriptor of the connection: tells when the service has closed it, and closes it when
    /// the agent is dead.
    let socket: Descriptor
    /// What init is given, until there is a process.
    var given: [SharedDescriptor]
    var timers: [Int] = []

    init(
        number: UInt32, group: ControlGroup, start: StartExec, report: consuming Descriptor,
        socket: consuming Descriptor, given: [SharedDescriptor]
    ) {
        self.number = number
        self.group = group
        self.start = start
        self.report = report
        self.socket = socket
        self.given = given
    }
}

extension SandboxSupervisor {
    private static let mostFileAgents = 16
    /// From clone to exec, as for any exec.
    private static let startLimit = Duration.seconds(10)
    /// The longest that one agent works.
    private static let workLimit = Duration.seconds(3600)
    /// What an agent has to tidy up once the service is gone.
    private static let grace = Duration.seconds(1)

    /// Starts an agent and gives it the connection on which it was asked for. A failure is answered there.
    func openFiles(_ open: OpenFiles, over socket: consuming Descriptor) {
        do {
            guard case .running = phase, let assignment else {
                throw Failure(.failedPrecondition, "the sandbox is ending")
            }
            guard fileAgents.count < Self.mostFileAgents else {
                throw Failure(.resourceExhausted, "\(Self.mostFileAgents) file operations go on in this sandbox")
            }
            let start = StartExec(
                id: .main, argv: ["cordon-files"], environment: ["SWIFT_ROOT=/"], workdir: "/", user: open.user,
                timeout: nil, onFull: .drop, stdout: .discard, stderr: .discard, stdin: false)
            try start.verify()
            let shared = try socket.duplicated()
            let agent = try makeAgent(start, assignment, program: fileAgent, socket: shared)
            fileAgents[agent.number] = agent
            try process.start(number: agent.number, descriptors: agent.given, nulls: 1 << 2, program: true)
            activity()
        } catch {
            Self.tell(error as? Failure ?? Failure(.internal, "\(error)"), socket.raw)
        }
    }

    private func makeAgent(
        _ start: StartExec, _ assignment: Assignment, program: SharedDescriptor, socket: consuming Descriptor
    ) throws -> FileAgentProcess {
        let number = nextExec
        nextExec += 1
        let leaf = group.child("e-\(number)")
        try Self.makeLeaf(leaf)
        try check(chown("\(leaf.unified)/cgroup.procs", prepare.idBase, prepare.idBase), "chown", "cgroup.procs")
        let specification = try ProcessSpecification(
            start: start, seccomp: assignment.seccomp, capabilities: SandboxBuilder.capabilities
        ).file()
        var report: [Int32] = [-1, -1]
        try check(cordon_pipe(&report, true), "pipe2")
        // The agent waits where the shim doesn't; both have the one open socket.
        try check(cordon_set_blocking(socket.raw), "fcntl", "socket")
        let theirs = SharedDescriptor(try socket.duplicated())
        let agent = FileAgentProcess(
            number: number, group: leaf, start: start, report: Descriptor(owning: report[0]), socket: socket,
            given: [
                SharedDescriptor(specification), SharedDescriptor(try Directory(path: leaf.unified).descriptorCopy()),
                SharedDescriptor(Descriptor(owning: report[1])), theirs, theirs, program,
            ])
        try loop.watch(agent.report.raw, for: .readable) { [unowned self] _ in self.hearStart(of: agent) }
        try loop.watch(agent.socket.raw, for: []) { [unowned self] _ in self.serviceLeft(agent) }
        agent.timers = [
            loop.schedule(after: Self.startLimit) { [unowned self] in
                self.fail(agent, Failure(.deadlineExceeded, "the file operation did not start within 10 s"))
            },
            loop.schedule(after: Self.workLimit) { try? agent.group.kill() },
        ]
        return agent
    }

    /// What init says of an agent.
    func handle(_ report: InitProcess.Report, of agent: FileAgentProcess) {
        switch report {
        case .started: agent.given = []
        case .cloneFailed(_, let error):
            fail(
                agent,
                error == EAGAIN
                    ? Failure(.resourceExhausted, "the sandbox is at its limit of processes")
                    : Failure(.internal, "clone: \(String(cString: strerror(error)))"))
        case .exited:
            hearStart(of: agent)
            close(agent)
        case .ready, .setupFailed: break
        }
    }

    private func hearStart(of agent: FileAgentProcess) {
        guard fileAgents[agent.number] === agent else { return }
        var failure = cordon_start_failure()
        let size = MemoryLayout<cordon_start_failure>.size
        let count = read(agent.report.raw, &failure, size)
        if count < 0 && (errno == EAGAIN || errno == EINTR) { return }
        loop.unwatch(agent.report.raw)
        if count == size {
            fail(agent, StartFailure.describe(stage: failure.stage, errno: failure.error, start: agent.start))
        } else if !agent.timers.isEmpty {
            loop.cancel(agent.timers.removeFirst())
        }
    }

    /// The agent sees the end of its input too, and is left a moment to tidy up.
    private func serviceLeft(_ agent: FileAgentProcess) {
        loop.unwatch(agent.socket.raw)
        agent.timers.append(loop.schedule(after: Self.grace) { try? agent.group.kill() })
    }

    private func fail(_ agent: FileAgentProcess, _ failure: Failure) {
        Self.tell(failure, agent.socket.raw)
        close(agent)
    }

    /// Forgets an agent that is dead or dies now; whoever talks with it sees the end.
    func close(_ agent: FileAgentProcess) {
        guard fileAgents.removeValue(forKey: agent.number) != nil else { return }
        try? agent.group.kill()
        shutdown(agent.socket.raw, Int32(SHUT_RDWR))
        loop.unwatch(agent.socket.raw)
        loop.unwatch(agent.report.raw)
        for timer in agent.timers { loop.cancel(timer) }
        lingeringGroups.append(agent.group)
        sweepGroups()
        activity()
    }

    /// Sends a failure where nothing else has been said yet: it fits.
    private static func tell(_ failure: Failure, _ socket: Int32) {
        let bytes = Frame.bytes(failure, request: 0)
        _ = send(socket, bytes, bytes.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
    }
}
