import Synchronization

/// The bytes that all connections together have handed to NIO beyond each one's first piece: however many
/// clients stop reading, memory is bounded.
package final class OutboundRoom: Sendable {
    private let limit: Int
    private let used = Mutex(0)

    package init(limit: Int) { self.limit = limit }

    package func take(_ bytes: Int) -> Bool {
        used.withLock { used in
            guard used + bytes <= limit else { return false }
            used += bytes
            return true
        }
    }

    package func giveBack(_ bytes: Int) { used.withLock { $0 -= bytes } }
}

/// The bytes that one connection may have handed to NIO and not yet on the wire: who wants to hand
/// over more waits, in order, until enough has gone.
package final class OutboundCredit: Sendable {
    private struct Waiter {
        let number: Int
        let bytes: Int
        let continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var used = 0
        /// What of it is taken from the room of all.
        var shared = 0
        var nextNumber = 0
        var waiters: [Waiter] = []
        var isOver = false
    }

    private let limit: Int
    private let room: OutboundRoom
    private let state = Mutex(State())

    package init(limit: Int, room: OutboundRoom) {
        self.limit = limit
        self.room = room
    }

    /// Returns once `bytes` fit in, or nothing else is under way. Throws `ClientGone` when the
    /// connection is over, `CancellationError` when the caller is cancelled.
    package func take(_ bytes: Int) async throws {
        let number = state.withLock { state in
            state.nextNumber += 1
            return state.nextNumber
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let outcome: Result<Void, any Error>? = state.withLock { state in
                    if state.isOver { return .failure(ClientGone()) }
                    if Task.isCancelled { return .failure(CancellationError()) }
                    if state.waiters.isEmpty, admit(bytes, &state) { return .success(()) }
                    state.waiters.append(Waiter(number: number, bytes: bytes, continuation: continuation))
                    return nil
                }
                if let outcome { continuation.resume(with: outcome) }
            }
        } onCancel: {
            cancel(number)
        }
    }

    /// So many bytes are on the wire.
    package func give(_ bytes: Int) {
        let admitted = state.withLock { state in
            state.used -= bytes
            // What is left under way is counted first.
            let surplus = max(0, state.shared - max(0, state.used))
            state.shared -= surplus
            room.giveBack(surplus)
            return admitWaiting(&state)
        }
        for waiter in admitted { waiter.continuation.resume() }
    }

    /// The connection is over: nobody waits any more.
    package func end() {
        let waiters = state.withLock { state in
            state.isOver = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.continuation.resume(throwing: ClientGone()) }
    }

    /// The first piece always goes: whoever waits for room has something under way that will give some back.
    private func admit(_ bytes: Int, _ state: inout State) -> Bool {
        if state.used > 0 {
            guard state.used + bytes <= limit, room.take(bytes) else { return false }
            state.shared += bytes
        }
        state.used += bytes
        return true
    }

    private func admitWaiting(_ state: inout State) -> [Waiter] {
        var admitted: [Waiter] = []
        while let first = state.waiters.first, admit(first.bytes, &state) {
            admitted.append(state.waiters.removeFirst())
        }
        return admitted
    }

    private func cancel(_ number: Int) {
        let (cancelled, admitted) = state.withLock { state -> (Waiter?, [Waiter]) in
            guard let index = state.waiters.firstIndex(where: { $0.number == number }) else { return (nil, []) }
            let waiter = state.waiters.remove(at: index)
            return (waiter, admitWaiting(&state))
        }
        cancelled?.continuation.resume(throwing: CancellationError())
        for waiter in admitted { waiter.continuation.resume() }
    }
}
