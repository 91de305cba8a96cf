import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// The writing side of one stream's spool: moves what the process writes into a ring file.
package final class Spool {
    /// What one move of bytes came to.
    package enum Step {
        case moved(Int)
        /// Nothing there for now.
        case empty
        /// No room, and a reader is worth waiting for.
        case full
        /// Nobody can write any more.
        case closed
    }

    /// What an exec may keep of a stream whatever else fills the budgets.
    private static let least: UInt64 = 64 * 1024

    /// The disk's unit: only whole ones are given back.
    private static let block: UInt64 = 4096

    /// The most bytes kept.
    let capacity: UInt64
    package private(set) var first: UInt64 = 0
    package private(set) var end: UInt64 = 0
    private(set) var isClosed = false
    /// Bytes for which blocks of the disk are held: the most that were kept at one time.
    package private(set) var held: UInt64 = 0

    private let file: Descriptor
    private let header: UnsafeMutableRawPointer

    /// Makes the spool file of an exec's stream among the sandbox's.
    package init(_ stream: OutputStream, of exec: ExecID, in directory: Directory, capacity: UInt64)
        throws(SystemCallError)
    {
        self.capacity = capacity
        let name = SpoolFormat.fileName(stream, of: exec)
        file = try directory.open(name, O_RDWR | O_CREAT | O_EXCL, mode: 0o640)
        var page = WireWriter()
        for word in [SpoolFormat.magic, capacity, 0, 0, 0] as [UInt64] { page.put(word) }
        let bytes = page.bytes + [UInt8](repeating: 0, count: SpoolFormat.headerSize - page.bytes.count)
        // Written, not just mapped: its block is there before anything is stored to it.
        try check(pwrite(file.raw, bytes, bytes.count, 0), "pwrite", name)
        let mapping = mmap(nil, SpoolFormat.headerSize, PROT_READ | PROT_WRITE, MAP_SHARED, file.raw, 0)
        guard let mapping, mapping != MAP_FAILED else { throw SystemCallError("mmap", name) }
        header = mapping
    }

    /// Opens the closed spool of `stream` again, to give its blocks back.
    package init(reopening stream: OutputStream, of exec: ExecID, in directory: Directory) throws(SystemCallError) {
        let name = SpoolFormat.fileName(stream, of: exec)
        file = try directory.open(name, O_RDWR)
        let mapping = mmap(nil, SpoolFormat.headerSize, PROT_READ | PROT_WRITE, MAP_SHARED, file.raw, 0)
        guard let mapping, mapping != MAP_FAILED else { throw SystemCallError("mmap", name) }
        header = mapping
        func word(_ field: Int) -> UInt64 { cordon_load((mapping + field).assumingMemoryBound(to: UInt64.self)) }
        capacity = word(SpoolFormat.Field.capacity)
        first = word(SpoolFormat.Field.first)
        end = word(SpoolFormat.Field.end)
        isClosed = true
        held = end - first
    }

    deinit { munmap(header, SpoolFormat.headerSize) }

    package var extent: StreamExtent { StreamExtent(first: first, end: end, closed: isClosed) }

    private func store(_ value: UInt64, at field: Int) {
        cordon_store((header + field).assumingMemoryBound(to: UInt64.self), value)
    }

    /// Moves at most `most` bytes from where they come from. Keeps everything from `keep` on, if that is given,
    /// by answering `full`; otherwise the oldest bytes make room. `room` is how many bytes more
    /// than now may be kept.
    package func take(from source: OutputSource, most: Int, keep: UInt64?, room: UInt64) -> Step {
        let kept = end - first
        // Something may always be kept, however little room the budgets leave.
        let mayGrow = min(capacity - kept, kept == 0 ? max(room, Self.least) : room)
        var count = min(UInt64(most), capacity - end % capacity)
        if mayGrow < count {
            // Only as much goes as comes.
            let waiting = source.fill
            if waiting < 0 { return .closed }
            if waiting == 0 { return .empty }
            count = min(count, UInt64(waiting))
        }
        if mayGrow < count {
            // What every reader has taken may go; what one still needs stays.
            let spare = min(max(keep ?? end, first), end) - first
            count = min(count, mayGrow + spare)
            if count == 0 { return .full }
            makeRoom(count - min(count, mayGrow), ofCapacity: capacity - kept < count)
        }
        let offset = off_t(SpoolFormat.headerSize) + off_t(end % capacity)
        let moved = source.move(to: file.raw, at: offset, most: Int(count))
        if moved > 0 {
            end += UInt64(moved)
            held = max(held, end - first)
            store(end, at: SpoolFormat.Field.end)
            return .moved(moved)
        }
        if moved == 0 { return .closed }
        switch errno {
        case EAGAIN, EINTR: return .empty
        case ENOSPC, EDQUOT: return dropForDisk(keep)
        default: return .closed
        }
    }

    /// Drops the oldest bytes. Where the ring itself is full the new ones take their blocks; else
    /// their blocks go back to the disk.
    private func makeRoom(_ count: UInt64, ofCapacity ringIsFull: Bool) {
        guard count > 0 else { return }
        if ringIsFull {
            // Readers see what is gone before any of it is overwritten.
            first += count
            store(first, at: SpoolFormat.Field.first)
        } else {
            discard(below: first + count)
        }
    }

    /// The disk is full: give back what can go, else wait until there is room again.
    private func dropForDisk(_ keep: UInt64?) -> Step {
        let target = min(keep ?? end, end)
        if target > first {
            discard(below: target)
            return .moved(0)
        }
        return .full
    }

    /// Drops everything below an offset and gives its blocks back.
    package func discard(below offset: UInt64) {
        let from = first
        let to = min(offset, end)
        guard to > from else { return }
        first = to
        store(first, at: SpoolFormat.Field.first)
        // From the start of its block on, where all of that is dead: a block whose parts go one by one
        // would never be given back. Dead is what no newer byte of the ring has taken the place of.
        let dead = from - (end > capacity ? end - capacity : 0)
        var position = from - min(from % capacity % Self.block, dead)
        while position < to {
            let place = position % capacity
            let count = min(to - position, capacity - place)
            _ = cordon_punch_hole(file.raw, off_t(SpoolFormat.headerSize) + off_t(place), off_t(count))
            position += count
        }
        held = end - first
    }

    /// Drops everything, and gives every block of the ring back.
    package func discardAll() {
        first = end
        store(first, at: SpoolFormat.Field.first)
        _ = cordon_punch_hole(file.raw, off_t(SpoolFormat.headerSize), off_t(capacity))
        held = 0
    }

    /// Nothing will be added.
    package func close() {
        guard !isClosed else { return }
        isClosed = true
        store(1, at: SpoolFormat.Field.closed)
    }
}

