import FoundationEssentials
import SandboxModel

/// A file that is written from what a client sends as stdin, at the pace at which it is taken. Bytes are addressed by
/// offset: what was accepted before is passed over, so that a stream that broke off can be taken up again.
package actor FileUpload {
    private static let pieceBytes = 256 * 1024
    /// How long nothing may come before it is given up.
    private static let patience: Duration = .seconds(600)

    package private(set) var accepted: UInt64 = 0
    /// Whether nothing more is accepted: the end was said, or the writing is over.
    private(set) var isClosed = false
    private var piece: [UInt8]?
    private var writer: CheckedContinuation<Void, Never>?
    private var feeders: [UInt64: CheckedContinuation<Void, Never>] = [:]
    private var nextFeeder: UInt64 = 0
    private var lastFed = ContinuousClock.now

    package init() {}

    /// Hands bytes on. Throws `failedPrecondition` where it is closed, or the offset lies beyond what was accepted.
    package func feed(_ data: Data, at offset: UInt64, end: Bool) async throws {
        guard offset <= accepted else {
            throw CordonError(.failedPrecondition, "stdin has accepted \(accepted) bytes so far")
        }
        var rest = data[...]
        var position = offset
        func pass(_ count: Int) {
            rest = rest.dropFirst(count)
            position += UInt64(count)
        }
        pass(min(Int(clamping: accepted - position), rest.count))
        while !rest.isEmpty {
            try await untilTaken()
            // A call that took the stream up again may have come first.
            pass(min(Int(clamping: accepted - position), rest.count))
            guard !rest.isEmpty else { break }
            guard !isClosed else { throw CordonError(.failedPrecondition, "stdin is closed") }
            let next = rest.prefix(Self.pieceBytes)
            piece = [UInt8](next)
            accepted += UInt64(next.count)
            pass(next.count)
            wakeWriter()
        }
        guard end else { return }
        try await untilTaken()
        isClosed = true
        wakeWriter()
    }

    /// The next piece for the file; nil at the end. Throws when nothing has come for long.
    package func next() async throws -> [UInt8]? {
        while true {
            if let taken = piece {
                piece = nil
                lastFed = .now
                wakeFeeders()
                return taken
            }
            if isClosed { return nil }
            guard ContinuousClock.now - lastFed < Self.patience else {
                throw CordonError(.aborted, "nothing more was sent for the file")
            }
            // Ends with this wait.
            let timer = Task {
                // Cancelled with the wait: the next one is none of its business.
                guard (try? await Task.sleep(for: .seconds(30))) != nil else { return }
                self.wakeWriter()
            }
            await withCheckedContinuation { writer = $0 }
            timer.cancel()
        }
    }

    /// The writing is over, well or not.
    func finish() {
        isClosed = true
        piece = nil
        wakeFeeders()
    }

    private func untilTaken() async throws {
        while piece != nil, !isClosed {
            try Task.checkCancellation()
            nextFeeder += 1
            let ticket = nextFeeder
            // A call that its client has left goes at once, with the message that it holds.
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    if Task.isCancelled { continuation.resume() } else { feeders[ticket] = continuation }
                }
            } onCancel: {
                Task { await self.wake(ticket) }
            }
        }
    }

    private func wake(_ ticket: UInt64) { feeders.removeValue(forKey: ticket)?.resume() }

    private func wakeWriter() {
        writer?.resume()
        writer = nil
    }

    private func wakeFeeders() {
        let waiting = feeders.values
        feeders = [:]
        for feeder in waiting { feeder.resume() }
    }
}

/// Stdin of an exec of the file program. One that reads none takes the end as word that its client wants no more.
struct FileFeeder: InputFeeder {
    let exec: FileExec

    func write(_ data: Data, at start: UInt64, end: Bool) async throws {
        guard let upload = exec.upload else {
            if end { await exec.stop() }
            return
        }
        try await upload.feed(data, at: start, end: end)
    }
}
