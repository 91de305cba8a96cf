import CLinux
import Glibc
import Synchronization

/// A thread of its own that runs an event loop, and a state that only this thread ever touches.
///
/// It lives as long as the process does, whoever lets go of this value.
public final class LoopThread<State>: Sendable {
    private typealias Work = @Sendable (State) -> Void

    private let work: Mutex<[Work]>
    private let wake: WakeUp

    /// Starts the thread; `make` runs on it first.
    ///
    /// - Parameter name: as `/proc` shows it; 15 bytes.
    public init(name: String, make: @escaping @Sendable (EventLoop) throws -> State) throws(SystemCallError) {
        work = Mutex([])
        wake = try WakeUp()
        let failure = startThread(
            ThreadBody { [self] in
                _ = cordon_name_thread(name)
                do {
                    let loop = try EventLoop()
                    let state = try make(loop)
                    try self.wake.watch(on: loop) { self.serve(state) }
                    try loop.run()
                } catch { fatalError("the thread \(name) can't go on: \(error)") }
            })
        guard failure == 0 else { throw SystemCallError("pthread_create", name, errno: failure) }
    }

    /// Has the thread do something, after what it was asked before.
    public func perform(_ action: @escaping @Sendable (State) -> Void) {
        work.withLock { $0.append(action) }
        wake.signal()
    }

    private func serve(_ state: State) {
        let actions = work.withLock { work in
            defer { work.removeAll(keepingCapacity: true) }
            return work
        }
        for action in actions { action(state) }
    }
}

/// What a new thread runs.
private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

/// Starts a thread that nobody joins.
private func startThread(_ body: ThreadBody) -> Int32 {
    var thread = pthread_t()
    let raw = Unmanaged.passRetained(body).toOpaque()
    let failure = pthread_create(
        &thread, nil,
        { raw in
            if let raw { Unmanaged<ThreadBody>.fromOpaque(raw).takeRetainedValue().run() }
            return nil
        }, raw)
    guard failure == 0 else {
        Unmanaged<ThreadBody>.fromOpaque(raw).release()
        return failure
    }
    pthread_detach(thread)
    return 0
}
