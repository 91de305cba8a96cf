import CLinux
import Glibc
import LinuxSystem
import Testing

@Suite("The event loop")
struct EventLoopTests {
    private final class Pipe {
        let reader: Descriptor
        let writer: Descriptor

        init() throws {
            var ends: [Int32] = [-1, -1]
            try check(cordon_pipe(&ends, true), "pipe")
            reader = Descriptor(owning: ends[0])
            writer = Descriptor(owning: ends[1])
        }

        func fill() { _ = write(writer.raw, "x", 1) }
    }

    @Test("actions run in the order of their times, those of one time as they were added")
    func order() throws {
        let loop = try EventLoop()
        var ran: [Int] = []
        let now = cordon_boottime_ns()
        for (number, delay) in [(3, 300), (1, 100), (2, 200), (4, 300)] as [(Int, UInt64)] {
            loop.schedule(at: now + delay) { ran.append(number) }
        }
        loop.schedule(at: now + 1000) { loop.stop() }
        try loop.run()
        #expect(ran == [1, 2, 3, 4])
    }

    @Test("a cancelled action never runs, also when another that is due cancels it")
    func cancelled() throws {
        let loop = try EventLoop()
        var ran: [String] = []
        var second: Int?
        let now = cordon_boottime_ns()
        loop.cancel(loop.schedule(at: now) { ran.append("never") })
        loop.schedule(at: now) {
            ran.append("first")
            loop.cancel(second)
        }
        second = loop.schedule(at: now) { ran.append("second") }
        loop.schedule(at: now + 1) { loop.stop() }
        try loop.run()
        #expect(ran == ["first"])
    }

    @Test("100,000 deadlines that come and go leave the earliest one first")
    func many() throws {
        let loop = try EventLoop()
        var numbers: [Int] = []
        for index in 0..<100_000 {
            numbers.append(loop.schedule(after: .seconds(3600 + index)) { Issue.record("it was cancelled") })
        }
        for number in numbers { loop.cancel(number) }
        var ran = 0
        loop.schedule(after: .milliseconds(1)) {
            ran += 1
            loop.stop()
        }
        try loop.run()
        #expect(ran == 1)
    }

    @Test("a delay beyond all bounds is just long")
    func furthest() throws {
        let loop = try EventLoop()
        for delay in [Duration.seconds(Int64.max), .microseconds(Int64.max), .seconds(-5)] {
            loop.cancel(loop.schedule(after: delay) {})
        }
    }

    @Test("an event of a descriptor that was closed meanwhile doesn't reach the next one of its number")
    func stale() throws {
        let loop = try EventLoop()
        let first = try Pipe()
        var other: Pipe? = try Pipe()
        var made: Pipe?
        var heard: [String] = []
        let number = try #require(other).reader.raw
        // Both are ready in one turn, the first one first: it takes the other's number away.
        try loop.watch(first.reader.raw, for: .readable) { _ in
            loop.unwatch(first.reader.raw)
            loop.unwatch(number)
            other = nil
            do {
                made = try Pipe()
                if let made { try loop.watch(made.reader.raw, for: .readable) { _ in heard.append("new") } }
            } catch { Issue.record(error) }
        }
        try loop.watch(number, for: .readable) { _ in heard.append("old") }
        first.fill()
        other?.fill()
        loop.schedule(after: .milliseconds(20)) { loop.stop() }
        try loop.run()
        #expect(heard == [])
        #expect(made?.reader.raw == number)
    }

    @Test("an action after the turn runs once the handlers of the turn are through")
    func afterTurn() throws {
        let loop = try EventLoop()
        var ran: [String] = []
        loop.schedule(after: .zero) {
            loop.afterTurn {
                ran.append("after")
                loop.stop()
            }
            ran.append("handler")
        }
        try loop.run()
        #expect(ran == ["handler", "after"])
    }
}
