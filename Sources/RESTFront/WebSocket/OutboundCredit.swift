import Synchronization

/// The bytes that one connection may have handed to NIO and not yet on the wire: who wants to hand
/// over more waits, in order, until enough has gone.
final class OutboundCredit: Sendable {
    private struct Waiter {
        let number: Int
        let bytes: Int
        let continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var used = 0
        var nextNumber = 0
        var waiters: [Waiter] = []
        var isOver = false
    }

    private let limit: Int
    private let state = Mutex(State())

    init(limit: Int) { self.limit = limit }

    /// Returns once `bytes` fit in, or nothing else is under way. Throws `ClientGone` when the
    /// connection is over, `CancellationError` when the caller is cancelled.
    func take(_ bytes: Int) async throws {
        let number = state.withLock { state in
            state.nextNumber += 1
            return state.nextNumber
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let outcome: Result<Void, any Error>? = state.withLock { state in
                    if state.isOver { return .failure(ClientGone()) }
                    if Task.isCancelled { return .failure(CancellationError()) }
                    if state.waiters.isEmpty, fits(bytes, state) {
                        state.used += bytes
                        return .success(())
                    }
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
    func give(_ bytes: Int) {
        let admitted = state.withLock { state in
            state.used -= bytes
            return admit(&state)
        }
        for waiter in admitted { waiter.continuation.resume() }
    }

    /// The connection is over: nobody waits any more.
    func end() {
        let waiters = state.withLock { state in
            state.isOver = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.continuation.resume(throwing: ClientGone()) }
    }

    private func fits(_ bytes: Int, _ state: State) -> Bool { state.used == 0 || state.used + bytes <= limit }

    private func admit(_ state: inout State) -> [Waiter] {
        var admitted: [Waiter] = []
        while let first = state.waiters.first, fits(first.bytes, state) {
            state.used += first.bytes
            admitted.append(state.waiters.removeFirst())
        }
        return admitted
    }

    private func cancel(_ number: Int) {
        let (cancelled, admitted) = state.withLock { state -> (Waiter?, [Waiter]) in
            guard let index = state.waiters.firstIndex(where: { $0.number == number }) else { return (nil, []) }
            let waiter = state.waiters.remove(at: index)
            return (waiter, admit(&state))
        }
        cancelled?.continuation.resume(throwing: CancellationError())
        for waiter in admitted { waiter.continuation.resume() }
    }
}
