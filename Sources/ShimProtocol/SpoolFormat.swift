import CLinux
import Glibc
import LinuxSystem
import SandboxModel

/// The layout of one stream's spool file: a page of header, then a ring of bytes.
///
/// The byte at absolute offset `o` lies at `headerSize + o % capacity`. Only the shim writes.
/// It raises `first` before it overwrites anything, so a reader that copies bytes and then finds
/// `first` still at or below its offset has read them whole.
public enum SpoolFormat {
    public static let magic: UInt64 = 0x314C_4F4F_5053_4443
    public static let headerSize = 4096

    /// Where the words of the header lie, in bytes.
    public enum Field {
        public static let magic = 0
        public static let capacity = 8
        public static let first = 16
        public static let end = 24
        public static let closed = 32
    }

    /// The file of an exec's stream. (An exec's id may be part of a file's name.)
    public static func fileName(_ stream: OutputStream, of exec: ExecID) -> String {
        switch stream {
        case .stdout: "\(exec.text).stdout"
        case .stderr: "\(exec.text).stderr"
        }
    }
}

/// A reader's view of one spool file. Each call is at most three reads of the file.
public final class SpoolFile: Sendable {
    private let file: Descriptor
    private let capacity: UInt64

    /// Opens the stream's spool among a sandbox's; nil when nothing has been written yet.
    public init?(_ stream: OutputStream, of exec: ExecID, in directory: Directory) throws {
        let file: Descriptor
        do {
            file = try directory.open(SpoolFormat.fileName(stream, of: exec), O_RDONLY)
        } catch {
            if error.errno == ENOENT { return nil }
            throw error
        }
        // It is made, then its header is written, then it gets its first bytes.
        guard !isEmpty(file.raw) else { return nil }
        let header = try Self.words(of: file.raw, at: 0, count: 2)
        guard header[0] == SpoolFormat.magic, header[1] > 0 else { throw WireError("not a spool file") }
        self.file = file
        capacity = header[1]
    }

    private static func words(of file: Int32, at offset: Int, count: Int) throws -> [UInt64] {
        var words = [UInt64](repeating: 0, count: count)
        let size = count * 8
        let got = words.withUnsafeMutableBytes { pread(file, $0.baseAddress, size, off_t(offset)) }
        guard got == size else { throw WireError("a spool's header is cut short") }
        return words
    }

    public func extent() throws -> StreamExtent {
        var words = try Self.words(of: file.raw, at: SpoolFormat.Field.first, count: 3)
        // Closed after the end was read, perhaps; what is read now is the last end.
        if words[2] != 0 { words = try Self.words(of: file.raw, at: SpoolFormat.Field.first, count: 3) }
        return StreamExtent(first: words[0], end: words[1], closed: words[2] != 0)
    }

    /// Copies bytes from `offset` on into `buffer`; at most up to the ring's end in one call.
    public func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws -> StreamRead {
        let before = try extent()
        if offset < before.first { return .gap(first: before.first) }
        if offset >= before.end { return before.closed && offset == before.end ? .end : .upToDate }
        let place = offset % capacity
        let count = min(UInt64(buffer.count), before.end - offset, capacity - place)
        let got = pread(file.raw, buffer.baseAddress, Int(count), off_t(SpoolFormat.headerSize) + off_t(place))
        guard got > 0 else { throw WireError("a spool is shorter than its header says") }
        let after = try extent()
        if offset < after.first { return .gap(first: after.first) }
        return .bytes(got)
    }
}

/// The index of an exec's output: a page of header with the number of entries ever written, then
/// a ring of fixed-size entries in the order of writing.
public enum IndexFormat {
    public static func fileName(of exec: ExecID) -> String { "\(exec.text).index" }

    public static let magic: UInt64 = 0x3158_4449_5053_4443
    public static let headerSize = 4096
    public static let entrySize = 32
    /// How many entries are kept.
    public static let capacity: UInt64 = 65_536

