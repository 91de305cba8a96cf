import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import SandboxShim
import ShimProtocol
import Synchronization
import Testing

@Suite("A spool")
struct SpoolTests {
    /// The byte that the test puts at an absolute offset: a reader knows by it where it is.
    static func byte(_ offset: UInt64) -> UInt8 { UInt8(truncatingIfNeeded: offset &* 0x9e37_79b9_7f4a_7c15 >> 56) }

    /// Writes `count` bytes of the pattern from `offset` on into a pipe.
    private func fill(_ pipe: TestPipe, from offset: UInt64, count: Int) throws {
        let bytes = (0..<UInt64(count)).map { Self.byte(offset + $0) }
        try bytes.withUnsafeBytes { try writeAll($0, to: pipe.writer.raw) }
    }

    private func moveAll(_ spool: Spool, _ pipe: TestPipe, keep: UInt64?, room: UInt64 = .max) -> Spool.Step {
        while true {
            switch spool.take(from: pipe.source, most: 1 << 20, keep: keep, room: room) {
            case .moved: continue
            case let other: return other
            }
        }
    }

    /// Reads from an offset on to the end, checking each byte.
    private func readAll(_ file: SpoolFile, from offset: UInt64) throws -> UInt64 {
        var offset = offset
        var buffer = [UInt8](repeating: 0, count: 7777)
        while true {
            let outcome = try buffer.withUnsafeMutableBytes { try file.read(at: offset, into: $0) }
            guard case .bytes(let count) = outcome else { return offset }
            #expect((0..<count).allSatisfy { buffer[$0] == Self.byte(offset + UInt64($0)) })
            offset += UInt64(count)
        }
    }

