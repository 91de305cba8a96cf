import SandboxModel
import Synchronization

/// How many calls may wait at a time, in the whole service.
final class WaiterBudget: Sendable {
    private let limit: Int
    private let count = Mutex(0)

    init(limit: Int) { self.limit = limit }

    func take() throws(CordonError) {
        let taken = count.withLock { count in
            guard count < limit else { return false }
            count += 1
            return true
        }
        guard taken else { throw .overLimit("too many calls wait", limit, rule: "wait less, or for fewer things") }
    }

    func giveBack() { count.withLock { $0 -= 1 } }
}

/// What a call can wait for.
enum WaitTopic: Hashable, Sendable {
    /// The end of the creation, good or bad.
    case launch
    case ending
    case events
    case readiness
    case exec(ExecID)
}

/// The calls that wait for something about one sandbox.
struct Waiters {
    private var next: UInt64 = 0
    private var waiting: [WaitTopic: [UInt64: CheckedContinuation<Void, Never>]] = [:]

    /// A ticket to wait with.
    mutating func ticket() -> UInt64 {
        next += 1
        return next
    }

    mutating func add(_ continuation: CheckedContinuation<Void, Never>, ticket: UInt64, for topic: WaitTopic) {
        waiting[topic, default: [:]][ticket] = continuation
    }

    /// Wakes everyone who waits for `topic`.
    mutating func wake(_ topic: WaitTopic) {
        for continuation in (waiting.removeValue(forKey: topic) ?? [:]).values { continuation.resume() }
    }

    /// Wakes one, if it still waits.
    mutating func wake(_ ticket: UInt64, of topic: WaitTopic) {
        waiting[topic]?.removeValue(forKey: ticket)?.resume()
        if waiting[topic]?.isEmpty == true { waiting.removeValue(forKey: topic) }
    }
}

extension Sandbox {
    /// Suspends until `topic` is woken, `limit` has passed or the caller is cancelled; the caller
    /// looks at the state again.
    func pause(for topic: WaitTopic, upTo limit: Duration?) async throws {
        try world.waiters.take()
        defer { world.waiters.giveBack() }
        let ticket = waiters.ticket()
        // Ends with this call, which cancels it.
        let timer = limit.map { limit in
            Task {
                try? await world.clock.sleep(for: limit)
                self.wake(ticket, of: topic)
            }
        }
        defer { timer?.cancel() }
        await withTaskCancellationHandler {
            // This body runs on the actor up to the suspension, so the cancellation handler's task,
            // which needs the actor, always finds the continuation.
            await withCheckedContinuation { waiters.add($0, ticket: ticket, for: topic) }
        } onCancel: {
            Task { await self.wake(ticket, of: topic) }
        }
    }

    private func wake(_ ticket: UInt64, of topic: WaitTopic) { waiters.wake(ticket, of: topic) }

    /// Pauses until `isDone` holds or `limit` has passed; false when it still doesn't hold. Throws
    /// when the caller is cancelled: one that asks again and again must come to an end.
    func wait(for topic: WaitTopic, upTo limit: Duration, until isDone: () -> Bool) async throws -> Bool {
        let limit = min(limit, world.limits.maxWait)
        let end = world.clock.uptime() + limit
        while !isDone() {
            let left = end - world.clock.uptime()
            guard left > .zero else { return false }
            try Task.checkCancellation()
            try await pause(for: topic, upTo: left)
        }
        return true
    }
}
