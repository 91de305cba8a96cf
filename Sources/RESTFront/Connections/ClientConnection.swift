import SandboxModel
import Synchronization

/// The client closed its side: nobody reads what would be answered.
struct ClientGone: Error {}

/// What request handlers know of the connection they serve: whether the client is still there.
final class ClientConnection: Sendable {
    private struct State {
        var gone = false
        var quiescing = false
        var slowBody = false
        var nextToken = 0
        var cancellations: [Int: @Sendable () -> Void] = [:]
        var atQuiesce: (@Sendable () -> Void)?
    }

    /// Whether it is one stream of an HTTP/2 connection.
    let isStream: Bool
    private let state = Mutex(State())

    init(isStream: Bool = false) { self.isStream = isStream }

    /// Whether the body being read may take as long as it likes (stdin).
    var allowsSlowBody: Bool {
        get { state.withLock { $0.slowBody } }
        set { state.withLock { $0.slowBody = newValue } }
    }

    /// Whether the client has left.
    var isGone: Bool { state.withLock { $0.gone } }
    /// Whether the service shuts down.
    var isQuiescing: Bool { state.withLock { $0.quiescing } }

    /// The client closed its sending side or the whole connection.
    func clientLeft() {
        let cancellations = state.withLock { state in
            state.gone = true
            return state.cancellations.values
        }
        for cancel in cancellations { cancel() }
    }

    /// The service shuts down: whatever waits gives up.
    func quiesce() {
        let (cancellations, also) = state.withLock { state in
            state.quiescing = true
            return (state.cancellations.values, state.atQuiesce)
        }
        for cancel in cancellations { cancel() }
        also?()
    }

    /// Has `action` called when the service shuts down; at once when it does already.
    func atQuiesce(_ action: @escaping @Sendable () -> Void) {
        let isLate = state.withLock { state in
            state.atQuiesce = action
            return state.quiescing
        }
        if isLate { action() }
    }

    /// Runs a wait that ends early when the client leaves (`ClientGone`), the service shuts down
    /// (`unavailable`), or the caller is cancelled.
    func whilePresent<Value: Sendable>(
        _ operation: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        // Awaited right below, whatever happens.
        let task = Task(executorPreference: CallerExecutor.current) { try await operation() }
        let (token, over) = state.withLock { state in
            state.nextToken += 1
            state.cancellations[state.nextToken] = { task.cancel() }
            return (state.nextToken, state.gone || state.quiescing)
        }
        if over { task.cancel() }
        let result = await withTaskCancellationHandler {
            await task.result
        } onCancel: {
            task.cancel()
        }
        let (gone, quiescing) = state.withLock { state in
            state.cancellations[token] = nil
            return (state.gone, state.quiescing)
        }
        switch result {
        case .success(let value): return value
        case .failure(let error):
            if gone { throw ClientGone() }
            if quiescing {
                throw CordonError(.unavailable, "the service is shutting down; ask again", retryAfter: .seconds(1))
            }
            throw error
        }
    }
}

/// What one request holds and gives back when its answer is over, however it ends.
final class RequestScope: Sendable {
    private let closers = Mutex<[@Sendable () async -> Void]>([])

    /// Runs `close` once the answer has been sent or has failed.
    func atEnd(_ close: @escaping @Sendable () async -> Void) {
        closers.withLock { $0.append(close) }
    }

    /// Runs what was registered, also for a request whose task has been cancelled.
    func end() async {
        let all = closers.withLock { closers in
            defer { closers = [] }
            return closers
        }
        guard !all.isEmpty else { return }
        // A task of its own: teardown isn't cancelled with the request. Awaited here.
        await Task(executorPreference: CallerExecutor.current) { for close in all.reversed() { await close() } }.value
    }
}
