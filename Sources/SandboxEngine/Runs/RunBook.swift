import SandboxModel
import Synchronization

/// The runs that somebody waits for: who repeats a request shares the first one's work.
final class RunBook: Sendable {
    /// What the claimants of one run share.
    struct Entry: Sendable {
        /// Without the files, which are in the sandbox, without secrets, and without stdin.
        let spec: RunSpec

        init(_ spec: RunSpec) {
            var spec = spec
            spec.files = []
            spec.stdin = nil
            spec.sandbox.secrets = []
            for index in spec.sandbox.buckets.indices { spec.sandbox.buckets[index].secrets = [] }
            self.spec = spec
        }

        var claims = 0
        var start: Task<StartedRun, any Error>?
        var finish: Task<FinishedRun, any Error>?
        var feed: Task<Void, Never>?
        var isFinished = false
        /// Bytes of stdin and of collected files that are held for the claimants.
        var heldBytes = 0
    }

    private struct State {
        var entries: [SandboxID: Entry] = [:]
        var heldBytes = 0
    }

    private let state = Mutex(State())
    private let mostHeldBytes: Int

    init(mostHeldBytes: Int) { self.mostHeldBytes = mostHeldBytes }

    /// Adds a claimant, and returns the start that all of them share.
    func claim(
        _ id: SandboxID, _ spec: RunSpec, start: @escaping @Sendable () async throws -> StartedRun
    ) -> Task<StartedRun, any Error> {
        state.withLock { state in
            var entry = state.entries[id] ?? Entry(spec)
            entry.claims += 1
            // Everybody who claims the run waits for it.
            let task = entry.start ?? Task { try await start() }
            entry.start = task
            state.entries[id] = entry
            return task
        }
    }

    /// Adds a claimant to a run that has been started.
    func join(_ id: SandboxID, _ spec: RunSpec) {
        state.withLock { $0.entries[id, default: Entry(spec)].claims += 1 }
    }

    /// Removes a claimant; the entry, when that was the last.
    func release(_ id: SandboxID) -> Entry? {
        state.withLock { state in
            guard var entry = state.entries[id] else { return nil }
            entry.claims -= 1
            if entry.claims > 0 {
                state.entries[id] = entry
                return nil
            }
            state.entries[id] = nil
            state.heldBytes -= entry.heldBytes
            return entry
        }
    }

    /// The work at the end, which all claimants share.
    func finishing(
        _ id: SandboxID, _ finish: @escaping @Sendable (RunSpec) async throws -> FinishedRun
    ) -> Task<FinishedRun, any Error>? {
        state.withLock { state in
            guard let entry = state.entries[id] else { return nil }
            if let task = entry.finish { return task }
            let task = Task { try await finish(entry.spec) }
            state.entries[id]?.finish = task
            return task
        }
    }

    func keep(feed: Task<Void, Never>, of id: SandboxID) { state.withLock { $0.entries[id]?.feed = feed } }
    func finished(_ id: SandboxID) { state.withLock { $0.entries[id]?.isFinished = true } }
    func isClaimed(_ id: SandboxID) -> Bool { state.withLock { $0.entries[id] != nil } }

    /// Takes room for bytes that are held until the last claimant leaves; false when there is none.
    func hold(_ count: Int, for id: SandboxID) -> Bool {
        state.withLock { state in
            guard state.heldBytes + count <= mostHeldBytes, state.entries[id] != nil else { return false }
            state.heldBytes += count
            state.entries[id]?.heldBytes += count
            return true
        }
    }
}
