import Dispatch
import Foundation

/// The signals that this process gets, in order, in place of what they would do to it.
///
/// One that was ignored when we were started stays so, as with nohup(1).
final class ReceivedSignals: Sendable {
    let numbers: AsyncStream<Int32>
    private let continuation: AsyncStream<Int32>.Continuation
    private nonisolated(unsafe) let sources: [any DispatchSourceSignal]

    init(_ wanted: [Int32]) {
        let (numbers, continuation) = AsyncStream<Int32>.makeStream(bufferingPolicy: .bufferingNewest(64))
        self.numbers = numbers
        self.continuation = continuation
        sources = wanted.filter { !Self.isIgnored($0) }.map { number in
            // SIGCONT and SIGWINCH are ignored by default, and told of all the same.
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { continuation.yield(number) }
            source.resume()
            return source
        }
    }

    /// No more signals come; `numbers` ends behind those that have.
    func stop() {
        for source in sources { source.cancel() }
        continuation.finish()
    }

    private static func isIgnored(_ number: Int32) -> Bool {
        var action = sigaction()
        guard sigaction(number, nil, &action) == 0 else { return false }
        return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
            == unsafeBitCast(SIG_IGN, to: Int.self)
    }
}
