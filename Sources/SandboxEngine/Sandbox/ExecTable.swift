import SandboxModel

/// The execs of one sandbox that are held in memory: all that aren't over, and the latest that are.
struct ExecTable {
    private var known: [ExecID: ExecSnapshot] = [:]
    /// Those that are over, first ended first.
    private var recent: [ExecID] = []
    /// About how much memory those take.
    private var recentBytes = 0
    /// How many are on record.
    private(set) var total: Int
    private(set) var unfinishedCount: Int
    /// Whether nothing is on record beyond what is here.
    private(set) var holdsAll: Bool
    /// Execs are ordered strictly by the time of their creation.
    private var lastCreatedAt: Int64 = 0

    init(_ recorded: RecordedSandbox) {
        total = recorded.execCount
        unfinishedCount = recorded.unfinishedExecs.count
        let isOver = if case .ended = recorded.snapshot.status { true } else { false }
        holdsAll = !isOver && recorded.execCount == recorded.unfinishedExecs.count
        for exec in recorded.unfinishedExecs {
            known[exec.id] = exec
            lastCreatedAt = max(lastCreatedAt, exec.createdAt.microseconds)
        }
    }

    subscript(id: ExecID) -> ExecSnapshot? { known[id] }

    /// A time of creation that no other exec of this sandbox has.
    mutating func nextCreatedAt(_ now: Timestamp) -> Timestamp {
        lastCreatedAt = max(now.microseconds, lastCreatedAt + 1)
        return Timestamp(microseconds: lastCreatedAt)
    }

    /// Those that aren't over, oldest first.
    var unfinished: [ExecSnapshot] {
        known.values.filter { !$0.isOver }.sorted { $0.createdAt < $1.createdAt }
    }

    /// All that are here, oldest first.
    var all: [ExecSnapshot] { known.values.sorted { $0.createdAt < $1.createdAt } }

    /// Adds one that starts.
    mutating func add(_ exec: ExecSnapshot) {
        known[exec.id] = exec
        total += 1
        unfinishedCount += 1
    }

    /// Takes back one that never came to be.
    mutating func remove(_ id: ExecID) {
        guard let exec = known.removeValue(forKey: id) else { return }
        total -= 1
        if exec.isOver {
            recent.removeAll { $0 == id }
            recentBytes -= exec.spec.bytes
        } else {
            unfinishedCount -= 1
        }
    }

    /// Takes back one that turned out to be on record already.
    mutating func removeDuplicate(_ id: ExecID) {
        remove(id)
        holdsAll = false
    }

    /// Puts a new state in; of those that are over only `keeping` stay, and of their specs `bytes`.
    mutating func update(_ exec: ExecSnapshot, keeping: Int, bytes: Int) {
        let wasOver = known.updateValue(exec, forKey: exec.id)?.isOver ?? false
        guard exec.isOver, !wasOver else { return }
        unfinishedCount -= 1
        recent.append(exec.id)
        recentBytes += exec.spec.bytes
        shrink(to: keeping, bytes: bytes)
    }

    /// Leaves the latest that are over to the records, but for so many, and so many bytes of their specs.
    mutating func shrink(to count: Int, bytes: Int) {
        while recent.count > count || recentBytes > bytes {
            holdsAll = false
            guard let gone = known.removeValue(forKey: recent.removeFirst()) else { continue }
            recentBytes -= gone.spec.bytes
        }
    }

    /// Counts what trimming the records leaves.
    mutating func trimmed(to count: Int) {
        total = min(total, count)
        holdsAll = false
    }
}

extension ExecSnapshot {
    var isOver: Bool { if case .ended = status { true } else { false } }
}

extension ExecSpec {
    /// About how much memory its variable parts take.
    fileprivate var bytes: Int { 512 + command.bytes + environment.bytes }
}

extension CommandSpec {
    var bytes: Int { argv.reduce(0) { $0 + $1.utf8.count + 16 } }
}

extension Environment {
    var bytes: Int { variables.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count + 32 } }
}
