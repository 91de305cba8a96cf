import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// The streams of one exec before it is there: our ends, and those that its process gets.
struct ExecStreams {
    /// The process's 0, 1 and 2; nil stands for the sandbox's own `/dev/null`.
    let given: [SharedDescriptor?]
    let input: StdinFeed
    let outputs: [(stream: OutputStream, source: OutputSource)]
    /// There when the three are a terminal.
    let terminal: Terminal?

    /// Makes pipes or opens a terminal, as the start asks; they belong to whom the caller's file
    /// system ids name.
    init(for start: StartExec, terminals: TerminalDevices, loop: EventLoop) throws {
        if let size = start.terminal {
            try self.init(size, isClosed: !start.stdin, terminals: terminals, loop: loop)
        } else {
            try self.init(pipesFor: start, loop: loop)
        }
    }

    private init(_ size: TerminalSize, isClosed: Bool, terminals: TerminalDevices, loop: EventLoop) throws {
        let (terminal, slave) = try terminals.open(size)
        given = [slave, slave, slave]
        input = StdinFeed(terminal: try terminal.descriptor(), loop: loop)
        outputs = [(.stdout, OutputSource(terminal: try terminal.descriptor()))]
        self.terminal = terminal
        // What /dev/null is to a pipe's reader: an end, and nothing before it.
        if isClosed { input.end() }
    }

    private init(pipesFor start: StartExec, loop: EventLoop) throws(SystemCallError) {
        var outputs: [(OutputStream, OutputSource)] = []
        var given: [SharedDescriptor?] = [nil]
        for (stream, disposition) in [(OutputStream.stdout, start.stdout), (.stderr, start.stderr)] {
            guard disposition == .keep else {
                given.append(nil)
                continue
            }
            var ends: [Int32] = [-1, -1]
            try check(cordon_pipe(&ends, true), "pipe2")
            outputs.append((stream, OutputSource(pipe: Descriptor(owning: ends[0]))))
            given.append(SharedDescriptor(Descriptor(owning: ends[1])))
        }
        if start.stdin {
            var ends: [Int32] = [-1, -1]
            try check(cordon_pipe(&ends, false), "pipe2")
            given[0] = SharedDescriptor(Descriptor(owning: ends[0]))
            input = StdinFeed(pipe: Descriptor(owning: ends[1]), loop: loop)
        } else {
            input = StdinFeed(pipe: nil, loop: loop)
        }
        self.given = given
        self.outputs = outputs
        terminal = nil
    }

    /// Which of 0 (1), 1 (2) and 2 (4) are the sandbox's `/dev/null`.
    var nulls: UInt32 {
        given.enumerated().reduce(UInt32(0)) { $1.element == nil ? $0 | 1 << UInt32($1.offset) : $0 }
    }
}
