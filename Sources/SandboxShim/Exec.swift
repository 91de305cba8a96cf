import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// One run of a command: its process, its streams, its end.
final class Exec {
    enum Phase {
        /// Asked of init; the program does not run yet.
        case starting
        case running
        /// Its main process is dead; streams may still be open where it left children behind.
        case ended(Ending)
    }

    /// Why we killed it, when we did.
    struct Verdict {
        let reason: EndingReason
        let detail: String
    }

    let number: UInt32
    let id: ExecID
    let startedAt: Timestamp
    /// Its group in the v2 tree: everything it starts lives there.
    let group: ControlGroup
    var phase = Phase.starting
    var verdict: Verdict?
    var outputs: [OutputStream: OutputPipe] = [:]
    var stdin: StdinFeed
    /// Until it is hung up.
    private(set) var terminal: Terminal?
    var timeout: Int?
    let oomKillsBefore: UInt64

    init(
        number: UInt32, id: ExecID, group: ControlGroup, stdin: StdinFeed, terminal: Terminal?,
        oomKillsBefore: UInt64
    ) {
        self.number = number
        self.id = id
        startedAt = .now()
        self.group = group
        self.stdin = stdin
        self.terminal = terminal
        self.oomKillsBefore = oomKillsBefore
    }

    /// Nobody holds its terminal any more: the last descriptors of it close, and with them goes its
    /// name. Whoever still has it as controlling terminal gets SIGHUP. Nothing where it has pipes.
    func hangUp() {
        guard terminal != nil else { return }
        terminal = nil
        stdin.close()
    }

    var ending: Ending? {
        if case .ended(let ending) = phase { ending } else { nil }
    }

    var isOver: Bool { ending != nil }

    var state: ExecState { ExecState(id: id, startedAt: startedAt, ending: ending) }

    /// The ending that a wait status and what we know besides amount to.
    func ending(waitStatus: Int32, oomKillsNow: UInt64) -> Ending {
        var ending = Ending(waitStatus: waitStatus, at: .now())
        guard ending.reason == .signalled else { return ending }
        if let verdict {
            ending.reason = verdict.reason
            ending.detail = verdict.detail
        } else if ending.signal == Int(SIGKILL), oomKillsNow > oomKillsBefore {
            ending.reason = .outOfMemory
            ending.detail = "the sandbox was over its memory limit"
        }
        return ending
    }
}

/// A start that waits for its process to run or to fail.
final class PendingStart {
    let exec: Exec
    let start: StartExec
    /// Where the child says why it failed; closes when its program runs.
    let report: Descriptor
    /// What init is given; kept for one more try until there is a process.
    private(set) var descriptors: [SharedDescriptor]
    /// Which of stdin (1), stdout (2) and stderr (4) are the sandbox's `/dev/null`.
    let nulls: UInt32
    private(set) var isCloned = false
    /// What the child reported, once it has: nil stands for a program that runs.
    var outcome: Failure??
    var triedAgain = false
    var deadline: Int?
    var answers: [(Result<ExecState, Failure>) -> Void]

    init(
        exec: Exec, start: StartExec, report: consuming Descriptor, descriptors: [SharedDescriptor], nulls: UInt32,
        answer: @escaping (Result<ExecState, Failure>) -> Void
    ) {
        self.exec = exec
        self.start = start
        self.report = report
        self.descriptors = descriptors
        self.nulls = nulls
        answers = [answer]
    }

    /// The process has its descriptors: ours would keep its pipes open for ever.
    func cloned() {
        isCloned = true
        descriptors = []
    }

    func answer(_ result: Result<ExecState, Failure>) {
        let all = answers
        answers = []
        for answer in all { answer(result) }
    }
}
