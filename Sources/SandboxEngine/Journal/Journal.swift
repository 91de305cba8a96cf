import Logging
import SandboxModel
import Synchronization

/// Writes changes down in the order in which they were handed over, as many in one transaction as
/// have come together meanwhile.
///
/// Handing over is synchronous: an actor that does so in the same step as its state change has its
/// changes written in the order of its states. What is not awaited may be lost by SIGKILL; that is
/// allowed only where recovery finds the same out from the machine's side.
package final class Journal: Sendable {
    private struct Entry {
        var changes: [RecordChange]
        var done: CheckedContinuation<Void, any Error>?
    }

    private struct State {
        var pending: [Entry] = []
        var isDraining = false
        var isFailing = false
    }

    private let records: any SandboxRecords
    private let logger: Logger
    private let state = Mutex(State())

    package init(records: any SandboxRecords, logger: Logger) {
        self.records = records
        self.logger = logger
    }

    /// Whether the latest write went wrong: what happens now may not be on record.
    package var isFailing: Bool { state.withLock(\.isFailing) }

    /// Something was written elsewhere: the records take writes again.
    package func noteSuccess() { state.withLock { $0.isFailing = false } }

    /// Hands changes over without waiting. A failure is logged and makes the service unready.
    package func write(_ changes: [RecordChange]) {
        guard !changes.isEmpty else { return }
        enqueue(Entry(changes: changes, done: nil))
    }

    /// Hands changes over and returns when they, and all before them, are written.
    nonisolated(nonsending) package func commit(_ changes: [RecordChange]) async throws {
        try await withCheckedThrowingContinuation { done in
            enqueue(Entry(changes: changes, done: done))
        }
    }

    /// Returns when everything that was handed over so far has been tried.
    nonisolated(nonsending) package func settle() async {
        guard state.withLock({ $0.isDraining }) else { return }
        try? await commit([])
    }

    private func enqueue(_ entry: Entry) {
        let mustStart = state.withLock { state in
            state.pending.append(entry)
            defer { state.isDraining = true }
            return !state.isDraining
        }
        // Nobody waits for this task itself: whoever needs its outcome holds a continuation.
        if mustStart { Task { await drain() } }
    }

    private func drain() async {
        while true {
            let batch = state.withLock { state in
                defer { state.pending.removeAll() }
                if state.pending.isEmpty { state.isDraining = false }
                return state.pending
            }
            guard !batch.isEmpty else { return }
            await write(batch)
        }
    }

    private func write(_ batch: [Entry]) async {
        do {
            try await records.commit(batch.flatMap(\.changes))
            state.withLock { $0.isFailing = false }
            for entry in batch { entry.done?.resume() }
        } catch  where batch.count > 1 {
            // One bad change must not take the others with it.
            for entry in batch { await write([entry]) }
        } catch {
            let isMissing = batch.allSatisfy(\.changes.isEmpty)
            if !isMissing { state.withLock { $0.isFailing = true } }
            logger.error("changes could not be written down", metadata: ["error": "\(error)"])
            for entry in batch { entry.done?.resume(throwing: error) }
        }
    }
}
