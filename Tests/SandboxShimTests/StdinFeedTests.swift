import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import SandboxShim
import ShimProtocol
import Testing

@Suite("A process's stdin")
struct StdinFeedTests {
    private final class Stdin {
        let loop: EventLoop
        let feed: StdinFeed
        private var reader: SharedDescriptor?
        private(set) var answers: [Result<StdinState, Failure>] = []

        /// How far each write got; nil where it was refused.
        var states: [StdinState?] { answers.map { try? $0.get() } }

        init() throws {
            var ends: [Int32] = [-1, -1]
            try check(cordon_pipe(&ends, false), "pipe")
            loop = try EventLoop()
            reader = SharedDescriptor(Descriptor(owning: ends[0]))
            _ = cordon_set_nonblocking(ends[0])
            feed = StdinFeed(pipe: Descriptor(owning: ends[1]), loop: loop)
        }

        func write(_ offset: UInt64, _ bytes: [UInt8], end: Bool = false, limit: Duration = .seconds(60)) {
            feed.write(WriteStdin(exec: .main, offset: offset, end: end, limit: limit, bytes: bytes)) {
                [unowned self] in
                answers.append($0)
            }
        }

        /// What the process reads now.
        func read() -> [UInt8] {
            var all: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while let reader {
                let count = Glibc.read(reader.raw, &buffer, buffer.count)
                if count <= 0 { break }
                all += buffer[..<count]
            }
            return all
        }

        func closeReader() { reader = nil }

        func turn() throws {
            for _ in 0..<5 {
                loop.afterTurn {}
                try loop.turn()
            }
        }
    }

    @Test("a repeat is recognised, an overlap taken once, a hole refused with what was accepted")
    func offsets() throws {
        let stdin = try Stdin()
        stdin.write(0, [1, 2, 3])
        stdin.write(0, [1, 2, 3])
        stdin.write(2, [3, 4])
        stdin.write(9, [9])
        #expect(stdin.read() == [1, 2, 3, 4])
        let accepted = stdin.states.map { $0?.accepted }
        #expect(accepted == [3, 3, 4, nil])
        guard case .failure(let failure) = stdin.answers[3] else {
            Issue.record("a hole was accepted")
            return
        }
        #expect(failure.code == .outOfRange && failure.number == 4)
    }

    @Test("the end comes behind all bytes, and nothing is accepted after it")
    func end() throws {
        let stdin = try Stdin()
        stdin.write(0, [1, 2], end: true)
        stdin.write(2, [3])
        stdin.write(0, [1, 2], end: true)
        try stdin.turn()
        #expect(stdin.read() == [1, 2])
        let whole: [StdinState?] = Array(repeating: StdinState(accepted: 2, closed: true), count: 3)
        #expect(stdin.states == whole)
    }

    @Test("more than the pipe holds goes on as the process reads, in the order in which it came")
    func large() throws {
        let stdin = try Stdin()
        let bytes = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 / 251) }
        stdin.write(0, Array(bytes[..<600_000]))
        stdin.write(600_000, Array(bytes[600_000...]), end: true)
        #expect(stdin.answers.isEmpty)
        var got: [UInt8] = []
        while stdin.answers.count < 2 {
            got += stdin.read()
            try stdin.turn()
        }
        got += stdin.read()
        #expect(got == bytes)
        #expect(stdin.states.last == StdinState(accepted: 1_000_000, closed: true))
    }

    @Test("a write that gives up says how far it got")
    func limit() throws {
        let stdin = try Stdin()
        stdin.write(0, [UInt8](repeating: 1, count: 200_000), limit: .milliseconds(1))
        while stdin.answers.isEmpty { try stdin.loop.turn() }
        #expect(try stdin.answers[0].get() == StdinState(accepted: 65_536, closed: false))
    }

    @Test("a process that closes its stdin is no work for anybody, also when writes have waited for it")
    func closedByProcess() throws {
        let stdin = try Stdin()
        stdin.write(0, [UInt8](repeating: 1, count: 100_000))
        _ = stdin.read()
        try stdin.turn()
        #expect(stdin.answers.count == 1)
        _ = stdin.read()
        stdin.closeReader()
        // The pipe says so for as long as it is asked: only timers may wake the loop then.
        var turns = 0
        var isOver = false
        stdin.loop.schedule(after: .milliseconds(200)) { isOver = true }
        while !isOver {
            try stdin.loop.turn()
            turns += 1
        }
        #expect(turns < 10)
        #expect(stdin.feed.state.closed)
    }

    @Test("without a pipe stdin is closed from the start")
    func none() throws {
        let feed = StdinFeed(pipe: nil, loop: try EventLoop())
        #expect(feed.state == StdinState(accepted: 0, closed: true))
    }
}
