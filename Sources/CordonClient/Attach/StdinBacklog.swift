import NIOCore
import Synchronization

/// What was read for an exec's stdin and isn't accepted yet, by absolute offset: what a broken
/// connection had under way is sent again from here. One task appends, one sends.
final class StdinBacklog: Sendable {
    /// What to send next.
    enum Next: Equatable {
        case bytes(ByteBuffer, offset: UInt64)
        case eof(offset: UInt64)
    }

    private struct State {
        /// The offset of the first byte of `kept`: all before was accepted.
        var base: UInt64 = 0
        var kept = ByteBuffer()
        var isFinished = false
        var isClosed = false
        var hasBegun = false
        /// Grows with every change, so that none is missed between looking and waiting.
        var version = 0
        var waiters: [CheckedContinuation<Void, Never>] = []

        var end: UInt64 { base + UInt64(kept.readableBytes) }

        mutating func append(_ bytes: [UInt8]) {
            guard !isClosed else { return }
            kept.writeBytes(bytes)
        }

        mutating func changed() -> [CheckedContinuation<Void, Never>] {
            version += 1
            defer { waiters = [] }
            return waiters
        }
    }

    private let limit: Int
    private let pieceBytes: Int
    private let state = Mutex(State())

    /// - Parameters:
    ///   - limit: how many bytes may wait to be accepted before `append` waits.
    ///   - pieceBytes: the most that goes into one message.
    init(limit: Int = 1 << 20, pieceBytes: Int = 256 << 10) {
        self.limit = limit
        self.pieceBytes = pieceBytes
    }

    /// Adds bytes once there is room. False when nobody reads them any more, or when cancelled.
    func append(_ bytes: [UInt8]) async -> Bool {
        while !Task.isCancelled {
            let (hasRoom, isClosed, seen) = state.withLock { state in
                (state.kept.readableBytes < limit, state.isClosed, state.version)
            }
            if isClosed { return false }
            // Nobody else appends, so the room stays.
            if hasRoom {
                change { $0.append(bytes) }
                return true
            }
            await waitForChange(from: seen)
        }
        return false
    }

    /// There is no more.
    func finish() { change { $0.isFinished = true } }

    /// Nobody reads any more: what is kept goes, and nothing more is taken.
    func close() {
        change { state in
            state.isClosed = true
            state.kept = ByteBuffer()
        }
    }

    /// The service has accepted everything up to `offset`. The first time this says where our own bytes begin.
    func accepted(upTo offset: UInt64) {
        change { state in
            if !state.hasBegun {
                state.hasBegun = true
                state.base = offset
            } else if offset > state.base {
                state.kept.moveReaderIndex(forwardBy: Int(min(offset - state.base, UInt64(state.kept.readableBytes))))
                state.kept.discardReadBytes()
                state.base = offset
            }
        }
    }

    /// What comes at `offset`, once there is something; nil when there will be nothing, or when cancelled.
    func next(at offset: UInt64) async -> Next? {
        while !Task.isCancelled {
            let (next, isClosed, seen) = state.withLock { state in
                (look(state, at: max(offset, state.base)), state.isClosed, state.version)
            }
            if let next { return next }
            if isClosed { return nil }
            await waitForChange(from: seen)
        }
        return nil
    }

    private func look(_ state: State, at offset: UInt64) -> Next? {
        guard !state.isClosed, state.hasBegun else { return nil }
        let start = Int(offset - state.base)
        let count = min(state.kept.readableBytes - start, pieceBytes)
        if count > 0, let bytes = state.kept.getSlice(at: state.kept.readerIndex + start, length: count) {
            return .bytes(bytes, offset: offset)
        }
        return state.isFinished ? .eof(offset: state.end) : nil
    }

    @discardableResult
    private func change<Result: Sendable>(_ body: (inout sending State) -> Result) -> Result {
        let (result, waiters) = state.withLock { state in
            let result = body(&state)
            return (result, state.changed())
        }
        for waiter in waiters { waiter.resume() }
        return result
    }

    private func waitForChange(from version: Int) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                let isOver = state.withLock { state in
                    guard state.version == version, !Task.isCancelled else { return true }
                    state.waiters.append(waiter)
                    return false
                }
                if isOver { waiter.resume() }
            }
        } onCancel: {
            change { _ in }
        }
    }
}
