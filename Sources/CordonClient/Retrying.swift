import CordonAPI

/// When a failed call is tried again: lost connections and 503, with growing pauses, for a while.
struct Retrying {
    let patience: Duration
    private var firstFailure: ContinuousClock.Instant?
    private var delay: Duration = .milliseconds(50)

    init(patience: Duration) { self.patience = patience }

    /// Something worked: the patience starts anew.
    mutating func progressed() {
        firstFailure = nil
        delay = .milliseconds(50)
    }

    /// Waits before the next try; throws when there is to be none.
    mutating func pause(after error: any Error) async throws {
        let reason: String
        switch error {
        case let lost as ConnectionLost: reason = lost.reason
        case ClientError.refused(let problem) where problem.status == 503: reason = problem.detail
        default: throw error
        }
        let start = firstFailure ?? .now
        firstFailure = start
        guard ContinuousClock.now - start < patience else { throw ClientError.unreachable(reason) }
        try await Task.sleep(for: delay)
        delay = min(delay * 2, .seconds(2))
    }
}
