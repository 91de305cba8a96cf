import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// One stream of one exec: the pipe that the process writes, the spool that keeps what it wrote,
/// and those who read it.
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
    /// Bytes moved before anything else gets a turn.
    private static let turn = 4 << 20
    private static let smallPipe: UInt64 = 256 * 1024

    let stream: OutputStream
    private let exec: ExecID
    private let loop: EventLoop
    private let budget: SpoolBudget
    private let capacity: UInt64
    private let onFull: FullPolicy
    private let directory: Directory
    private var index: () -> SpoolIndex?
    private var pipe: Descriptor?
    private var raw: Int32
    /// There while bytes are added; a closed stream is a file and these numbers.
    private var spool: Spool?
    private var rest = StreamExtent(first: 0, end: 0, closed: true)
    private var restHeld: UInt64 = 0
    private var isWide = false
    private var isFinishing = false
    private var readers: [ReaderID: Reader] = [:]
    private var waiters: [Waiter] = []
    private var retry: Int?
    /// Called once the stream is closed.
    package var onClose: () -> Void = {}

    package init(
        _ stream: OutputStream, of exec: ExecID, pipe: consuming Descriptor, directory: Directory, capacity: UInt64,
        onFull: FullPolicy,
        budget: SpoolBudget, loop: EventLoop, index: @escaping () -> SpoolIndex?
    ) throws(SystemCallError) {
        self.stream = stream
        self.exec = exec
        raw = pipe.raw
        self.pipe = consume pipe
        self.directory = directory
        self.capacity = capacity
        self.onFull = onFull
        self.budget = budget
        self.loop = loop
        self.index = index
        try watch()
    }

    private func watch() throws(SystemCallError) {
        try loop.watch(raw, for: .readable) { [weak self] _ in self?.advance() }
    }

    package var extent: StreamExtent {
        if let spool { return spool.extent }
        return raw < 0 ? rest : StreamExtent(first: 0, end: 0, closed: false)
    }

    /// Whether every writer is gone and everything is kept that came.
    package var isClosed: Bool { raw < 0 }

    // MARK: Writing

    /// Moves what the pipe holds, at most a turn's worth.
    func advance() {
        guard raw >= 0 else { return }
        if spool == nil {
            // A stream to which nothing is written leaves no file.
            switch cordon_pipe_fill(raw) {
            case 0: return
            case ..<0:
                shut()
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
        var left = Self.turn
        var isOver = false
        moving: while left > 0 {
            let held = spool.held
            let step = spool.take(from: raw, most: min(left, 1 << 20), keep: waitsFor(), room: budget.room())
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
            widen(spool.end)
        }
        if isOver { shut() } else { tell() }
    }

    /// Takes everything that is in the pipe at this moment, as when its process has just ended.
    func drain() {
        var rounds = 0
        while raw >= 0, rounds < 16, cordon_pipe_fill(raw) != 0 {
            let end = spool?.end
            advance()
            if spool?.end == end { break }
            rounds += 1
        }
    }

    /// A process that writes a lot gets a pipe that holds a lot.
    private func widen(_ end: UInt64) {
        guard !isWide, end > Self.smallPipe, raw >= 0 else { return }
        isWide = true
        _ = cordon_set_pipe_size(raw, 1 << 20)
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

    /// Leaves the pipe alone for a while. Not watched at all: that its writers are gone is told
    /// again and again, asked for or not.
    private func pause() {
        loop.unwatch(raw)
        guard retry == nil else { return }
        retry = loop.schedule(after: .milliseconds(500)) { [weak self] in
            self?.retry = nil
            self?.resume()
        }
    }

    private func resume() {
        guard raw >= 0 else { return }
        loop.cancel(retry)
        retry = nil
        do { try watch() } catch { shut() }
        advance()
    }

    private func shut() {
        guard raw >= 0 else { return }
        loop.unwatch(raw)
        loop.cancel(retry)
        retry = nil
        raw = -1
        pipe = nil
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
        guard raw < 0, rest.end > rest.first, let spool = try? Spool(reopening: stream, of: exec, in: directory) else {
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
        readers[reader] = Reader(position: offset, lastSeen: cordon_boottime_ns())
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

/// What the spools of one sandbox may keep together, and what the disk leaves them.
package final class SpoolBudget {
    private let sandboxBytes: UInt64
    private let reserve: UInt64
    private let directory: Directory
    private var held: Int64 = 0
    private var diskRoom: UInt64 = 0
    private var checkedAt: Int64 = .min
    private var checkedTime: UInt64 = 0
    private static let checkEvery: Int64 = 16 << 20

    package init(sandboxBytes: UInt64, reserve: UInt64, directory: Directory) {
        self.sandboxBytes = sandboxBytes
        self.reserve = reserve
        self.directory = directory
    }

    package func changed(by bytes: Int64) { held += bytes }

    /// How many bytes more may be kept now.
    package func room() -> UInt64 {
        let now = cordon_boottime_ns()
        if checkedAt == .min || abs(held - checkedAt) >= Self.checkEvery || now - checkedTime > 1_000_000_000 {
            checkedAt = held
            checkedTime = now
            var status = statvfs()
            diskRoom = 0
            if fstatvfs(directory.raw, &status) == 0 {
                let free = UInt64(status.f_bavail) * UInt64(status.f_frsize)
                diskRoom = free > reserve ? free - reserve : 0
            }
        }
        let kept = UInt64(max(0, held))
        return min(diskRoom, sandboxBytes > kept ? sandboxBytes - kept : 0)
    }

    /// Whether the sandbox's own budget, not the disk, is what runs out.
    package var isExhausted: Bool { UInt64(max(0, held)) + (1 << 20) > sandboxBytes }
}
