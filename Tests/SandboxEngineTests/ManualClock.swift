import SandboxEngine
import SandboxModel
import Synchronization

/// A clock that stands still until it is told to go on.
final class ManualClock: EngineClock {
    private struct Sleeper {
        var until: Duration
        var continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var elapsed: Duration = .zero
        var next = 0
        var sleepers: [Int: Sleeper] = [:]
        var cancelled: Set<Int> = []
    }

    private static let start = Timestamp(microseconds: 1_750_000_000_000_000)
    private let state = Mutex(State())

    func now() -> Timestamp {
        Timestamp(microseconds: Self.start.microseconds + state.withLock { $0.elapsed.microseconds })
    }

    func uptime() -> Duration { state.withLock { $0.elapsed } }

    /// How many sleep at the moment.
    var sleeping: Int { state.withLock { $0.sleepers.count } }

    func sleep(for duration: Duration) async throws {
        let number = state.withLock { state in
            state.next += 1
            return state.next
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let isOver = state.withLock { state -> Bool in
                    if state.cancelled.remove(number) != nil { return true }
                    state.sleepers[number] = Sleeper(until: state.elapsed + duration, continuation: continuation)
                    return false
                }
                if isOver { continuation.resume(throwing: CancellationError()) }
            }
        } onCancel: {
            let sleeper = state.withLock { state -> Sleeper? in
                guard let sleeper = state.sleepers.removeValue(forKey: number) else {
                    state.cancelled.insert(number)
                    return nil
                }
                return sleeper
            }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
    }

    func advance(by duration: Duration) {
        let due = state.withLock { state in
            state.elapsed += duration
            let due = state.sleepers.filter { $0.value.until <= state.elapsed }
            for number in due.keys { state.sleepers.removeValue(forKey: number) }
            return due.values.map(\.continuation)
        }
        for continuation in due { continuation.resume() }
    }
}
