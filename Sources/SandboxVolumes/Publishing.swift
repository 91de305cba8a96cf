import SandboxModel
import Synchronization

/// What is to be done in the background, and when.
final class Publishing: Sendable {
    private struct State {
        /// When each sandbox that may write is next looked at.
        var due: [SandboxID: ContinuousClock.Instant] = [:]
        /// Ended sandboxes whose writes are still to be published.
        var owed: Set<SandboxID> = []
        var merges: Set<VolumeID> = []
        var working: Set<SandboxID> = []
        var merging: Set<VolumeID> = []
    }

    private let state = Mutex(State())
    private let interval: Duration

    init(interval: Duration) { self.interval = interval }

    func begin(_ sandbox: SandboxID) {
        state.withLock { $0.due[sandbox] = .now + interval }
    }

    func end(_ sandbox: SandboxID) {
        state.withLock { state in
            state.due[sandbox] = nil
            state.owed.remove(sandbox)
        }
    }

    /// It is over, and what it wrote couldn't be published.
    func owe(_ sandbox: SandboxID) {
        state.withLock { state in
            state.owed.insert(sandbox)
            state.due[sandbox] = .now + interval
        }
    }

    func wantMerge(_ volume: VolumeID) { state.withLock { _ = $0.merges.insert(volume) } }

    /// Sandboxes that are to be looked at now, and whether they are over; each until `done`.
    func takeDue() -> [(id: SandboxID, isOver: Bool)] {
        let now = ContinuousClock.now
        return state.withLock { state in
            let due = state.due.filter { $0.value <= now && !state.working.contains($0.key) }.map(\.key)
            state.working.formUnion(due)
            return due.map { ($0, state.owed.contains($0)) }
        }
    }

    /// The longer it took, the longer the sandbox is left alone: it stands still for a tenth of its time at most.
    func done(_ sandbox: SandboxID, after taken: Duration) {
        state.withLock { state in
            state.working.remove(sandbox)
            if state.due[sandbox] != nil { state.due[sandbox] = .now + max(interval, taken * 10) }
        }
    }

    func takeMerges() -> [VolumeID] {
        state.withLock { state in
            let wanted = state.merges.subtracting(state.merging)
            state.merging.formUnion(wanted)
            state.merges.subtract(wanted)
            return Array(wanted)
        }
    }

    func merged(_ volume: VolumeID) { state.withLock { _ = $0.merging.remove(volume) } }
}
