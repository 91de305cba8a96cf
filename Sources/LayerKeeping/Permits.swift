import Synchronization

/// A number of places for work; who finds none waits, first come, first served.
package final class Permits: Sendable {
    private struct State {
        var free: Int
        var nextTicket: UInt64 = 0
        var queue: [(ticket: UInt64, waiter: CheckedContinuation<Void, any Error>)] = []
    }

    private let state: Mutex<State>

    package init(_ count: Int) { state = Mutex(State(free: count)) }

    /// Does `work` in a place. Throws `CancellationError` when cancelled while it waits for one.
    package func hold<Value>(
        _ work: () async throws -> Value
    ) async throws -> Value {
        try await take()
        defer { giveBack() }
        return try await work()
    }

    private func take() async throws {
        let ticket = state.withLock { state in
            state.nextTicket += 1
            return state.nextTicket
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let outcome: Result<Void, any Error>? = state.withLock { state in
                    if Task.isCancelled { return .failure(CancellationError()) }
                    if state.free > 0 {
                        state.free -= 1
                        return .success(())
                    }
                    state.queue.append((ticket, continuation))
                    return nil
                }
                if let outcome { continuation.resume(with: outcome) }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                state.queue.firstIndex { $0.ticket == ticket }.map { state.queue.remove(at: $0).waiter }
            }
            waiter?.resume(throwing: CancellationError())
        }
    }

    private func giveBack() {
        let next = state.withLock { state -> CheckedContinuation<Void, any Error>? in
            guard !state.queue.isEmpty else {
                state.free += 1
                return nil
            }
            return state.queue.removeFirst().waiter
        }
        next?.resume()
    }
}

/// One at a time for each key.
package final class Turns<Key: Hashable & Sendable>: Sendable {
    private struct Entry {
        let permits = Permits(1)
        var users = 0
    }

    private let entries = Mutex<[Key: Entry]>([:])

    package init() {}

    /// Does `work` while nobody else works under the same key.
    package func hold<Value>(
        _ key: Key, _ work: () async throws -> Value
    ) async throws -> Value {
        let permits = entries.withLock { entries in
            entries[key, default: Entry()].users += 1
            return entries[key]?.permits
        }
        defer {
            entries.withLock { entries in
                entries[key]?.users -= 1
                if entries[key]?.users == 0 { entries.removeValue(forKey: key) }
            }
        }
        guard let permits else { return try await work() }
        return try await permits.hold(work)
    }

    /// Whether somebody works, or waits, under a key.
    package func isBusy(_ key: Key) -> Bool { entries.withLock { $0[key] != nil } }
}
