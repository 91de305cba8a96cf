import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import SandboxShim
import ShimProtocol
import Testing

/// A terminal of the host's own devpts, without a process: the test is who holds the slave.
private final class TestTerminal {
    let loop: EventLoop
    let master: Descriptor
    private var slave: SharedDescriptor?
    let feed: StdinFeed
    private(set) var answers: [Result<StdinState, Failure>] = []

    init(raw: Bool = true) throws {
        var slave: Int32 = -1
        let devices = try Directory(path: "/dev/pts")
        let master = Descriptor(owning: try check(cordon_terminal_open(devices.raw, 24, 80, &slave), "open", "ptmx"))
        self.slave = SharedDescriptor(Descriptor(owning: slave))
        loop = try EventLoop()
        feed = StdinFeed(terminal: try master.duplicated(), loop: loop)
        self.master = consume master
        _ = cordon_set_nonblocking(slave)
        var settings = try self.settings
        settings.c_lflag &= ~tcflag_t(ECHO)
        if raw { cfmakeraw(&settings) }
        tcsetattr(slave, TCSANOW, &settings)
    }

    var settings: termios {
        get throws {
            var settings = termios()
            try check(tcgetattr(master.raw, &settings), "tcgetattr")
            return settings
        }
    }

    var states: [StdinState?] { answers.map { try? $0.get() } }

    func write(_ offset: UInt64, _ bytes: [UInt8], end: Bool = false) {
        feed.write(WriteStdin(exec: .main, offset: offset, end: end, limit: .seconds(60), bytes: bytes)) {
            [unowned self] in
            answers.append($0)
        }
    }

    /// What a process reads now; an empty piece stands for an end of input.
    func read(_ most: Int = 65_536) -> [[UInt8]] {
        var pieces: [[UInt8]] = []
        var buffer = [UInt8](repeating: 0, count: most)
        while let slave {
            let count = Glibc.read(slave.raw, &buffer, buffer.count)
            if count < 0 { break }
            pieces.append(Array(buffer[..<count]))
        }
        return pieces
    }

    func show(_ bytes: [UInt8]) throws {
        guard let slave else { return }
        try bytes.withUnsafeBytes { try writeAll($0, to: slave.raw) }
    }

    func close() { slave = nil }

    func turn(for time: Duration = .zero) throws -> Int {
        var turns = 0
        var isOver = false
        loop.schedule(after: time) { isOver = true }
        while !isOver {
            try loop.turn()
            turns += 1
        }
        return turns
    }
}

@Suite("A terminal")
struct TerminalTests {
    @Test("a new one has the settings of a login, knows characters, and has its size")
    func settings() throws {
        var slave: Int32 = -1
        let devices = try Directory(path: "/dev/pts")
        #expect(cordon_is_devpts(devices.raw))
        let master = Descriptor(owning: try check(cordon_terminal_open(devices.raw, 7, 300, &slave), "open", "ptmx"))
        let other = Descriptor(owning: slave)
        var settings = termios()
        #expect(tcgetattr(other.raw, &settings) == 0)
        let local = tcflag_t(ISIG | ICANON | ECHO | ECHOE | IEXTEN)
        #expect(settings.c_lflag & local == local)
        #expect(settings.c_oflag & tcflag_t(OPOST | ONLCR) == tcflag_t(OPOST | ONLCR))
        #expect(settings.c_iflag & tcflag_t(ICRNL | IUTF8) == tcflag_t(ICRNL | IUTF8))
        var size = winsize()
        #expect(ioctl(other.raw, UInt(TIOCGWINSZ), &size) == 0)
        #expect(size.ws_row == 7 && size.ws_col == 300)
        #expect(cordon_terminal_resize(master.raw, 65_535, 1) == 0)
        #expect(ioctl(other.raw, UInt(TIOCGWINSZ), &size) == 0)
        #expect(size.ws_row == 65_535 && size.ws_col == 1)
        #expect(!cordon_is_devpts(try Directory(path: "/").raw))
    }