/// The writing side of an exec's index. Entries of one stream that follow each other closely are one.
package final class SpoolIndex {
    private static let joinWithin: UInt64 = 10_000_000

    private let file: Descriptor
    private var count: UInt64 = 0
    private var last: LogEntry?

    package init(of exec: ExecID, in directory: Directory) throws(SystemCallError) {
        let name = IndexFormat.fileName(of: exec)
        file = try directory.open(name, O_RDWR | O_CREAT | O_EXCL, mode: 0o640)
        var page = WireWriter()
        page.put(IndexFormat.magic)
        page.put(UInt64(0))
        let bytes = page.bytes + [UInt8](repeating: 0, count: IndexFormat.headerSize - page.bytes.count)
        try check(pwrite(file.raw, bytes, bytes.count, 0), "pwrite", name)
    }

    /// Notes that `length` bytes of `stream` were written at `offset`, now.
    package func note(_ stream: OutputStream, offset: UInt64, length: Int) {
        let now = cordon_boottime_ns()
        if let last, last.stream == stream, last.offset + UInt64(last.length) == offset,
            now - last.monotonic < Self.joinWithin, last.length + length <= Int(UInt32.max)
        {
            var joined = last
            joined.length += length
            write(joined, at: count - 1)
            self.last = joined
            return
        }
        let entry = LogEntry(stream: stream, offset: offset, length: length, at: .now(), monotonic: now)
        write(entry, at: count)
        count += 1
        last = entry
        var total = count.littleEndian
        _ = pwrite(file.raw, &total, 8, 8)
    }

    private func write(_ entry: LogEntry, at number: UInt64) {
        let bytes = IndexFormat.bytes(entry)
        let place = off_t(IndexFormat.headerSize) + off_t(number % IndexFormat.capacity) * off_t(IndexFormat.entrySize)
        _ = pwrite(file.raw, bytes, bytes.count, place)
    }
}
