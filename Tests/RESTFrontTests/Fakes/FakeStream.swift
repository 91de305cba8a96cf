import SandboxModel
import Synchronization

/// A stream whose byte at offset n is known, so that a gigabyte needs no memory; or literal bytes.
final class FakeStream: Sendable {
    struct State {
        var first: UInt64 = 0
        var end: UInt64 = 0
        var closed = false
        var bytes: [UInt8]?
        var openReaders = 0
        var readersOpened = 0
        var handedOut: UInt64 = 0
        var told: UInt64 = 0
    }

    let state: Mutex<State>

    /// `count` bytes by the pattern.
    init(patternOf count: UInt64 = 0, first: UInt64 = 0, closed: Bool = false) {
        state = Mutex(State(first: first, end: count, closed: closed))
    }

    init(bytes: [UInt8], closed: Bool = true) {
        state = Mutex(State(end: UInt64(bytes.count), closed: closed, bytes: bytes))
    }

    static func pattern(at offset: UInt64) -> UInt8 { UInt8(truncatingIfNeeded: offset &* 31 &+ offset >> 8) }

    func update(_ change: (inout State) -> Void) { state.withLock { change(&$0) } }

    func append(_ more: [UInt8]) {
        update {
            $0.bytes = ($0.bytes ?? []) + more
            $0.end += UInt64(more.count)
        }
    }

    func openReader() -> FakeReader {
        update {
            $0.openReaders += 1
            $0.readersOpened += 1
        }
        return FakeReader(stream: self)
    }
}

struct FakeReader: OutputReader {
    let stream: FakeStream

    func extent() throws -> StreamExtent {
        stream.state.withLock { StreamExtent(first: $0.first, end: $0.end, closed: $0.closed) }
    }

    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws -> StreamRead {
        stream.state.withLock { state in
            if offset < state.first { return .gap(first: state.first) }
            guard offset < state.end else { return state.closed ? .end : .upToDate }
            let count = Int(min(UInt64(buffer.count), state.end - offset))
            for index in 0..<count {
                buffer[index] = state.bytes?[Int(offset) + index] ?? FakeStream.pattern(at: offset + UInt64(index))
            }
            state.handedOut += UInt64(count)
            return .bytes(count)
        }
    }

    func waitBeyond(_ offset: UInt64, upTo limit: Duration) async throws -> StreamExtent {
        stream.update { $0.told = max($0.told, offset) }
        let deadline = ContinuousClock.now + limit
        while true {
            let extent = try extent()
            if extent.end > offset || extent.closed || ContinuousClock.now >= deadline { return extent }
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    func close() async { stream.update { $0.openReaders -= 1 } }
}
