import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// One place for a sandbox: its ids, groups and directories, used once.
final class Slot {
    enum State {
        /// Its shim builds.
        case building
        /// Built, and nobody's.
        case prepared
        /// Nobody's, and never will be: its shim is being killed.
        case dropped
        /// Told whose it is; the answer is due.
        case assigning(answer: (Result<Launched, Failure>) -> Void)
        case running
        /// Its shim is dead; what it leaves is being removed.
        case reclaiming
    }

    let name: String
    let idBase: UInt32
    let group: ControlGroup
    var state = State.building {
        didSet { pool.moved(self, from: oldValue) }
    }
    private let pool: SlotPool
    var sandbox: SandboxID?
    /// Of the shim; readable once it is dead.
    var pidfd: Descriptor?
    var pid: pid_t = 0
    var channel: FrameChannel?
    var endDetail: String?
    var endTimer: Int?
    /// Those who wait until nothing is left.
    var waiters: [(Ending) -> Void] = []
    var failure: Failure?
    /// The ending as its shim told it: stands in for a record that could not be written.
    var ending: Ending?
    /// It was told whose it is but never ran: nothing of it is kept.
    var launchFailed = false

    init(name: String, idBase: UInt32, group: ControlGroup, pool: SlotPool) {
        self.name = name
        self.pool = pool
        self.idBase = idBase
        self.group = group
        pool.building += 1
    }

    var isBuilding: Bool { if case .building = state { true } else { false } }
    var isAssigning: Bool { if case .assigning = state { true } else { false } }
    var isReclaiming: Bool { if case .reclaiming = state { true } else { false } }
}

/// A launch that waits for a sandbox to be built.
struct QueuedLaunch {
    /// Whose request it is.
    let connection: Int
    let assignment: Assignment
    let answer: (Result<Launched, Failure>) -> Void
}

/// Which slots are ready to be somebody's: known at any time without looking at all of them.
final class SlotPool {
    fileprivate(set) var building = 0
    private(set) var prepared: [String: Slot] = [:]
    /// Launches that found a prepared sandbox, and those that had to wait for one.
    var hits: UInt64 = 0
    var misses: UInt64 = 0

    fileprivate func moved(_ slot: Slot, from old: Slot.State) {
        if case .building = old { building -= 1 }
        if case .prepared = old { prepared[slot.name] = nil }
        if case .building = slot.state { building += 1 }
        if case .prepared = slot.state { prepared[slot.name] = slot }
    }
}
