import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// The writing side of a process's stdin: takes bytes by offset, so that a repeat is recognised,
/// and counts as accepted what the kernel has taken.
package final class StdinFeed {
    /// One write that is under way.
    private struct Write {
        let message: WriteStdin
        let answer: (Result<StdinState, Failure>) -> Void
        var timer: Int?
        let number: Int
    }

    private let loop: EventLoop
    private var pipe: Descriptor?
    private var raw: Int32 = -1
    private var accepted: UInt64 = 0
    private var waiting: [Write] = []
    private var isWatched = false
    private var nextNumber = 0
    /// The most writes that wait at a time.
    private static let mostWaiting = 64

    /// `pipe` is nil for a process whose stdin is `/dev/null`.
    package init(pipe: consuming Descriptor?, loop: EventLoop) {
        self.loop = loop
        raw = pipe?.raw ?? -1
        self.pipe = pipe
    }

    package var state: StdinState { StdinState(accepted: accepted, closed: raw < 0) }

    /// Takes a write, and answers once it is done with it.
    package func write(_ message: WriteStdin, answer: @escaping (Result<StdinState, Failure>) -> Void) {
        guard waiting.count < Self.mostWaiting else {
            answer(.failure(Failure(.resourceExhausted, "\(Self.mostWaiting) writes to this stdin wait already")))
            return
        }
        nextNumber += 1
        var write = Write(message: message, answer: answer, timer: nil, number: nextNumber)
        let number = nextNumber
        write.timer = loop.schedule(after: message.limit) { [weak self] in self?.giveUp(number) }
        waiting.append(write)
        advance()
    }

    private func giveUp(_ number: Int) {
        guard let index = waiting.firstIndex(where: { $0.number == number }) else { return }
        waiting.remove(at: index).answer(.success(state))
    }

    private func advance() {
        while let write = waiting.first {
            if raw < 0 {
                finishFirst(.success(state))
                continue
            }
            let message = write.message
            guard message.offset <= accepted else {
                finishFirst(.failure(Failure(.outOfRange, "stdin has accepted \(accepted) bytes", number: accepted)))
                continue
            }
            let known = accepted - message.offset
            if known < UInt64(message.bytes.count) {
                let rest = message.bytes[Int(known)...]
                let count = rest.withUnsafeBytes { Glibc.write(raw, $0.baseAddress, $0.count) }
                if count > 0 {
                    accepted += UInt64(count)
                    continue
                }
                if count < 0 && errno == EINTR { continue }
                if count < 0 && errno == EAGAIN {
                    watch()
                    return
                }
                close()
                continue
            }
            if message.end { close() }
            finishFirst(.success(state))
        }
        if isWatched { loop.change(raw, to: []) }
    }

    private func finishFirst(_ result: Result<StdinState, Failure>) {
        let write = waiting.removeFirst()
        loop.cancel(write.timer)
        write.answer(result)
    }

    private func watch() {
        if isWatched {
            loop.change(raw, to: .writable)
            return
        }
        isWatched = true
        do {
            try loop.watch(raw, for: .writable) { [weak self] readiness in
                guard let self else { return }
                // Nobody will read it any more. That is told again and again, asked for or not: watching
                // on would never rest.
                if !readiness.isDisjoint(with: .hangup) { self.close() }
                self.advance()
            }
        } catch { close() }
    }

    /// Nothing more is accepted; the process sees the end of its input.
    package func close() {
        guard raw >= 0 else { return }
        if isWatched { loop.unwatch(raw) }
        isWatched = false
        raw = -1
        pipe = nil
        // Those that wait learn it in their turn.
        loop.afterTurn { [weak self] in self?.advance() }
    }
}