    @Test("more than it holds goes on as the process reads, and not a byte is lost", arguments: [1, 100, 4096, 65_536])
    func large(_ most: Int) throws {
        let terminal = try TestTerminal()
        let bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 31 / 7) }
        terminal.write(0, Array(bytes[..<120_000]))
        terminal.write(120_000, Array(bytes[120_000...]))
        #expect(terminal.answers.isEmpty)
        var got: [UInt8] = []
        var rounds = 0
        while got.count < bytes.count, rounds < 100_000 {
            got += terminal.read(most).joined()
            _ = try terminal.turn()
            rounds += 1
        }
        #expect(got == bytes)
        #expect(terminal.states == [120_000, 200_000].map { StdinState(accepted: $0, closed: false) })
    }

    @Test("one whose input nobody reads is no work for anybody")
    func unread() throws {
        let terminal = try TestTerminal()
        terminal.write(0, [UInt8](repeating: 1, count: 100_000))
        _ = try terminal.turn(for: .milliseconds(50))
        #expect(try terminal.turn(for: .milliseconds(300)) < 10)
        #expect(terminal.answers.isEmpty)
    }

    @Test("one that nobody holds any more takes nothing, and is no work for anybody")
    func given() throws {
        let terminal = try TestTerminal()
        terminal.write(0, [UInt8](repeating: 1, count: 100_000))
        _ = try terminal.turn(for: .milliseconds(20))
        terminal.close()
        #expect(try terminal.turn(for: .milliseconds(300)) < 10)
        #expect(terminal.answers.count == 1)
        #expect(terminal.feed.state.closed)
    }

    @Test(
        "the end of input is typed once, or twice behind half a line, and nothing is taken after it",
        arguments: [("one\n", 1), ("one\ntw", 2), ("", 1), ("one\r", 1)])
    func end(_ text: String, _ times: Int) throws {
        let terminal = try TestTerminal(raw: false)
        terminal.write(0, Array(text.utf8), end: true)
        terminal.write(0, Array(text.utf8), end: true)
        terminal.write(UInt64(text.utf8.count), [1])
        _ = try terminal.turn()
        let whole = StdinState(accepted: UInt64(text.utf8.count), closed: true)
        #expect(terminal.states == [whole, whole, whole])
        let lines = text.replacing("\r", with: "\n").split(separator: "\n").map { line in
            Array((text.hasSuffix("tw") && line == "tw" ? "\(line)" : "\(line)\n").utf8)
        }
        #expect(terminal.read() == lines + [[]])
    }

    @Test("a line editor that reads characters by itself sees the end's character, once")
    func rawEnd() throws {
        let terminal = try TestTerminal()
        terminal.write(0, [7, 7], end: true)
        _ = try terminal.turn()
        #expect(terminal.read() == [[7, 7, 4]])
    }

    @Test("what it shows is kept to the last byte, and the stream ends when nobody holds it")
    func output() throws {
        try withDirectory { directory in
            let terminal = try TestTerminal()
            let budget = SpoolBudget(sandboxBytes: 1 << 30, reserve: 0, directory: directory)
            let output = try OutputPipe(
                .stdout, of: .main, from: OutputSource(terminal: terminal.master.duplicated()), directory: directory,
                capacity: 100_000, onFull: .pause, budget: budget, loop: terminal.loop, index: { nil })
            let bytes = (0..<3000).map { UInt8(truncatingIfNeeded: $0) }
            for round in 1...20 {
                try terminal.show(bytes)
                while output.extent.end < UInt64(round * bytes.count) { try terminal.loop.turn() }
            }
            #expect(try terminal.turn(for: .milliseconds(50)) < 5)
            try terminal.show(bytes)
            terminal.close()
            // As long as its session's leader lives, somebody may open it again; that is no work meanwhile.
            #expect(try terminal.turn(for: .milliseconds(300)) < 10)
            #expect(output.extent == StreamExtent(first: 0, end: 63_000, closed: false))
            output.leaderEnded()
            #expect(output.extent == StreamExtent(first: 0, end: 63_000, closed: true))
            let file = try #require(try SpoolFile(.stdout, of: .main, in: directory))
            var got = [UInt8](repeating: 0, count: 70_000)
            #expect(try got.withUnsafeMutableBytes { try file.read(at: 0, into: $0) } == .bytes(63_000))
            #expect(Array(got[..<63_000]) == Array(repeatElement(bytes, count: 21).joined()))
        }
    }

    @Test("with a reader that has lost nothing the terminal fills up, and goes on as it reads")
    func pause() throws {
        try withDirectory { directory in
            let terminal = try TestTerminal()
            let budget = SpoolBudget(sandboxBytes: 1 << 30, reserve: 0, directory: directory)
            let output = try OutputPipe(
                .stdout, of: .main, from: OutputSource(terminal: terminal.master.duplicated()), directory: directory,
                capacity: 100_000, onFull: .pause, budget: budget, loop: terminal.loop, index: { nil })
            let reader = OutputPipe.ReaderID(connection: 1, number: 1)
            output.watch(reader, offset: 0, limit: .seconds(60)) { _ in }
            let piece = [UInt8](repeating: 7, count: 1000)
            for round in 1...102 {
                try terminal.show(piece)
                while output.extent.end < min(100_000, UInt64(round * piece.count)) { try terminal.loop.turn() }
            }
            _ = try terminal.turn(for: .milliseconds(20))
            #expect(output.extent == StreamExtent(first: 0, end: 100_000, closed: false))
            output.watch(reader, offset: 100_000, limit: .zero) { _ in }
            _ = try terminal.turn(for: .milliseconds(20))
            #expect(output.extent == StreamExtent(first: 2000, end: 102_000, closed: false))
        }
    }
}
