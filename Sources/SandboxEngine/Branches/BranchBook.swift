import SandboxModel
import Synchronization

/// The branchings under way: who repeats a request under its key shares the first one's work.
final class BranchBook: Sendable {
    /// Work at a time: what it holds for its answer is bounded with it.
    private static let most = 16

    /// One branching, and those who wait for it.
    final class Work: Sendable {
        private struct State {
            var task: Task<BranchOutcome, any Error>?
            var past: [BranchEvent] = []
            var listeners: [Int: AsyncStream<BranchEvent>.Continuation] = [:]
            var nextListener = 0
            var isOver = false
        }

        private let state = Mutex(State())

        fileprivate func begin(_ task: Task<BranchOutcome, any Error>) { state.withLock { $0.task = task } }

        /// What it comes to.
        func outcome() async throws -> BranchOutcome {
            guard let task = state.withLock(\.task) else { throw CordonError(.internal, "a branching without work") }
            return try await task.value
        }

        func cancel() { state.withLock(\.task)?.cancel() }

        func tell(_ event: BranchEvent) {
            let listeners = state.withLock { state in
                state.past.append(event)
                return Array(state.listeners.values)
            }
            for listener in listeners { listener.yield(event) }
        }

        fileprivate func finish() {
            let listeners = state.withLock { state in
                state.isOver = true
                defer { state.listeners = [:] }
                return Array(state.listeners.values)
            }
            for listener in listeners { listener.finish() }
        }

        /// All that has happened and happens, until it is over. There are few events, each of bounded size.
        func events() -> AsyncStream<BranchEvent> {
            let (events, feed) = AsyncStream<BranchEvent>.makeStream()
            state.withLock { state in
                for event in state.past { feed.yield(event) }
                if state.isOver { return feed.finish() }
                let number = state.nextListener
                state.nextListener += 1
                state.listeners[number] = feed
                feed.onTermination = { [weak self] _ in self?.forget(number) }
            }
            return events
        }

        private func forget(_ number: Int) { state.withLock { _ = $0.listeners.removeValue(forKey: number) } }
    }

    private struct Entry {
        let work: Work
        /// Of the request that began it.
        let bodyHash: [UInt8]?
        var claims = 1
    }

    private struct State {
        /// By a number of our own, or the key's scope.
        var entries: [KeyGate.Scope: Entry] = [:]
        var nextNumber = 0
    }

    private let state = Mutex(State())

    /// A claim on work: that of the same key where it is under way, else new work.
    struct Claim {
        fileprivate let scope: KeyGate.Scope
        let work: Work
    }

    /// Throws `resourceExhausted` when too many are under way, and what is said to who uses a key for something else.
    func claim(
        _ key: IdempotencyKey?, by caller: Caller, _ begin: @escaping @Sendable (Work) async throws -> BranchOutcome
    ) throws -> Claim {
        try state.withLock { state in
            state.nextNumber += 1
            // No request has an empty token: numbers and keys never meet.
            let scope = key.map { KeyGate.Scope($0, caller) } ?? KeyGate.Scope(number: state.nextNumber)
            if let entry = state.entries[scope] {
                if let key, key.bodyHash != entry.bodyHash { throw CordonError.keyConflict(key) }
                state.entries[scope]?.claims += 1
                return Claim(scope: scope, work: entry.work)
            }
            guard state.entries.count < Self.most else {
                throw CordonError(
                    .resourceExhausted, "\(Self.most) branchings are under way", retryAfter: .seconds(1))
            }
            let work = Work()
            // Everybody who claims it waits for it; the last to leave sees to its end.
            work.begin(
                Task {
                    defer { work.finish() }
                    return try await begin(work)
                })
            state.entries[scope] = Entry(work: work, bodyHash: key?.bodyHash)
            return Claim(scope: scope, work: work)
        }
    }

    /// Gives a claim back after the work is over.
    func release(_ claim: Claim) { drop(claim) { _ in } }

    /// Gives a claim back before that; the work is given up with the last, unless somebody claims it within `grace`.
    func leave(_ claim: Claim, after grace: @escaping @Sendable () async -> Void) {
        // Waited for by nobody: it ends with the grace, and the work by itself.
        Task {
            await grace()
            drop(claim) { $0.cancel() }
        }
    }

    private func drop(_ claim: Claim, _ last: (Work) -> Void) {
        let abandoned = state.withLock { state -> Work? in
            guard var entry = state.entries[claim.scope], entry.work === claim.work else { return nil }
            entry.claims -= 1
            state.entries[claim.scope] = entry.claims > 0 ? entry : nil
            return entry.claims > 0 ? nil : entry.work
        }
        if let abandoned { last(abandoned) }
    }
}

extension KeyGate.Scope {
    /// A scope of nobody's request.
    fileprivate init(number: Int) { (token, route, key) = ("", "", "\(number)") }
}
