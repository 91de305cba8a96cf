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
        /// Told whose it is; the answer is due.
        case assigning(answer: (Result<Launched, Failure>) -> Void)
        case running
        /// Its shim is dead; what it leaves is being removed.
        case reclaiming
    }

    let name: String
    let idBase: UInt32
    let group: ControlGroup
    var state = State.building
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
    /// It was told whose it is but never ran: nothing of it is kept.
    var launchFailed = false

    init(name: String, idBase: UInt32, group: ControlGroup) {
        self.name = name
        self.idBase = idBase
        self.group = group
    }

    var isPrepared: Bool { if case .prepared = state { true } else { false } }
    var isBuilding: Bool { if case .building = state { true } else { false } }
    var isReclaiming: Bool { if case .reclaiming = state { true } else { false } }
}
