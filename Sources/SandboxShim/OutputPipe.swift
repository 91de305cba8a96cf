import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// One stream of one exec: the pipe or terminal that the process writes, the spool that keeps what
/// it wrote, and those who read it.
package final class OutputPipe {
    /// Somebody who reads the stream, as far as the shim knows.
    private struct Reader {
        var position: UInt64
        var lastSeen: UInt64
        /// Its connection or its request is over; it may come back as another.
        var isGone = false
    }

    /// A reader that wants to know when there is more.
    private struct Waiter {
        let reader: ReaderID
        let offset: UInt64
        let timer: Int
        let answer: (StreamExtent) -> Void
    }

    /// A reader: the service numbers them on each of its connections.
    package struct ReaderID: Hashable {
        let connection: Int
        let number: UInt64

        package init(connection: Int, number: UInt64) {
            self.connection = connection
            self.number = number
        }
    }

    /// How long a reader that says nothing still makes its process wait.
    private static let patience: UInt64 = 10_000_000_000
    /// The most that was handed on and may never have arrived: a reader tells what it gave to a
    /// socket, and a client that was cut off comes back to where its own bytes end.
    private static let mostUnderWay: UInt64 = 16 << 20
    /// Bytes moved before anything else gets a turn; a terminal's take ten times as long.
    private static let turn = 4 << 20
    private static let terminalTurn = 256 * 1024
    private static let smallPipe: UInt64 = 256 * 1024

    let stream: OutputStream
    private let exec: ExecID
    private let loop: EventLoop
    private let budget: SpoolBudget
    private let capacity: UInt64
    private let onFull: FullPolicy
    private let directory: Directory
    private var index: () -> SpoolIndex?
    private var source: OutputSource?
    /// There while bytes are added; a closed stream is a file and these numbers.
    private var spool: Spool?
    private var rest = StreamExtent(first: 0, end: 0, closed: true)
    private var restHeld: UInt64 = 0
    private var isWide = false
    private var isFinishing = false
    /// Whether somebody may open a terminal again that nobody holds now: its session's leader lives.
    private var isLed: Bool
    private var readers: [ReaderID: Reader] = [:]
    private var waiters: [Waiter] = []
    private var retry: Int?
    /// Called once the stream is closed.
    package var onClose: () -> Void = {}

    package init(
        _ stream: OutputStream, of exec: ExecID, from source: OutputSource, directory: Directory, capacity: UInt64,
        onFull: FullPolicy,
        budget: SpoolBudget, loop: EventLoop, index: @escaping () -> SpoolIndex?
    ) throws(SystemCallError) {
        self.stream = stream
        self.exec = exec
        self.source = source
        isLed = source.isTerminal
        self.directory = directory
        self.capacity = capacity
        self.onFull = onFull
        self.budget = budget
        self.loop = loop
        self.index = index
        try watch(source)
    }

    private func watch(_ source: OutputSource) throws(SystemCallError) {
        try loop.watch(source.raw, for: .readable) { [weak self] _ in self?.advance() }
    }

    package var extent: StreamExtent {
        if let spool { return spool.extent }
        return isClosed ? rest : StreamExtent(first: 0, end: 0, closed: false)
    }

    /// Whether every writer is gone and everything is kept that came.
    package var isClosed: Bool { source == nil }

    // MARK: Writing

    /// Moves what has come, at most a turn's worth.
    func advance() {
        guard let source else { return }
        if spool == nil {
            // A stream to which nothing is written leaves no file.
            switch source.fill {
            case 0: return
            case ..<0:
                lose()
                return
            default: break
            }
            do {
                spool = try Spool(stream, of: exec, in: directory, capacity: capacity)
            } catch {
                // Without a spool nothing can be kept: the process sees a closed pipe.
                shut()
                return
            }
        }
        guard let spool else { return }
        let before = spool.end
        var left = source.isTerminal ? Self.terminalTurn : Self.turn
        var isOver = false
        moving: while left > 0 {
            let held = spool.held
            let step = spool.take(from: source, most: min(left, 1 << 20), keep: waitsFor(), room: budget.room())
            budget.changed(by: Int64(spool.held) - Int64(held))
            switch step {
            case .moved(let count): left -= max(count, 1)
            case .empty: break moving
            case .full:
                pause()
                break moving
            case .closed:
                isOver = true
                break moving
            }
        }
        if spool.end > before {
            index()?.note(stream, offset: before, length: Int(spool.end - before))
            widen(source, spool.end)
        }
        if isOver { lose() }
        tell()
    }

    /// Nobody can write now. That is the end, but for a terminal whose session's leader lives: it
    /// may have closed what it had just before its own end, which a hang-up would turn into a death
    /// by SIGHUP, or open `/dev/tty` later.
    private func lose() {
        if isLed { pause() } else { shut() }
    }

    /// The exec's main process has ended: takes what it wrote, and ends the stream if that was all.
    package func leaderEnded() {
        isLed = false
        if retry != nil { resume() }
        drain()
    }

    /// Takes everything that has come at this moment, as when its process has just ended.
    private func drain() {
        var rounds = 0
        while let source, rounds < 16, source.fill != 0 {
            let end = spool?.end
            advance()
            if spool?.end == end { break }
            rounds += 1
        }
    }

    /// A process that writes a lot gets a pipe that holds a lot.
    private func widen(_ source: OutputSource, _ end: UInt64) {
        guard !isWide, end > Self.smallPipe else { return }
        isWide = true
        source.widen()
    }

    private var underWay: UInt64 { min(Self.mostUnderWay, capacity / 2) }

    /// The offset that the slowest reader worth waiting for is sure to have reached.
    private func waitsFor() -> UInt64? {
        guard onFull == .pause, !isFinishing, !readers.isEmpty else { return nil }
        let now = cordon_boottime_ns()
        let first = spool?.first ?? 0
        let slowest = readers.values.filter { now - $0.lastSeen < Self.patience && $0.position >= first }
            .map(\.position).min()
        return slowest.map { $0 - min($0, underWay) }
    }

    /// Leaves the process waiting for a while. Not watched at all: that its writers are gone is told
    /// again and again, asked for or not.
    private func pause() {
        if let source { loop.unwatch(source.raw) }
        guard retry == nil else { return }
        retry = loop.schedule(after: .milliseconds(500)) { [weak self] in
            self?.retry = nil
            self?.resume()
        }
    }

    private func resume() {
        guard let source else { return }
        loop.cancel(retry)
        retry = nil
        do { try watch(source) } catch { shut() }
        advance()
    }

    private func shut() {
        guard let open = source else { return }
        loop.unwatch(open.raw)
        loop.cancel(retry)
        retry = nil
        source = nil
        if let spool {
            spool.close()
            rest = spool.extent
            restHeld = spool.held
        }
        spool = nil
        index = { nil }
        tell()
        onClose()
    }

    /// Ends the stream where it stands: its processes are dead. What doesn't fit any more makes the
    /// oldest bytes go, which are counted; left in the pipe it would be lost without a word.
    package func finish() {
        isFinishing = true
        drain()
        shut()
    }

    /// Drops everything that is kept, to make room for newer execs' output.
    package func evict() {
        guard isClosed, rest.end > rest.first, let spool = try? Spool(reopening: stream, of: exec, in: directory) else {
            return
        }
        spool.discardAll()
        rest = spool.extent
        budget.changed(by: -Int64(restHeld))
        restHeld = 0
    }

    // MARK: Reading

    /// A reader has everything below `offset`; answers once there is more, or after `limit`.
    package func watch(
        _ reader: ReaderID, offset: UInt64, limit: Duration, answer: @escaping (StreamExtent) -> Void
    ) {
        if readers[reader] == nil {
            // Somebody who was cut off is back: what is kept for the new reader is kept for the old one.
            readers = readers.filter { !$0.value.isGone || $0.value.position + underWay < offset }
        }
        // What is told of its place beside its reading may come late. Nobody has read what isn't there yet, whatever
        // offset a client has named.
        let position = min(max(offset, readers[reader]?.position ?? 0), extent.end)
        readers[reader] = Reader(position: position, lastSeen: cordon_boottime_ns())
        if readers.count > 256 { forgetSilent() }
        if retry != nil { resume() }
        let now = extent
        if now.end > offset || now.closed || offset < now.first || limit <= .zero {
            answer(now)
            return
        }
        let timer = loop.schedule(after: limit) { [weak self] in self?.expire(reader, offset) }
        waiters.append(Waiter(reader: reader, offset: offset, timer: timer, answer: answer))
    }

    private func expire(_ reader: ReaderID, _ offset: UInt64) {
        guard let index = waiters.firstIndex(where: { $0.reader == reader && $0.offset == offset }) else { return }
        readers[reader]?.lastSeen = cordon_boottime_ns()
        waiters.remove(at: index).answer(extent)
    }

    /// A reader is gone, for good or to come back: for a while its bytes are kept.
    package func close(_ reader: ReaderID) {
        readers[reader]?.isGone = true
        for waiter in waiters where waiter.reader == reader { loop.cancel(waiter.timer) }
        waiters.removeAll { $0.reader == reader }
    }

    private func forgetSilent() {
        let now = cordon_boottime_ns()
        readers = readers.filter { now - $0.value.lastSeen < Self.patience }
    }

    private func tell() {
        guard !waiters.isEmpty else { return }
        let now = extent
        var still: [Waiter] = []
        for waiter in waiters {
            if now.end > waiter.offset || now.closed || waiter.offset < now.first {
                loop.cancel(waiter.timer)
                // It was waiting until now: that counts as reading.
                readers[waiter.reader]?.lastSeen = cordon_boottime_ns()
                waiter.answer(now)
            } else {
                still.append(waiter)
            }
        }
        waiters = still
    }
}
