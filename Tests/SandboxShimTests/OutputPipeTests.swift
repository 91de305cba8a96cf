import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import SandboxShim
import ShimProtocol
import Testing

@Suite("One stream of one exec")
struct OutputPipeTests {
    /// A stream with a small ring, driven by a loop of its own.
    private final class Stream {
        let loop: EventLoop
        let pipe: TestPipe
        let output: OutputPipe
        let budget: SpoolBudget

        init(_ directory: Directory, capacity: UInt64 = 100_000, onFull: FullPolicy = .pause, sandbox: UInt64 = 1 << 30)
            throws
        {
            let loop = try EventLoop()
            let pipe = try TestPipe()
            let budget = SpoolBudget(sandboxBytes: sandbox, reserve: 0, directory: directory)
            let index = try SpoolIndex(of: .main, in: directory)
            output = try OutputPipe(
                .stdout, of: .main, from: OutputSource(pipe: pipe.takeReader()), directory: directory,
                capacity: capacity, onFull: onFull,
                budget: budget, loop: loop, index: { index })
            self.loop = loop
            self.pipe = pipe
            self.budget = budget
        }

        func fill(_ count: Int) throws {
            try [UInt8](repeating: 7, count: count).withUnsafeBytes { try writeAll($0, to: pipe.writer.raw) }
        }

        /// Runs the loop until there is nothing more to do at once.
        func turn(_ rounds: Int = 5) throws {
            for _ in 0..<rounds {
                loop.afterTurn {}
                try loop.turn()
            }
        }
    }

    private let reader = OutputPipe.ReaderID(connection: 1, number: 1)

    @Test("with a reader that has lost nothing the process waits, and goes on as it reads")
    func pause() throws {
        try withDirectory { directory in
            let stream = try Stream(directory)
            stream.output.watch(reader, offset: 0, limit: .seconds(60)) { _ in }
            try stream.fill(150_000)
            try stream.turn()
            #expect(stream.output.extent == StreamExtent(first: 0, end: 100_000, closed: false))
            #expect(cordon_pipe_fill(stream.pipe.reader.raw) == 50_000)
            // Half of the ring may still be under way to the reader: so much is kept behind it.
            stream.output.watch(reader, offset: 60_000, limit: .zero) { _ in }
            try stream.turn()
            #expect(stream.output.extent == StreamExtent(first: 10_000, end: 110_000, closed: false))
            stream.output.watch(reader, offset: 100_000, limit: .zero) { _ in }
            try stream.turn()
            #expect(stream.output.extent == StreamExtent(first: 50_000, end: 150_000, closed: false))
        }
    }

    @Test("an offset beyond all that there is, is no place of a reader's, and harms nobody")
    func beyond() throws {
        try withDirectory { directory in
            let stream = try Stream(directory)
            for offset: UInt64 in [.max, .max - 1, 1 << 63] {
                stream.output.watch(reader, offset: offset, limit: .seconds(60)) { _ in }
                stream.output.close(reader)
                // Somebody new asks: those who have gone are looked at.
                stream.output.watch(.init(connection: 2, number: offset), offset: offset, limit: .zero) { _ in }
            }
            try stream.fill(150_000)
            try stream.turn()
            #expect(stream.output.extent.end == 100_000)
            #expect(stream.output.extent.first == 0, "they have read nothing of it")
        }
    }

    @Test("a reader that has gone is waited for a while: it may come back where it was")
    func grace() throws {
        try withDirectory { directory in
            let stream = try Stream(directory)
            stream.output.watch(reader, offset: 0, limit: .seconds(60)) { _ in }
            stream.output.close(reader)
            try stream.fill(150_000)
            try stream.turn()
            #expect(stream.output.extent == StreamExtent(first: 0, end: 100_000, closed: false))
        }
    }

    @Test("without a reader, or where output may be dropped, nobody waits", arguments: [FullPolicy.pause, .drop])
    func drop(_ policy: FullPolicy) throws {
        try withDirectory { directory in
            let stream = try Stream(directory, onFull: policy)
            if policy == .drop { stream.output.watch(reader, offset: 0, limit: .seconds(60)) { _ in } }
            try stream.fill(150_000)
            try stream.turn()
            #expect(stream.output.extent == StreamExtent(first: 50_000, end: 150_000, closed: false))
        }
    }

    @Test("a stream that is full, whose writers are gone and whose reader rests, costs no time")
    func restful() throws {
        try withDirectory { directory in
            let stream = try Stream(directory)
            stream.output.watch(reader, offset: 0, limit: .seconds(60)) { _ in }
            try stream.fill(150_000)
            stream.pipe.closeWriter()
            try stream.turn()
            // The pipe says "hung up" for as long as it is asked: only timers may wake the loop now.
            var turns = 0
            var isOver = false
            stream.loop.schedule(after: .milliseconds(300)) { isOver = true }
            while !isOver {
                try stream.loop.turn()
                turns += 1
            }
            #expect(turns < 10)
            #expect(!stream.output.isClosed)
        }
    }

    @Test("at its end nothing is lost without being counted")
    func finish() throws {
        try withDirectory { directory in
            let stream = try Stream(directory)
            stream.output.watch(reader, offset: 0, limit: .seconds(60)) { _ in }
            try stream.fill(150_000)
            try stream.turn()
            stream.output.finish()
            #expect(stream.output.extent == StreamExtent(first: 50_000, end: 150_000, closed: true))
        }
    }

    @Test("those who wait hear of bytes, and of the end")
    func waiting() throws {
        try withDirectory { directory in
            let stream = try Stream(directory)
            var heard: [StreamExtent] = []
            var isClosed = false
            stream.output.onClose = { isClosed = true }
            stream.output.watch(reader, offset: 0, limit: .seconds(60)) { heard.append($0) }
            try stream.turn(1)
            #expect(heard == [])
            try stream.fill(10)
            try stream.turn()
            stream.output.watch(reader, offset: 10, limit: .seconds(60)) { heard.append($0) }
            stream.pipe.closeWriter()
            try stream.turn()
            #expect(
                heard == [
                    StreamExtent(first: 0, end: 10, closed: false), StreamExtent(first: 0, end: 10, closed: true),
                ])
            #expect(isClosed && stream.output.isClosed)
            stream.output.watch(reader, offset: 10, limit: .seconds(60)) { heard.append($0) }
            #expect(heard.count == 3)
        }
    }

    @Test("an evicted stream gives all of its budget back, and says what is gone")
    func evict() throws {
        try withDirectory { directory in
            let stream = try Stream(directory, sandbox: 500_000)
            try stream.fill(90_000)
            stream.pipe.closeWriter()
            try stream.turn()
            #expect(stream.budget.room() == 410_000)
            stream.output.evict()
            #expect(stream.output.extent == StreamExtent(first: 90_000, end: 90_000, closed: true))
            #expect(stream.budget.room() == 500_000)
        }
    }

    @Test("the sandbox's budget bounds what is kept")
    func budget() throws {
        try withDirectory { directory in
            let stream = try Stream(directory, capacity: 1 << 30, sandbox: 200_000)
            for _ in 0..<10 {
                try stream.fill(100_000)
                try stream.turn()
            }
            let extent = stream.output.extent
            #expect(extent.end == 1_000_000)
            #expect(extent.end - extent.first <= 200_000)
        }
    }
}