    /// The bytes of an entry: offset u64, monotonic u64, wall µs i64, length u32, stream u32.
    public static func bytes(_ entry: LogEntry) -> [UInt8] {
        var writer = WireWriter()
        writer.put(entry.offset)
        writer.put(entry.monotonic)
        writer.put(entry.at.microseconds)
        writer.put(UInt32(entry.length))
        writer.put(UInt32(entry.stream.rawValue))
        return writer.bytes
    }

    /// Reads the entries with a wall time in the range, oldest first, at most `limit`.
    public static func entries(
        of exec: ExecID, in directory: Directory, since: Timestamp?, until: Timestamp?, limit: Int
    ) throws -> [LogEntry] {
        let file: Descriptor
        do {
            file = try directory.open(fileName(of: exec), O_RDONLY)
        } catch {
            if error.errno == ENOENT { return [] }
            throw error
        }
        guard !isEmpty(file.raw) else { return [] }
        let header = try readExactly(file.raw, at: 0, count: 16)
        var reader = WireReader(header)
        guard try reader.integer(UInt64.self) == magic else { throw WireError("not an index file") }
        let written = try reader.integer(UInt64.self)
        var result: [LogEntry] = []
        var number = written > capacity ? written - capacity : 0
        while number < written, result.count < limit {
            let place = number % capacity
            let batch = min(written - number, capacity - place, 1024)
            let bytes = try readExactly(
                file.raw, at: headerSize + Int(place) * entrySize, count: Int(batch) * entrySize)
            var reader = WireReader(bytes)
            for _ in 0..<batch {
                let entry = try decode(&reader)
                if let since, entry.at < since { continue }
                if let until, entry.at > until { continue }
                if result.count < limit { result.append(entry) }
            }
            number += batch
        }
        return result
    }

    private static func decode(_ reader: inout WireReader) throws -> LogEntry {
        let offset: UInt64 = try reader.integer()
        let monotonic: UInt64 = try reader.integer()
        let wall: Int64 = try reader.integer()
        let length: UInt32 = try reader.integer()
        let stream = OutputStream(rawValue: UInt8(truncatingIfNeeded: try reader.integer(UInt32.self)))
        return LogEntry(
            stream: stream ?? .stdout, offset: offset, length: Int(length), at: Timestamp(microseconds: wall),
            monotonic: monotonic)
    }

    private static func readExactly(_ file: Int32, at offset: Int, count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let got = bytes.withUnsafeMutableBytes { pread(file, $0.baseAddress, count, off_t(offset)) }
        guard got == count else { throw WireError("a file is shorter than its header says") }
        return bytes
    }
}

/// The names of what is kept of a sandbox, below the data directory's `sandboxes/<id>`.
public enum RecordNames {
    /// `ShimStatus` at the start: that the sandbox was somebody's.
    public static let status = "status"
    /// `Ending` of the sandbox.
    public static let ending = "ending"
    /// Spools and indexes of all execs.
    public static let output = "output"
    /// The `ExecJournal`.
    public static let execs = "execs"
}

/// The ended execs of a sandbox: a file of `ExecState`s, each behind its length (u32), in the order
/// in which they ended. Each is appended by one write(2), which a killed process has done or not.
public enum ExecJournal {
    /// The bytes of one entry.
    public static func bytes(_ state: ExecState) -> [UInt8] {
        var writer = WireWriter()
        writer.put(state.record)
        return writer.bytes
    }

    /// The entries in a journal; what is cut short at its end is left out.
    public static func entries(_ bytes: [UInt8]) -> [ExecState] {
        var reader = WireReader(bytes)
        var entries: [ExecState] = []
        while reader.remaining > 0, let record = try? reader.blob() {
            if let state = try? ExecState(record: record) { entries.append(state) }
        }
        return entries
    }
}

/// Whether a file has no bytes yet.
private func isEmpty(_ file: Int32) -> Bool {
    var byte: UInt8 = 0
    return pread(file, &byte, 1, 0) == 0
}
