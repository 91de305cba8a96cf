import Synchronization

/// Fires once, when the command is over; waits that it makes pointless end then.
final class ExitSignal: Sendable {
    private struct State {
        var time: ContinuousClock.Instant?
        var nextToken = 0
        var cancellations: [Int: @Sendable () -> Void] = [:]
    }

    private let state = Mutex(State())

    /// When it fired.
    var time: ContinuousClock.Instant? { state.withLock { $0.time } }

    func fire() {
        let cancellations = state.withLock { state in
            if state.time == nil { state.time = .now }
            return state.cancellations.values
        }
        for cancel in cancellations { cancel() }
    }

    /// Runs a wait to its end, or until the signal fires: false then.
    func unlessFired(_ operation: @escaping @Sendable () async throws -> Void) async throws -> Bool {
        // Awaited right below, whatever happens.
        let task = Task { try await operation() }
        let (token, hasFired) = state.withLock { state in
            state.nextToken += 1
            state.cancellations[state.nextToken] = { task.cancel() }
            return (state.nextToken, state.time != nil)
        }
        if hasFired { task.cancel() }
        let result = await withTaskCancellationHandler {
            await task.result
        } onCancel: {
            task.cancel()
        }
        state.withLock { $0.cancellations[token] = nil }
        try Task.checkCancellation()
        do {
            try result.get()
            return true
        } catch {
            if time != nil { return false }
            throw error
        }
    }
}
