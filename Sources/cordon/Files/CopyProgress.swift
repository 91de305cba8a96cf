import Foundation
import Synchronization

/// How far a copy is, on a terminal alone.
final class CopyProgress: Sendable {
    private struct State {
        var bytes: UInt64 = 0
        var shown: ContinuousClock.Instant?
    }

    private let state = Mutex(State())
    private let start = ContinuousClock.now
    private let isShown = LocalTerminal.isTerminal(2)

    func advance(_ count: Int) {
        guard isShown else { return }
        let due: UInt64? = state.withLock { state in
            state.bytes += UInt64(count)
            let now = ContinuousClock.now
            guard now - (state.shown ?? start) > .milliseconds(200) else { return nil }
            state.shown = now
            return state.bytes
        }
        guard let due else { return }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let (amount, rate) = (Double(due) / 1_048_576, Double(due) / 1_048_576 / max(seconds, 0.001))
        show(String(format: "%.1f MiB, %.1f MiB/s", amount, rate))
    }

    /// Leaves the line as it was.
    func clear() { if state.withLock({ $0.shown }) != nil { show("") } }

    private func show(_ text: String) { FileHandle.standardError.write(Data("\r\u{1b}[K\(text)".utf8)) }
}

/// What goes by is counted.
struct CountedPieces<Base: AsyncSequence<[UInt8], any Error> & Sendable>: AsyncSequence, Sendable {
    typealias Failure = any Error
    let base: Base
    let progress: CopyProgress

    func makeAsyncIterator() -> Iterator { Iterator(base: base.makeAsyncIterator(), progress: progress) }

    struct Iterator: AsyncIteratorProtocol {
        var base: Base.AsyncIterator
        let progress: CopyProgress

        mutating func next() async throws -> [UInt8]? {
            let piece = try await base.next()
            progress.advance(piece?.count ?? 0)
            return piece
        }
    }
}
