import FoundationEssentials
import FrontConnections
import SandboxModel
import Synchronization

/// An exec of the file program, as its client sees it: streams and an exit status.
actor FileExec {
    /// The most that is kept of one's output.
    static let maximumBytes = 16 << 20
    /// What a reader of output that still comes has been given, and may ask for again after a cut.
    private static let resumedBytes = 64 << 10

    let createdAt = ContinuousClock.now
    /// The file whose bytes are its stdout; nil for one that has its output here.
    private(set) var source: FilePath?
    /// What takes its stdin; nil for one that reads none.
    nonisolated let upload: FileUpload?
    private var output = Data()
    /// How many bytes came before those that are kept.
    private var dropped = 0
    /// The output's share of the room for all; given back once it is taken, or nobody asks any more.
    private let held: HeldBytes
    /// Why it failed; nil as long as it hasn't.
    private(set) var failure: FileFailure?
    private(set) var code: Int32?
    private nonisolated let over = Mutex(false)
    private var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
    private var nextWaiter: UInt64 = 0
    private var work: Task<Void, Never>?

    init(takesInput: Bool, in room: Places) {
        upload = takesInput ? FileUpload() : nil
        held = HeldBytes(in: room)
    }

    nonisolated var isOver: Bool { over.withLock { $0 } }

    /// Does the work in the background; `finish` says what came of it. Its task ends with `stop` or by itself.
    func begin(_ work: @escaping @Sendable (FileExec) async -> Void) { self.work = Task { await work(self) } }

    /// Its client wants no more of it.
    func stop() { work?.cancel() }

    /// Throws `resourceExhausted` where it is more than there is room for.
    func add(_ bytes: Data, upTo most: Int = maximumBytes) throws {
        guard output.count + bytes.count <= most else {
            throw CordonError(.resourceExhausted, "there is more output than is kept of what nobody reads")
        }
        try held.resize(to: output.startIndex + output.count + bytes.count)
        output.append(bytes)
        wake()
    }

    /// Where its output ends, as far as it is known.
    var outputEnd: Int { dropped + output.count }

    func finish(source: FilePath? = nil) {
        self.source = source
        end(0)
    }

    func fail(_ failure: FileFailure) {
        self.failure = failure
        end(1)
    }

    private func end(_ code: Int32) {
        guard self.code == nil else { return }
        self.code = code
        over.withLock { $0 = true }
        wake()
    }

    /// Returns once something has changed, it is over already, or the caller is cancelled.
    func change(beyond offset: Int) async {
        guard code == nil, outputEnd <= offset else { return }
        nextWaiter += 1
        let ticket = nextWaiter
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                if Task.isCancelled { continuation.resume() } else { waiters[ticket] = continuation }
            }
        } onCancel: {
            Task { await self.wake(ticket) }
        }
    }

    /// The next bytes of the output for a client that takes each once.
    func take(upTo count: Int) -> Data {
        let piece = Data(output.prefix(count))
        drop(piece.count)
        return piece
    }

    /// The bytes of a stream from an offset on; none where there are none yet. Of output that still comes, what lies
    /// well before is dropped.
    func piece(of stream: OutputStream, from offset: Int, upTo count: Int) throws(CordonError) -> Data {
        guard stream == .stdout else { return Data((failure?.bytes ?? Data()).dropFirst(offset).prefix(count)) }
        guard offset >= dropped else { throw CordonError(.dataLoss, "what came before byte \(dropped) is gone") }
        if code == nil { drop(min(offset, outputEnd) - dropped - Self.resumedBytes) }
        return Data(output.dropFirst(offset - dropped).prefix(count))
    }

    private func drop(_ count: Int) {
        guard count > 0 else { return }
        output = output.dropFirst(count)
        dropped += count
        // A slice keeps what was dropped of it: as soon as that is most, it is copied. Less room is there always.
        guard output.startIndex >= output.count else { return }
        output = Data(output)
        try? held.resize(to: output.count)
    }

    /// Returns once there is more to take, it is over, or `deadline` has passed.
    func untilMore(or deadline: ContinuousClock.Instant) async {
        // Ends with this wait.
        let timer = Task {
            // Cancelled with the wait: the next one is none of its business.
            guard (try? await Task.sleep(until: deadline, clock: .continuous)) != nil else { return }
            self.wake()
        }
        await change(beyond: dropped)
        timer.cancel()
    }

    private func wake(_ ticket: UInt64) { waiters.removeValue(forKey: ticket)?.resume() }

    private func wake() {
        let waiting = waiters.values
        waiters = [:]
        for waiter in waiting { waiter.resume() }
    }
}

/// The execs of the file program that clients may still ask about: for as long as they run, and a while beyond.
final class FileExecs: Sendable {
    private static let most = 8192
    private static let kept: Duration = .seconds(600)

    private struct Key: Hashable {
        var sandbox: SandboxID
        var exec: ExecID
    }

    private struct State {
        var known: [Key: FileExec] = [:]
        /// Oldest first; those before `oldest` are forgotten.
        var order: [Key] = []
        var oldest = 0
    }

    private let room = Places(512 << 20)
    private let state = Mutex(State())

    func find(_ exec: ExecID, in sandbox: SandboxID) -> FileExec? {
        state.withLock { $0.known[Key(sandbox: sandbox, exec: exec)] }
    }

    /// The exec of that id: the one that is there, or a new one, with whether it is new. Those that are over go when
    /// they are old, or when there is no room. Throws `resourceExhausted` where too many run.
    func add(_ exec: ExecID, in sandbox: SandboxID, takesInput: Bool) throws -> (exec: FileExec, isNew: Bool) {
        let made = FileExec(takesInput: takesInput, in: room)
        return try state.withLock { state in
            let key = Key(sandbox: sandbox, exec: exec)
            if let there = state.known[key] { return (there, false) }
            Self.forget(&state)
            guard state.known.count < Self.most else {
                throw CordonError(.resourceExhausted, "too many file operations", retryAfter: .seconds(1))
            }
            state.known[key] = made
            state.order.append(key)
            return (made, true)
        }
    }

    /// From the oldest on: one that still runs, such as a watch, goes to the end of the queue.
    private static func forget(_ state: inout State) {
        let before = ContinuousClock.now - kept
        for _ in 0..<16 where state.oldest < state.order.count {
            let key = state.order[state.oldest]
            guard let exec = state.known[key] else {
                state.oldest += 1
                continue
            }
            guard exec.createdAt < before || state.known.count >= most else { break }
            state.oldest += 1
            if exec.isOver { state.known[key] = nil } else { state.order.append(key) }
        }
        guard state.oldest > most else { return }
        state.order.removeFirst(state.oldest)
        state.oldest = 0
    }
}
