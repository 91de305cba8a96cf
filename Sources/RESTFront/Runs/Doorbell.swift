import SandboxModel
import Synchronization

/// Tells one who waits that one of several things has happened.
final class Doorbell: Sendable {
    private struct State {
        var hasRung = false
        var hasEnded = false
        var watched: Set<OutputStream> = []
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    /// Whether the program is over.
    var hasEnded: Bool { state.withLock { $0.hasEnded } }

    func isWatched(_ stream: OutputStream) -> Bool { state.withLock { $0.watched.contains(stream) } }
    func watching(_ stream: OutputStream) { state.withLock { _ = $0.watched.insert(stream) } }

    /// A stream has more, or its watch is over.
    func ring(for stream: OutputStream) {
        ring { $0.watched.remove(stream) }
    }

    /// The program is over.
    func end() { ring { $0.hasEnded = true } }

    private func ring(_ change: (inout State) -> Void) {
        let waiter = state.withLock { state in
            change(&state)
            state.hasRung = true
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    /// Waits for a ring since the last wait; false when there was none in time. Ends when cancelled.
    func wait(upTo limit: Duration) async -> Bool {
        let timer = Task {
            try await Task.sleep(for: limit)
            self.wake()
        }
        defer { timer.cancel() }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let goesOn = state.withLock { state in
                    guard !state.hasRung, !Task.isCancelled else { return true }
                    state.waiter = continuation
                    return false
                }
                if goesOn { continuation.resume() }
            }
        } onCancel: {
            wake()
        }
        return state.withLock { state in
            defer { state.hasRung = false }
            return state.hasRung
        }
    }

    private func wake() {
        let waiter = state.withLock { state in
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }
}

/// The tasks that ring while a run is streamed; each ends with the stream's answer.
final class Watchers: Sendable {
    private let follower: RunFollower
    private let bell: Doorbell
    private let tasks = Mutex<[OutputStream?: Task<Void, Never>]>([:])

    init(follower: RunFollower, bell: Doorbell) {
        self.follower = follower
        self.bell = bell
    }

    /// Rings once there is more of a stream.
    func watch(_ stream: OutputStream, _ reader: any OutputReader, beyond offset: UInt64) {
        bell.watching(stream)
        let (bell, step) = (bell, follower.exchange.front.options.waitStep)
        let task = Task {
            do {
                _ = try await reader.waitBeyond(offset, upTo: step)
            } catch {
                // Asked again, and told again, a little later.
                try? await Task.sleep(for: .milliseconds(100))
            }
            bell.ring(for: stream)
        }
        tasks.withLock { $0[stream] = task }
    }

    /// Rings when the program is over.
    func watchEnd() {
        let (bell, service, id) = (bell, follower.exchange.service, follower.id)
        let (step, hasProgram) = (follower.exchange.front.options.waitStep, follower.started.program != nil)
        let task = Task {
            while hasProgram, !Task.isCancelled {
                guard let program = try? await service.wait(for: RunSpec.execID, in: id, upTo: step) else { break }
                if program.status.ending != nil { break }
            }
            bell.end()
        }
        tasks.withLock { $0[nil] = task }
    }

    func cancel() {
        for task in tasks.withLock({ $0.values }) { task.cancel() }
    }
}