    @Test("bytes come out as they went in, round after round of the ring", arguments: 0..<20)
    func wrapAround(_ seed: UInt64) throws {
        var g = SeededGenerator(seed: seed)
        try withDirectory { directory in
            let capacity = UInt64.random(in: 5000...70_000, using: &g)
            let spool = try Spool(.stdout, of: .main, in: directory, capacity: capacity)
            let pipe = try TestPipe()
            var written: UInt64 = 0
            for _ in 0..<60 {
                let count = Int.random(in: 1...30_000, using: &g)
                try fill(pipe, from: written, count: count)
                written += UInt64(count)
                guard case .empty = moveAll(spool, pipe, keep: nil) else {
                    Issue.record("the pipe is empty by now")
                    return
                }
                #expect(spool.end == written)
                #expect(
                    spool.first == (written > capacity ? written - capacity : 0), "exactly what doesn't fit is gone")
                let file = try #require(try SpoolFile(.stdout, of: .main, in: directory))
                #expect(try file.extent() == spool.extent)
                #expect(try readAll(file, from: UInt64.random(in: spool.first...written, using: &g)) == written)
                if spool.first > 0 {
                    var one = [UInt8](repeating: 0, count: 1)
                    let gap = try one.withUnsafeMutableBytes { try file.read(at: spool.first - 1, into: $0) }
                    #expect(gap == .gap(first: spool.first))
                }
            }
        }
    }

    @Test("what a reader still needs is kept, and the writer told that it is full")
    func pause() throws {
        try withDirectory { directory in
            let spool = try Spool(.stdout, of: .main, in: directory, capacity: 10_000)
            let pipe = try TestPipe()
            try fill(pipe, from: 0, count: 15_000)
            guard case .full = moveAll(spool, pipe, keep: 0) else {
                Issue.record("it takes what it can't keep")
                return
            }
            #expect(spool.extent == StreamExtent(first: 0, end: 10_000, closed: false))
            // The reader goes on by 1,000: as much comes.
            guard case .full = moveAll(spool, pipe, keep: 1000) else {
                Issue.record("5,000 wait, 1,000 fit")
                return
            }
            #expect(spool.extent == StreamExtent(first: 1000, end: 11_000, closed: false))
            guard case .empty = moveAll(spool, pipe, keep: nil) else {
                Issue.record("nobody reads")
                return
            }
            #expect(spool.extent == StreamExtent(first: 5000, end: 15_000, closed: false))
            #expect(try readAll(try #require(try SpoolFile(.stdout, of: .main, in: directory)), from: 5000) == 15_000)
        }
    }

    @Test("little room makes the oldest bytes go, and gives their blocks back")
    func room() throws {
        try withDirectory { directory in
            let spool = try Spool(.stdout, of: .main, in: directory, capacity: 1 << 20)
            let pipe = try TestPipe()
            var written: UInt64 = 0
            while written < 1_000_000 {
                try fill(pipe, from: written, count: 40_000)
                written += 40_000
                let kept = spool.end - spool.first
                _ = moveAll(spool, pipe, keep: nil, room: kept < 100_000 ? 100_000 - kept : 0)
            }
            #expect(spool.end == written)
            #expect(spool.end - spool.first <= 140_000)
            #expect(try blocks(directory) <= 4096 + 140_000 + 2 * 4096)
            #expect(
                try readAll(try #require(try SpoolFile(.stdout, of: .main, in: directory)), from: spool.first)
                    == written)
        }
    }

    @Test("what goes a few bytes at a time is given back as well")
    func smallSteps() throws {
        try withDirectory { directory in
            let spool = try Spool(.stdout, of: .main, in: directory, capacity: 1 << 20)
            let pipe = try TestPipe()
            for round in 0..<12 {
                try fill(pipe, from: UInt64(round) * 60_000, count: 60_000)
                _ = moveAll(spool, pipe, keep: nil)
            }
            for offset in stride(from: UInt64(100), through: 700_000, by: 100) { spool.discard(below: offset) }
            #expect(try blocks(directory) <= 4096 + 20_000 + 2 * 4096)
            #expect(
                try readAll(try #require(try SpoolFile(.stdout, of: .main, in: directory)), from: 700_000) == 720_000)
        }
    }

    private func blocks(_ directory: Directory) throws -> Int {
        var status = stat()
        try check(fstatat(directory.raw, SpoolFormat.fileName(.stdout, of: .main), &status, 0), "stat")
        return Int(status.st_blocks) * 512
    }

    @Test("what is discarded costs no blocks, also of a closed spool that was opened again")
    func discard() throws {
        try withDirectory { directory in
            var spool: Spool? = try Spool(.stdout, of: .main, in: directory, capacity: 1 << 20)
            let pipe = try TestPipe()
            for round in 0..<16 {
                try fill(pipe, from: UInt64(round) * 60_000, count: 60_000)
                if let spool { _ = moveAll(spool, pipe, keep: nil) }
            }
            #expect(try blocks(directory) >= 960_000)
            spool?.discard(below: 900_000)
            #expect(try blocks(directory) <= 80_000)
            spool?.close()
            spool = nil
            let again = try Spool(reopening: .stdout, of: .main, in: directory)
            #expect(again.extent == StreamExtent(first: 900_000, end: 960_000, closed: true))
            again.discardAll()
            #expect(again.extent == StreamExtent(first: 960_000, end: 960_000, closed: true))
            #expect(try blocks(directory) <= 8192)
        }
    }

    @Test("the end of a stream is told once everything before it was read")
    func closing() throws {
        try withDirectory { directory in
            let spool = try Spool(.stderr, of: .main, in: directory, capacity: 1 << 20)
            let pipe = try TestPipe()
            try fill(pipe, from: 0, count: 10)
            pipe.closeWriter()
            guard case .closed = moveAll(spool, pipe, keep: nil) else {
                Issue.record("every writer is gone")
                return
            }
            spool.close()
            let file = try #require(try SpoolFile(.stderr, of: .main, in: directory))
            var buffer = [UInt8](repeating: 0, count: 100)
            #expect(try buffer.withUnsafeMutableBytes { try file.read(at: 3, into: $0) } == .bytes(7))
            #expect(try buffer.withUnsafeMutableBytes { try file.read(at: 10, into: $0) } == .end)
        }
    }

    @Test("a reader beside the writer never gets a byte that isn't its offset's")
    func concurrent() throws {
        try withDirectory { directory in
            let capacity: UInt64 = 20_000
            let spool = try Spool(.stdout, of: .main, in: directory, capacity: capacity)
            let file = try #require(try SpoolFile(.stdout, of: .main, in: directory))
            let isDone = Atomic(false)
            let torn = Atomic(0)
            let reads = Atomic(0)
            let reader = Worker {
                var offset: UInt64 = 0
                var buffer = [UInt8](repeating: 0, count: 8000)
                while !isDone.load(ordering: .acquiring) {
                    let outcome = try? buffer.withUnsafeMutableBytes { try file.read(at: offset, into: $0) }
                    switch outcome {
                    case .bytes(let count):
                        reads.add(1, ordering: .relaxed)
                        for index in 0..<count where buffer[index] != Self.byte(offset + UInt64(index)) {
                            torn.add(1, ordering: .relaxed)
                        }
                        offset += UInt64(count)
                    case .gap(let first): offset = first
                    default: continue
                    }
                }
            }
            let pipe = try TestPipe()
            var written: UInt64 = 0
            while written < 40_000_000 {
                try fill(pipe, from: written, count: 16_000)
                written += 16_000
                _ = moveAll(spool, pipe, keep: nil)
            }
            isDone.store(true, ordering: .releasing)
            reader.join()
            #expect(torn.load(ordering: .acquiring) == 0)
            #expect(reads.load(ordering: .acquiring) > 0)
        }
    }
}

@Suite("The index of an exec's output")
struct SpoolIndexTests {
    @Test("entries come in the order of writing; what follows closely is one")
    func order() throws {
        try withDirectory { directory in
            let index = try SpoolIndex(of: .main, in: directory)
            index.note(.stdout, offset: 0, length: 10)
            index.note(.stdout, offset: 10, length: 5)
            index.note(.stderr, offset: 0, length: 7)
            index.note(.stdout, offset: 15, length: 1)
            let entries = try IndexFormat.entries(of: .main, in: directory, since: nil, until: nil, limit: 100)
            #expect(entries.filter { $0.stream == .stdout }.reduce(0) { $0 + $1.length } == 16)
            #expect(entries.last?.stream == .stdout && entries.last?.offset == 15)
            #expect(entries.map(\.monotonic) == entries.map(\.monotonic).sorted())
            #expect(try IndexFormat.entries(of: .main, in: directory, since: nil, until: nil, limit: 1).count == 1)
        }
    }

    @Test("the newest entries are kept when there are more than the ring holds")
    func ring() throws {
        try withDirectory { directory in
            let index = try SpoolIndex(of: .main, in: directory)
            let total = IndexFormat.capacity + 1000
            for number in 0..<total { index.note(number % 2 == 0 ? .stdout : .stderr, offset: number, length: 1) }
            let entries = try IndexFormat.entries(of: .main, in: directory, since: nil, until: nil, limit: .max)
            #expect(entries.map(\.offset) == Array(1000..<total))
        }
    }
}
