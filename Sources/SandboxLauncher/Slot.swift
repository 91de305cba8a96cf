import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// What a slot is built for: all that can't be changed once it is there.
struct SlotKind: Hashable {
    /// What its `/` shows before anything is written to it.
    let root: RootImage
    /// The size of a disk of its own; 0 for none.
    var diskMiB: UInt32 = 0
    /// The running sandbox in whose network it is built, for which none is prepared ahead; nil for one of its own.
    var sidecarOf: SandboxID?
}

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
    let kind: SlotKind
    var root: RootImage { kind.root }
    /// What the host's `/usr` was known by when it was built; empty where nobody knows any more.
    let hostPrint: String
    var state = State.building {
        didSet {
            pool.moved(self, from: oldValue)
            // The descriptor alone would keep it.
            if isReclaiming { networkNamespace = nil }
        }
    }
    private let pool: SlotPool
    var sandbox: SandboxID?
    /// Of the shim; readable once it is dead.
    var pidfd: Descriptor?
    var pid: pid_t = 0
    /// Init's process id on the host; 0 where it isn't known.
    var initProcess: pid_t = 0
    /// Its place on the instance's network; nil without one.
    var network: SlotNetwork?
    /// Kept from its first use on.
    var networkNamespace: Descriptor?
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
    /// Those who wait for its end know of it.
    var isTold = false
    /// What is mounted in it, by path, with the layers that are shown.
    var mounts: [FilePath: ShownLayers] = [:]
    /// When it was last looked whether something was written to a volume, in its own processor time, and what of it
    /// was published then.
    var quietSince: [FilePath: Quiet] = [:]

    struct Quiet: Hashable {
        var time: UInt64
        var published: LayerName?
    }

    /// What it wrote becomes this layer when it ends.
    var keep: LayerKeeping?
    /// Whether it stands still because the disk is at its reserve, and what it had written when that was last looked at.
    var isHeld = false
    var written: DiskUse?
    /// Its own disk, mounted; let go of by the process that removes the slot.
    var disk: LoopFileSystem?

    init(
        name: String, idBase: UInt32, group: ControlGroup, kind: SlotKind = SlotKind(root: .host),
        hostPrint: String = "",
        pool: SlotPool
    ) {
        self.name = name
        self.hostPrint = hostPrint
        self.pool = pool
        self.idBase = idBase
        self.group = group
        self.kind = kind
        pool.moved(self, from: nil)
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
    let kind: SlotKind
    /// What is mounted before anything runs.
    let mounts: [LayerMount]
    let buckets: [BucketOrder]
    let answer: (Result<Launched, Failure>) -> Void
}

/// Which slots are ready to be somebody's, by what they are built for: known at any time without looking at all of them.
final class SlotPool {
    private var buildingCounts: [SlotKind: Int] = [:]
    private var ready: [SlotKind: [String: Slot]] = [:]
    /// Launches that found a prepared sandbox, and those that had to wait for one.
    var hits: UInt64 = 0
    var misses: UInt64 = 0
    /// Kinds besides the usual that were asked for, and when they last were (CLOCK_BOOTTIME).
    private(set) var wanted: [SlotKind: UInt64] = [:]
    private static let mostKinds = 8

    var building: Int { buildingCounts.values.reduce(0, +) }
    var preparedCount: Int { ready.values.reduce(0) { $0 + $1.count } }
    var prepared: [Slot] { ready.values.flatMap(\.values) }
    /// All kinds of which something is there, is being built, or is wanted.
    var kinds: Set<SlotKind> { Set(ready.keys).union(buildingCounts.keys).union(wanted.keys) }

    func building(_ kind: SlotKind) -> Int { buildingCounts[kind] ?? 0 }
    func prepared(_ kind: SlotKind) -> [String: Slot] { ready[kind] ?? [:] }

    /// Somebody has asked for this kind, which isn't the usual: the one that was asked for longest ago makes room.
    func note(_ kind: SlotKind, at time: UInt64) {
        wanted[kind] = time
        if wanted.count > Self.mostKinds, let oldest = wanted.min(by: { $0.value < $1.value }) {
            wanted[oldest.key] = nil
        }
    }

    func forget(_ kind: SlotKind) { wanted[kind] = nil }

    fileprivate func moved(_ slot: Slot, from old: Slot.State?) {
        if case .building? = old {
            buildingCounts[slot.kind, default: 1] -= 1
            if buildingCounts[slot.kind] == 0 { buildingCounts[slot.kind] = nil }
        }
        if case .prepared? = old {
            ready[slot.kind]?[slot.name] = nil
            if ready[slot.kind]?.isEmpty == true { ready[slot.kind] = nil }
        }
        if case .building = slot.state { buildingCounts[slot.kind, default: 0] += 1 }
        if case .prepared = slot.state { ready[slot.kind, default: [:]][slot.name] = slot }
    }
}
