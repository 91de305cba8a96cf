import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// The writing side of a process's stdin, a pipe or a terminal: takes bytes by offset, so that a
/// repeat is recognised, and counts as accepted what the kernel has taken.
package final class StdinFeed {
    /// One write that is under way.
    private struct Write {
        let message: WriteStdin
        let answer: (Result<StdinState, Failure>) -> Void
        var timer: Int?
        let number: Int
    }

    private let loop: EventLoop
    private let isTerminal: Bool
    private var descriptor: Descriptor?
    private var raw: Int32 = -1
    private var accepted: UInt64 = 0
    private var waiting: [Write] = []
    private var isWatched = false
    private var nextNumber = 0
    /// The last byte typed on a terminal.
    private var lastByte: UInt8?
    /// What is left to type for the end of a terminal's input, once that has begun.
    private var endToType: [UInt8]?
    /// The most writes that wait at a time.
    private static let mostWaiting = 64

    /// `pipe` is nil for a process whose stdin is `/dev/null`.
    package init(pipe: consuming Descriptor?, loop: EventLoop) {
        self.loop = loop
        isTerminal = false
        raw = pipe?.raw ?? -1
        descriptor = pipe
    }

    /// For a process whose stdin is the terminal of this master, which doesn't block.
    package init(terminal: consuming Descriptor, loop: EventLoop) {
        self.loop = loop
        isTerminal = true
        raw = terminal.raw
        descriptor = consume terminal
    }

    package var state: StdinState { StdinState(accepted: accepted, closed: raw < 0) }

    /// There is nothing to come: the process sees the end behind what was written.
    func end() {
        write(WriteStdin(exec: .main, offset: accepted, end: true, limit: .seconds(1), bytes: [])) { _ in }
    }

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
                    lastByte = rest[rest.startIndex + count - 1]
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
            if message.end {
                guard typeEnd() else {
                    watch()
                    return
                }
                close()
            }
            finishFirst(.success(state))
        }
        if isWatched { loop.change(raw, to: []) }
    }

    /// Types the end of input on a terminal, where a close says nothing: the master stays open for
    /// what the process shows. False when there is no room for it now.
    private func typeEnd() -> Bool {
        guard isTerminal, raw >= 0 else { return true }
        var rest = endToType ?? endOfInput()
        while !rest.isEmpty {
            let count = Glibc.write(raw, rest, rest.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else {
                endToType = rest
                return errno != EAGAIN
            }
            rest.removeFirst(count)
        }
        return true
    }

    private func endOfInput() -> [UInt8] {
        let lineEnds: [UInt8?] = [nil, UInt8(ascii: "\n"), UInt8(ascii: "\r")]
        var character: UInt8 = 0
        let count = cordon_terminal_end_of_input(raw, !lineEnds.contains(lastByte), &character)
        return [UInt8](repeating: character, count: Int(max(count, 0)))
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

    /// Nothing more is accepted; a process with a pipe sees the end of its input.
    package func close() {
        guard raw >= 0 else { return }
        if isWatched { loop.unwatch(raw) }
        isWatched = false
        raw = -1
        descriptor = nil
        // Those that wait learn it in their turn.
        loop.afterTurn { [weak self] in self?.advance() }
    }
}
